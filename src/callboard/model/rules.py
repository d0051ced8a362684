"""Location rules: which kinds of entities a location may bring into the catalog.

A rule that matches allows; nothing forbids (reference, section 4.5). Rules look at the origin, the location at the root
of the chain, so that a file which is allowed to name other files can't give them more rights than it has.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException  # wcmatch raises it and exports it nowhere else

from callboard.errors import InvalidConfiguration
from callboard.model.refs import EntityRef, LocationRef

NOT_OF_AN_ALLOWED_KIND = (
    "Entity {ref} at {location}, originated at {origin}, is not of an allowed kind for that location"
)

_GLOB = glob.GLOBSTAR | glob.DOTGLOB | glob.IGNORECASE | glob.BRACE | glob.EXTGLOB | glob.FORCEUNIX


@dataclass(frozen=True, slots=True)
class AllowedKind:
    """A kind, or one type of it. The kind matches in any case, the type as it is written."""

    kind: str
    spec_type: str | None = None


@dataclass(frozen=True, slots=True)
class LocationMatch:
    """Locations of one type: all of them, the one *exact* target, or those that the glob *pattern* matches.

    In a pattern, case does not matter, `*` stays between two slashes and `**` crosses them.
    """

    type: str
    exact: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows some kinds for some locations. Without *locations* it holds everywhere, with an empty tuple nowhere."""

    allow: tuple[AllowedKind, ...]
    locations: tuple[LocationMatch, ...] | None = None


DEFAULT_RULES = (Rule(allow=(AllowedKind("Component"), AllowedKind("API"), AllowedKind("Location"))),)
"""What holds when the configuration has no rules: nobody's file makes users, groups or systems."""


class Rules:
    """The rules of an installation, compiled."""

    def __init__(self, rules: Iterable[Rule] = DEFAULT_RULES) -> None:
        self.stated = tuple(rules)
        self._by_kind: dict[str, list[tuple[str | None, tuple[_Matcher, ...] | None]]] = {}
        for rule in self.stated:
            matchers = None if rule.locations is None else tuple(_Matcher(match) for match in rule.locations)
            for allowed in rule.allow:
                self._by_kind.setdefault(allowed.kind.lower(), []).append((allowed.spec_type, matchers))

    def allows(self, kind: str, spec_type: str | None, origin: LocationRef) -> bool:
        """Whether an entity of *kind* and *spec_type* may come from *origin*."""
        for wanted_type, matchers in self._by_kind.get(kind.lower(), ()):
            if wanted_type is not None and wanted_type != spec_type:
                continue
            if matchers is None or any(matcher.matches(origin) for matcher in matchers):
                return True
        return False


def refusal(ref: EntityRef, location: LocationRef, origin: LocationRef) -> str:
    """The words for an entity that no rule allows."""
    return NOT_OF_AN_ALLOWED_KIND.format(ref=ref, location=location, origin=origin)


class _Matcher:
    """A LocationMatch with its pattern compiled."""

    def __init__(self, match: LocationMatch) -> None:
        if match.exact is not None and match.pattern is not None:
            raise InvalidConfiguration(
                f"A rule's location has both exact: {match.exact!r} and pattern: {match.pattern!r}; give one of them"
            )
        self._type = match.type
        self._exact = match.exact
        self._pattern = None if match.pattern is None else _compile(match.pattern)

    def matches(self, location: LocationRef) -> bool:
        if location.type != self._type:
            return False
        if self._exact is not None:
            return location.target == self._exact
        return self._pattern is None or self._pattern.match(location.target)


def _compile(pattern: str) -> glob.WcMatcher[str]:
    try:
        return glob.compile(pattern, flags=_GLOB)
    except PatternLimitException as error:
        raise InvalidConfiguration(f"A rule's pattern has too many alternatives: {pattern!r}") from error

"""Policies: who has which permissions by the configuration of Callboard itself.

Rules only grant, as in the role-based access control of Kubernetes: their order means nothing, and what no rule grants
is denied.
"""

import difflib
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from callboard.access.decisions import Allowed, Conditional, Decision, Denied, of_service
from callboard.access.permissions import ALL, Permission
from callboard.access.principals import Anonymous, Principal, Service, User
from callboard.errors import InvalidConfiguration, InvalidInput, InvalidRef
from callboard.model.predicates import AllOf, AnyOf, Equals, Exists, HasPrefix, In, Not, Predicate, parse_query
from callboard.model.refs import EntityRef
from callboard.settings import PermissionRuleSetting

EVERYBODY = "*"
AUTHENTICATED = "authenticated"

_CALLER = "$user"
_OWNERSHIP = "$ownership"
_NAMES = tuple(permission.name for permission in ALL)


@dataclass(frozen=True, slots=True)
class Grant:
    """Some permissions for some callers, perhaps for some entities only."""

    who: frozenset[str]
    """Canonical refs of users and groups, EVERYBODY, AUTHENTICATED."""
    permissions: frozenset[str]
    """Their names."""
    where: Predicate | None = None
    """What holds for the entities; `$user` and `$ownership` in it are not replaced yet. None: all entities."""


class ConfiguredPolicy:
    """Decides by the grants of the configuration, and for services by their restrictions."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        self._grants = tuple(grants)

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        """What the grants add up to."""
        if isinstance(principal, Service):
            return of_service(principal, permission)
        names = _names_of(principal)
        found = [grant for grant in self._grants if permission.name in grant.permissions and grant.who & names]
        if any(grant.where is None for grant in found):
            return Allowed()
        conditions = tuple(_bound(grant.where, principal) for grant in found if grant.where is not None)
        if not conditions or permission.resource_type is None:
            return Denied()
        return Conditional(AnyOf(conditions))


def _names_of(principal: Anonymous | User) -> set[str]:
    """Everything that stands for *principal* in a rule."""
    if isinstance(principal, Anonymous):
        return {EVERYBODY}
    groups = (ref for ref in principal.ownership if ref.startswith("group:"))
    return {EVERYBODY, AUTHENTICATED, principal.ref, *groups}


def _bound(predicate: Predicate, principal: Anonymous | User) -> Predicate:
    """*predicate* with the refs of *principal* for `$user` and `$ownership`; nobody in particular has none."""
    match predicate:
        case AllOf(members):
            return AllOf(tuple(_bound(member, principal) for member in members))
        case AnyOf(members):
            return AnyOf(tuple(_bound(member, principal) for member in members))
        case Not(member):
            return Not(_bound(member, principal))
        case Equals(key, value) if value in (_CALLER, _OWNERSHIP):
            return In(key, _meant(value, principal))
        case In(key, values):
            return In(key, tuple(ref for value in values for ref in _meant(value, principal)))
        case Equals() | HasPrefix() | Exists():
            return predicate
        case _:
            assert_never(predicate)


def _meant(value: str, principal: Anonymous | User) -> tuple[str, ...]:
    if value not in (_CALLER, _OWNERSHIP):
        return (value,)
    if isinstance(principal, Anonymous):
        return ()
    return (principal.ref,) if value == _CALLER else principal.ownership


def parse_policy(rules: Sequence[PermissionRuleSetting]) -> ConfiguredPolicy:
    """The policy of the configuration. Raises InvalidConfiguration that names everything that is wrong."""
    grants: list[Grant] = []
    problems: list[str] = []
    for index, rule in enumerate(rules):
        position = f"{rule.position}: " if rule.position else ""
        prefix = f"{position}callboard.permissions.policy[{index}]"
        found = [f"{prefix}.{problem}" for problem in _problems(rule)]
        problems += found
        if not found:
            grants.append(_grant(rule))
    if problems:
        raise InvalidConfiguration("\n".join(problems))
    return ConfiguredPolicy(grants)


def _grant(rule: PermissionRuleSetting) -> Grant:
    return Grant(
        who=frozenset(name for who in rule.who if (name := _parse_who(who)) is not None),
        permissions=frozenset(name for pattern in rule.allow for name in _matching(pattern)),
        where=None if rule.where is None else parse_query(dict(rule.where)),
    )


def _problems(rule: PermissionRuleSetting) -> Iterator[str]:
    for index, who in enumerate(rule.who):
        try:
            _parse_who(who)
        except InvalidRef as error:
            yield f"who[{index}]: {error}"
    for index, pattern in enumerate(rule.allow):
        if not _matching(pattern):
            similar = difflib.get_close_matches(pattern, _NAMES, n=1)
            hint = f" (did you mean {similar[0]}?)" if similar else ""
            yield f"allow[{index}]: expected a permission, or a pattern such as catalog.*, got {pattern!r}{hint}"
    if rule.where is not None:
        try:
            predicate = parse_query(dict(rule.where))
        except InvalidInput as error:
            yield f"where: {error}"
        else:
            yield from (f"where: {problem}" for problem in _misunderstood(predicate))


def _parse_who(who: str) -> str | None:
    """What stands for these callers in a grant; None for services, which need no grants."""
    if who in (EVERYBODY, AUTHENTICATED):
        return who
    return None if who.startswith(("external:", "plugin:")) else str(EntityRef.parse(who))


def _matching(pattern: str) -> list[str]:
    return [name for name in _NAMES if fnmatch.fnmatchcase(name, pattern)]


def _misunderstood(predicate: Predicate) -> Iterator[str]:
    """Values that look as if they stood for something, and don't: in a `$not` such a slip would grant too much."""
    match predicate:
        case AllOf(members) | AnyOf(members):
            for member in members:
                yield from _misunderstood(member)
        case Not(member):
            yield from _misunderstood(member)
        case Equals(key, value):
            yield from _unknown(key, (value,))
        case In(key, values):
            yield from _unknown(key, values)
        case HasPrefix(key, prefix):
            if prefix.startswith("$"):
                yield f"{key}: $hasPrefix expects a text without {_CALLER} or {_OWNERSHIP}, got {prefix!r}"
        case Exists():
            pass
        case _:
            assert_never(predicate)


def _unknown(key: str, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        if value.startswith("$") and value not in (_CALLER, _OWNERSHIP):
            yield f"{key}: expected {_CALLER}, {_OWNERSHIP} or a text that does not begin with $, got {value!r}"

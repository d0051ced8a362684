"""Filters: which resources, or which values of an attribute, a request means (RFC 7644, section 3.4.2.2)."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from callboard.api.scim.refusals import Refused
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue

_TOKEN = re.compile(r'\s*([()\[\]]|"(?:[^"\\]|\\.)*"|[^\s()\[\]"]+)')
_DEEPEST = 30
_LONGEST = 10_000
_EXACT = {"id", "externalid"}

_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "co": lambda value, wanted: wanted in value,
    "sw": str.startswith,
    "ew": str.endswith,
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """Where a value is: an attribute, or one within it, perhaps of an extension."""

    name: str
    within: str | None = None
    schema: str | None = None

    def values(self, resource: JsonObject) -> list[JsonValue]:
        """All values that a resource has there. Of a complex one without `within`, that is its `value`."""
        place: JsonValue = resource if self.schema is None else member(resource, self.schema)
        found = _listed(member(place, self.name)) if isinstance(place, dict) else []
        name = self.within or "value"
        inner = [value for each in found if isinstance(each, dict) for value in _listed(member(each, name))]
        return inner if self.within else [*inner, *(each for each in found if not isinstance(each, dict))]

    def first(self, resource: JsonObject) -> JsonValue:
        """The value that a resource is sorted by: that of the primary one, or the first one (section 3.4.2.3)."""
        place: JsonValue = resource if self.schema is None else member(resource, self.schema)
        found = _listed(member(place, self.name)) if isinstance(place, dict) else []
        primary = [each for each in found if isinstance(each, dict) and each.get("primary") is True]
        values = Attribute(self.name, self.within).values({self.name: [*primary, *found]})
        return next(iter(values), None)

    @property
    def is_exact(self) -> bool:
        """Whether upper and lower case are different there."""
        return self.name.lower() in _EXACT


@dataclass(frozen=True, slots=True)
class Compare:
    """An attribute, compared with a value; `pr` asks whether it is there at all."""

    attribute: Attribute
    operator: str
    value: JsonValue = None

    def matches(self, resource: JsonObject) -> bool:
        """Whether the filter is true of *resource*."""
        values = self.attribute.values(resource)
        if self.operator == "pr":
            return any(value not in (None, "", [], {}) for value in values) or self._is_complex(resource)
        if self.operator == "ne":
            return not any(self._holds("eq", value) for value in values)
        if self.operator == "eq" and self.value is None:
            return not values
        return any(self._holds(self.operator, value) for value in values)

    def _is_complex(self, resource: JsonObject) -> bool:
        place = resource if self.attribute.schema is None else member(resource, self.attribute.schema)
        return self.attribute.within is None and isinstance(place, dict) and bool(member(place, self.attribute.name))

    def _holds(self, operator: str, value: JsonValue) -> bool:
        value, wanted = self._comparable(value), self._comparable(self.value)
        if operator == "eq":
            return type(value) is type(wanted) and value == wanted
        if isinstance(value, str) and isinstance(wanted, str):
            if operator in _TEXTS:
                return _TEXTS[operator](value, wanted)
            return _in_order(operator, below=value < wanted, above=value > wanted)
        if isinstance(value, int | float) and isinstance(wanted, int | float):
            return _in_order(operator, below=value < wanted, above=value > wanted)
        return False

    def _comparable(self, value: JsonValue) -> JsonValue:
        return value.casefold() if isinstance(value, str) and not self.attribute.is_exact else value


@dataclass(frozen=True, slots=True)
class Every:
    """All of several filters."""

    filters: "Sequence[Filter]"

    def matches(self, resource: JsonObject) -> bool:
        """Whether the filter is true of *resource*."""
        return all(each.matches(resource) for each in self.filters)


@dataclass(frozen=True, slots=True)
class Some:
    """One of several filters, or more."""

    filters: "Sequence[Filter]"

    def matches(self, resource: JsonObject) -> bool:
        """Whether the filter is true of *resource*."""
        return any(each.matches(resource) for each in self.filters)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a filter."""

    filter: "Filter"

    def matches(self, resource: JsonObject) -> bool:
        """Whether the filter is true of *resource*."""
        return not self.filter.matches(resource)


@dataclass(frozen=True, slots=True)
class Within:
    """A filter that is true of one value of an attribute, as a whole."""

    attribute: Attribute
    filter: "Filter"

    def matches(self, resource: JsonObject) -> bool:
        """Whether the filter is true of *resource*."""
        place: JsonValue = resource if self.attribute.schema is None else member(resource, self.attribute.schema)
        values = _listed(member(place, self.attribute.name)) if isinstance(place, dict) else []
        return any(self.filter.matches(value) for value in values if isinstance(value, dict))


Filter = Compare | Every | Some | Not | Within


@dataclass(frozen=True, slots=True)
class Path:
    """What a PATCH changes: an attribute, those values of it that a filter is true of, or an attribute within these."""

    attribute: Attribute
    filter: Filter | None = None


def parse(text: str, schemas: Sequence[str]) -> Filter:
    """The filter that *text* says; *schemas* are the URNs that attributes may begin with. Raises Refused."""
    reader = _Reader(_tokens(text, "invalidFilter"), schemas)
    found = reader.either()
    reader.end()
    return found


def parse_path(text: str, schemas: Sequence[str]) -> Path:
    """The path that *text* says. Raises Refused."""
    reader = _Reader(_tokens(text, "invalidPath"), schemas, "invalidPath")
    attribute, found = reader.attribute(), None
    if reader.takes("["):
        found = reader.either()
        reader.expect("]")
        if (rest := reader.peek()) is not None and rest.startswith(".") and len(rest) > 1:
            reader.next()
            attribute = Attribute(attribute.name, rest[1:], attribute.schema)
    reader.end()
    return Path(attribute, found)


def member(place: JsonObject, name: str) -> JsonValue:
    """What *place* has under *name*, whatever its case."""
    if name in place:
        return place[name]
    return next((value for key, value in place.items() if key.lower() == name.lower()), None)


@dataclass(slots=True)
class _Reader:
    tokens: list[str]
    schemas: Sequence[str]
    kind: str = "invalidFilter"
    at: int = 0
    depth: int = field(default=0)

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self) -> str:
        token = self.peek()
        if token is None:
            raise Refused(self.kind, "expected more, found the end")
        self.at += 1
        return token

    def takes(self, token: str) -> bool:
        """Go on if *token* comes next."""
        if (self.peek() or "").lower() != token:
            return False
        self.at += 1
        return True

    def expect(self, token: str) -> None:
        if not self.takes(token):
            raise Refused(self.kind, f"expected {token}, found {self.peek() or 'the end'}")

    def end(self) -> None:
        if (rest := self.peek()) is not None:
            raise Refused(self.kind, f"expected the end, found {rest}")

    def either(self) -> Filter:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Refused(self.kind, f"is nested deeper than {_DEEPEST} levels")
        found = [self.both()]
        while self.takes("or"):
            found.append(self.both())
        self.depth -= 1
        return found[0] if len(found) == 1 else Some(found)

    def both(self) -> Filter:
        found = [self.one()]
        while self.takes("and"):
            found.append(self.one())
        return found[0] if len(found) == 1 else Every(found)

    def one(self) -> Filter:
        negated = self.takes("not")
        if self.takes("("):
            found = self.either()
            self.expect(")")
            return Not(found) if negated else found
        if negated:
            raise Refused(self.kind, "expected ( behind not")
        attribute = self.attribute()
        if self.takes("["):
            found = self.either()
            self.expect("]")
            return Within(attribute, found)
        operator = self.next().lower()
        if operator == "pr":
            return Compare(attribute, "pr")
        if operator not in ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"):
            raise Refused(self.kind, f"expected eq, ne, co, sw, ew, gt, ge, lt, le or pr, found {operator}")
        return Compare(attribute, operator, self.value())

    def attribute(self) -> Attribute:
        text = self.next()
        schema, name = self._without_schema(text)
        name, dot, within = name.partition(".")
        if not re.fullmatch(r"[$A-Za-z][\w$-]*", name) or (dot and not re.fullmatch(r"[$A-Za-z][\w$-]*", within)):
            raise Refused(self.kind, f"expected an attribute, found {text}")
        return Attribute(name, within or None, schema)

    def _without_schema(self, text: str) -> tuple[str | None, str]:
        """The URN of the extension that *text* begins with, and the rest. The first schema is the resource's own."""
        for index, urn in enumerate(self.schemas):
            if text.lower().startswith(f"{urn.lower()}:"):
                return (urn if index else None), text[len(urn) + 1 :]
        if text.lower().startswith("urn:"):
            schema, _, name = text.rpartition(":")
            return schema, name
        return None, text

    def value(self) -> JsonValue:
        text = self.next()
        try:
            # Some write True where JSON has true.
            value = json.decode(text.lower() if text.lower() in ("true", "false", "null") else text)
        except ValueError:
            value = {}
        if isinstance(value, dict | list):
            raise Refused(self.kind, f"expected a text in quotes, a number, true, false or null, found {text}")
        return value


def _tokens(text: str, kind: str) -> list[str]:
    if len(text) > _LONGEST:
        raise Refused(kind, f"is longer than {_LONGEST} characters")
    return list(_scanned(text, kind))


def _scanned(text: str, kind: str) -> Iterator[str]:
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Refused(kind, f"can't be read from {text[at : at + 20]!r} on")
        yield match[1]
        at = match.end()


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _in_order(operator: str, *, below: bool, above: bool) -> bool:
    return {"gt": above, "lt": below, "ge": not below, "le": not above}.get(operator, False)

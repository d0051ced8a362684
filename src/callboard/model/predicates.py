"""Predicates: which entities are meant. One tree for filters, queries, permissions and subscriptions.

It is written in two ways. A *filter* is the text `kind=component,spec.type=service`; a *query* is a JSON object such
as `{"$not": {"kind": "component"}}`. Predicates are about facts (see `facts`), so keys and values are lower case.
Rules: reference, section 1.4.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from callboard.errors import InvalidInput
from callboard.model.facts import Facts, scalar_text
from callboard.model.json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when all members are; without members it matches everything."""

    members: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one member is; without members it matches nothing."""

    members: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True when *member* is not."""

    member: "Predicate"


@dataclass(frozen=True, slots=True)
class Equals:
    """One of the key's values is *value*."""

    key: str
    value: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key.lower())
        object.__setattr__(self, "value", self.value.lower())


@dataclass(frozen=True, slots=True)
class In:
    """One of the key's values is among *values*."""

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key.lower())
        object.__setattr__(self, "values", tuple(value.lower() for value in self.values))


@dataclass(frozen=True, slots=True)
class HasPrefix:
    """One of the key's values starts with *prefix*."""

    key: str
    prefix: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key.lower())
        object.__setattr__(self, "prefix", self.prefix.lower())


@dataclass(frozen=True, slots=True)
class Exists:
    """The key is there, be it with a value that is null or too long to be known."""

    key: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key.lower())


Predicate: TypeAlias = AllOf | AnyOf | Not | Equals | In | HasPrefix | Exists

EVERYTHING = AllOf(())
NOTHING = AnyOf(())

MAX_DEPTH = 64
"""How deep a query may be nested; no person writes more than a handful of levels."""


def matches(predicate: Predicate, facts: Facts) -> bool:
    """Whether the entity with these facts is meant."""
    match predicate:
        case AllOf(members):
            return all(matches(member, facts) for member in members)
        case AnyOf(members):
            return any(matches(member, facts) for member in members)
        case Not(member):
            return not matches(member, facts)
        case Equals(key, expected):
            return any(value.lower() == expected for value in facts.get(key, ()))
        case In(key, accepted):
            return any(value.lower() in accepted for value in facts.get(key, ()))
        case HasPrefix(key, prefix):
            return any(value.lower().startswith(prefix) for value in facts.get(key, ()))
        case Exists(key):
            return key in facts
        case _:
            assert_never(predicate)


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """What meets both; None stands for everything."""
    if first is None or second is None:
        return first if second is None else second
    return AllOf((first, second))


def parse_filters(texts: Sequence[str]) -> Predicate | None:
    """The predicate of `filter` parameters: any of *texts*, each a conjunction. None when they say nothing."""
    alternatives = [conjunction for text in texts if (conjunction := _parse_filter(text)) is not None]
    if len(alternatives) > 1:
        return AnyOf(tuple(alternatives))
    return alternatives[0] if alternatives else None


def _parse_filter(text: str) -> Predicate | None:
    accepted: dict[str, list[str]] = {}
    for part in text.split(","):
        statement = part.strip()
        if not statement:
            continue
        key, equals, value = statement.partition("=")
        key = key.strip()
        if not key:
            raise InvalidInput(
                f"Invalid filter, '{statement}' is not a valid statement (expected a string on the form a=b or a= or a)"
            )
        # As Backstage does, alternatives gather by the exact spelling of the key and replace a test for existence.
        values = accepted.setdefault(key, [])
        if equals:
            values.append(value.strip())
    conditions = tuple(_one_of(key, values) for key, values in accepted.items())
    if len(conditions) > 1:
        return AllOf(conditions)
    return conditions[0] if conditions else None


def _one_of(key: str, values: list[str]) -> Predicate:
    if not values:
        return Exists(key)
    return Equals(key, values[0]) if len(values) == 1 else In(key, tuple(values))


def parse_query(value: JsonValue) -> Predicate:
    """The predicate of a query object. Raises InvalidInput."""
    return _parse_query(value, MAX_DEPTH)


def _parse_query(value: JsonValue, depth: int) -> Predicate:
    if not isinstance(value, dict):
        raise InvalidInput(f"Invalid query: expected an object, received {_name(value)}")
    # Several conditions are one level more: that is how they are written into a cursor, which has to be read again.
    if depth < (2 if len(value) > 1 else 1):
        raise InvalidInput(f"Invalid query: it is nested deeper than {MAX_DEPTH} levels")
    operator = next((key for key in value if key.startswith("$")), None)
    if operator is not None:
        if len(value) > 1:
            raise InvalidInput(f'Invalid query: "{operator}" must be the only key of its object')
        return _parse_logic(operator, value[operator], depth - 1)
    conditions = tuple(_parse_condition(key, expected) for key, expected in value.items())
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def _parse_logic(operator: str, operand: JsonValue, depth: int) -> Predicate:
    if operator == "$not":
        return Not(_parse_query(operand, depth))
    if operator not in ("$all", "$any"):
        raise InvalidInput(f'Invalid query: unknown operator "{operator}", expected "$all", "$any" or "$not"')
    if not isinstance(operand, list):
        raise InvalidInput(f'Invalid query: "{operator}" expects a list, received {_name(operand)}')
    members = tuple(_parse_query(member, depth) for member in operand)
    return AllOf(members) if operator == "$all" else AnyOf(members)


def _parse_condition(key: str, expected: JsonValue) -> Predicate:
    if isinstance(expected, str | int | float):
        return Equals(key, scalar_text(expected))
    if not isinstance(expected, dict):
        raise InvalidInput(
            f'Invalid query: "{key}" expects a text, a number, a boolean or an operator, received {_name(expected)}'
        )
    # Of several operators the first valid one in this order counts: so does Backstage.
    for operator, parse in _OPERATORS.items():
        if operator in expected and (condition := parse(key, expected[operator])) is not None:
            return condition
    known = [operator for operator in _OPERATORS if operator in expected]
    if known:
        raise InvalidInput(f'Invalid query: "{key}" has an operand that "{known[0]}" can\'t take')
    raise InvalidInput(f'Invalid query: "{key}" has no known operator, expected one of {", ".join(_OPERATORS)}')


def _parse_exists(key: str, operand: JsonValue) -> Predicate | None:
    if not isinstance(operand, bool):
        return None
    return Exists(key) if operand else Not(Exists(key))


def _parse_in(key: str, operand: JsonValue) -> Predicate | None:
    if not isinstance(operand, list):
        return None
    values = [scalar_text(value) for value in operand if isinstance(value, str | int | float)]
    return In(key, tuple(values)) if len(values) == len(operand) else None


def _parse_contains(key: str, operand: JsonValue) -> Predicate | None:
    if isinstance(operand, str | int | float):
        return Equals(key, scalar_text(operand))
    if not isinstance(operand, dict):
        return None
    if key.lower() != "relations":
        raise InvalidInput(f'Object form of $contains is not supported for field "{key}"')
    return _parse_relation(operand)


def _parse_relation(relation: JsonObject) -> Predicate:
    kind = relation.get("type")
    if not isinstance(kind, str):
        raise InvalidInput('The $contains operator for "relations" requires a "type" string property')
    for name in relation:
        if name not in ("type", "targetRef"):
            raise InvalidInput(f'The $contains operator for "relations" does not support the property "{name}"')
    key = f"relations.{kind}"
    if "targetRef" not in relation:
        return Exists(key)
    target = relation["targetRef"]
    if isinstance(target, str):
        return Equals(key, target)
    accepted = _parse_in(key, target.get("$in")) if isinstance(target, dict) else None
    if accepted is None:
        raise InvalidInput('The $contains operator for "relations" expects "targetRef" to be a ref or {"$in": [refs]}')
    return accepted


def _parse_prefix(key: str, operand: JsonValue) -> Predicate | None:
    return HasPrefix(key, operand) if isinstance(operand, str) else None


_OPERATORS: Mapping[str, Callable[[str, JsonValue], Predicate | None]] = {
    "$exists": _parse_exists,
    "$in": _parse_in,
    "$contains": _parse_contains,
    "$hasPrefix": _parse_prefix,
}


def format_query(predicate: Predicate) -> JsonObject:
    """The query object that parses to *predicate*."""
    match predicate:
        case AllOf(members):
            return {"$all": [format_query(member) for member in members]}
        case AnyOf(members):
            return {"$any": [format_query(member) for member in members]}
        case Not(Exists(key)) if not key.startswith("$"):
            return {key: {"$exists": False}}
        case Not(member):
            return {"$not": format_query(member)}
        case Equals(key, value):
            return _format_condition(key, value)
        case In(key, values):
            return _format_condition(key, {"$in": list(values)})
        case HasPrefix(key, prefix):
            return _format_condition(key, {"$hasPrefix": prefix})
        case Exists(key):
            return _format_condition(key, {"$exists": True})
        case _:
            assert_never(predicate)


def _format_condition(key: str, expected: JsonValue) -> JsonObject:
    # A filter can name such a key, a query can't, and no entity has one.
    return {"$any": []} if key.startswith("$") else {key: expected}


def _name(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else scalar_text(value)

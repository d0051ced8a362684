"""JSON Schemas, with errors in the words that users and tools of Backstage know.

The shape is `<pointer> <text> - <parameter>: <value>`, for example
`/spec must have required property 'type' - missingProperty: type`; the whole value is called `<root>`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from callboard.errors import InvalidEntity
from callboard.model.json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a value breaks a schema.

    >>> str(Violation("/spec/owner", "must be string", "type: string"))
    '/spec/owner must be string - type: string'
    """

    pointer: str
    text: str
    parameter: str

    def __str__(self) -> str:
        return f"{self.brief} - {self.parameter}" if self.parameter else self.brief

    @property
    def brief(self) -> str:
        """The violation without its parameter."""
        return f"{self.pointer or '<root>'} {self.text}"


class Schema:
    """A compiled JSON Schema (draft 7)."""

    __slots__ = ("_validator", "is_valid")

    is_valid: Callable[[JsonValue], bool]
    """Whether a value keeps to the schema: a few microseconds for an entity."""

    def __init__(self, document: JsonObject) -> None:
        self._validator = jsonschema_rs.Draft7Validator(document)
        self.is_valid = self._validator.is_valid

    def violations(self, value: JsonValue) -> list[Violation]:
        """All ways in which *value* breaks the schema, in the order of the schema."""
        return [violation for error in self._validator.iter_errors(value) for violation in _violations(error)]

    def check(self, value: JsonValue) -> None:
        """Raise InvalidEntity with all violations if there are any; its pointer is that of the first one."""
        if not self.is_valid(value):
            violations = self.violations(value)
            raise InvalidEntity("; ".join(map(str, violations)), pointer=violations[0].pointer)


def pointer_of(path: list[str | int]) -> str:
    """The JSON pointer for *path*.

    >>> pointer_of(["metadata", "annotations", "example.com/team", 0])
    '/metadata/annotations/example.com~1team/0'
    """
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _violations(error: jsonschema_rs.ValidationError) -> Iterator[Violation]:
    pointer = pointer_of(error.instance_path)
    keyword, value = error.kind.name, error.kind.value
    if keyword == "additionalProperties":
        for name in value:
            yield Violation(pointer, "must NOT have additional properties", f"additionalProperty: {name}")
    elif keyword in _TEXTS:
        yield Violation(pointer, *_TEXTS[keyword](value))
    else:
        yield Violation(pointer, f'must pass "{keyword}" keyword validation', "")


def _type(value: Any) -> tuple[str, str]:
    names = ",".join(value)
    return f"must be {names}", f"type: {names}"


def _limit(text: str) -> Callable[[Any], tuple[str, str]]:
    return lambda limit: (text.format(limit), f"limit: {limit}")


def _comparison(sign: str) -> Callable[[Any], tuple[str, str]]:
    return lambda limit: (f"must be {sign} {limit}", f"comparison: {sign}, limit: {limit}")


_TEXTS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "type": _type,
    "required": lambda name: (f"must have required property '{name}'", f"missingProperty: {name}"),
    "enum": lambda options: (
        "must be equal to one of the allowed values",
        f"allowedValues: {','.join(map(str, options))}",
    ),
    "const": lambda value: ("must be equal to constant", f"allowedValue: {value}"),
    "pattern": lambda pattern: (f'must match pattern "{pattern}"', f"pattern: {pattern}"),
    "format": lambda name: (f'must match format "{name}"', f"format: {name}"),
    "minLength": _limit("must NOT have fewer than {} characters"),
    "maxLength": _limit("must NOT have more than {} characters"),
    "minItems": _limit("must NOT have fewer than {} items"),
    "maxItems": _limit("must NOT have more than {} items"),
    "minProperties": _limit("must NOT have fewer than {} properties"),
    "maxProperties": _limit("must NOT have more than {} properties"),
    "minimum": _comparison(">="),
    "maximum": _comparison("<="),
    "exclusiveMinimum": _comparison(">"),
    "exclusiveMaximum": _comparison("<"),
    "uniqueItems": lambda _: ("must NOT have duplicate items", ""),
    "anyOf": lambda _: ("must match a schema in anyOf", ""),
    "oneOf": lambda _: ("must match exactly one schema in oneOf", ""),
    "not": lambda _: ("must NOT be valid", ""),
    "falseSchema": lambda _: ("boolean schema is false", ""),
}

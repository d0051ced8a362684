"""Shapes: parts of JSON as what they ought to be, and as nothing when they are something else."""

from callboard.model.json import JsonObject, JsonValue


def mapping(value: JsonValue) -> JsonObject:
    """*value* if it is an object, and an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def sequence(value: JsonValue) -> list[JsonValue]:
    """A list, even where somebody has written one value instead of a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def mappings(value: JsonValue) -> list[JsonObject]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: JsonValue) -> str:
    """*value* as text: nothing for what is not there, and for what holds more than one.

    >>> text("a"), text(3), text(True), text(None), text(["a"])
    ('a', '3', 'true', '', '')
    """
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)

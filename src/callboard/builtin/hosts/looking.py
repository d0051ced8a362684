"""Looking into what a host has answered, which may be of any shape."""

from typing import TypeVar

from callboard.errors import Unreadable
from callboard.model.json import JsonObject, JsonValue

T = TypeVar("T")


def at(value: JsonValue, *keys: str) -> JsonValue:
    """What stands in *value* under these keys, one within the other; None where there is no such thing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_at(value: JsonValue, *keys: str) -> str | None:
    """The text there; None when there is none, or an empty one."""
    found = at(value, *keys)
    return found if isinstance(found, str) and found else None


def objects_at(value: JsonValue, *keys: str) -> list[JsonObject]:
    """The objects in the list there; none when there is no list."""
    found = at(value, *keys)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def list_at(value: JsonObject, key: str) -> list[JsonObject]:
    """The list of objects there. Raises Unreadable when it is none: what a list lacks would be withdrawn."""
    found = value.get(key)
    if not isinstance(found, list):
        raise Unreadable(f"expected the host to tell a list of {key}, got {type(found).__name__}")
    return [understood(each if isinstance(each, dict) else None, f"each of the {key}") for each in found]


def required(value: JsonValue, what: str) -> str:
    """The text *value*, which is to say *what*. Raises Unreadable when it says nothing."""
    if not isinstance(value, str) or not value:
        raise Unreadable(f"expected the host to tell {what}, got none")
    return value


def understood(value: T | None, what: str) -> T:
    """*value*, unless what a host has told of *what* was nothing that could be understood.

    Raises Unreadable then: in a list, what is left out would be withdrawn.
    """
    if value is None:
        raise Unreadable(f"expected the host to tell of {what}, got something else")
    return value

"""Answers: JSON that a host has sent, which may be of any shape."""

from callboard.errors import Unreadable
from callboard.extend import JsonValue


def inner(value: JsonValue, *names: str) -> JsonValue:
    """What is at the end of the way *names* into *value*; None where that ends before."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def items(value: JsonValue) -> list[JsonValue]:
    """The entries of *value*; none when it is no list."""
    return value if isinstance(value, list) else []


def text(value: JsonValue, what: str) -> str:
    """*value*, which is to say *what*. Raises Unreadable when it says nothing."""
    if not isinstance(value, str) or not value:
        raise Unreadable(f"expected the host to tell {what}, got none")
    return value

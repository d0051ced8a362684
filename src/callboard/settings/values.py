"""Configuration values that remember where they were said."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
"""Whatever JSON can say."""

Content: TypeAlias = bool | int | float | str | list["Value"] | dict[str, "Value"] | None
"""What a value holds: a scalar, or more values."""

_LONGEST_TEXT = 60


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value was said: a file and its line, or the name of an environment variable.

    Relative paths in the value count from *folder*.
    """

    source: str
    line: int | None
    folder: Path

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Value:
    """A piece of configuration and its position."""

    content: Content
    position: Position

    def entries(self) -> dict[str, "Value"]:
        """The entries of an object; nothing for any other value."""
        return self.content if isinstance(self.content, dict) else {}

    def plain(self) -> JsonValue:
        """The value alone, as JSON."""
        match self.content:
            case dict() as entries:
                return {key: value.plain() for key, value in entries.items()}
            case list() as items:
                return [item.plain() for item in items]
            case scalar:
                return scalar

    def shown(self) -> str:
        """The value in the words of an error message."""
        match self.content:
            case None:
                return "null"
            case bool() as flag:
                return "true" if flag else "false"
            case str() as text:
                return repr(text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…")
            case dict():
                return "an object"
            case list():
                return "a list"
            case number:
                return str(number)


def from_plain(content: JsonValue, position: Position) -> Value:
    """The JSON *content* as a value, all of it at one position."""
    match content:
        case dict() as entries:
            return Value({key: from_plain(value, position) for key, value in entries.items()}, position)
        case list() as items:
            return Value([from_plain(item, position) for item in items], position)
        case scalar:
            return Value(scalar, position)


def merged(base: Value, over: Value) -> Value:
    """*base* overlaid with *over*: objects merge, anything else is replaced."""
    if not isinstance(base.content, dict) or not isinstance(over.content, dict):
        return over
    entries = dict(base.content)
    for key, value in over.content.items():
        entries[key] = merged(entries[key], value) if key in entries else value
    return Value(entries, over.position)

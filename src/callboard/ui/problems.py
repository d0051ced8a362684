"""Problems: the errors of entities, each with the place where somebody can mend it."""

from collections.abc import Iterable
from dataclasses import dataclass

from callboard.model.json import JsonObject, JsonValue

_FETCHED = ("url:http://", "url:https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error."""

    message: str
    ref: str = ""
    """The entity that it is of, if that is known."""
    url: str = ""
    """Where a browser finds the file that it is in; empty if it can't."""
    place: str = ""
    """The file in words, with the line if that is known."""
    pointer: str = ""
    """The value in the entity."""


def all_of(errors: JsonValue, ref: str = "") -> list[Problem]:
    """The errors of the entity *ref* as the API tells them; each may name another entity itself."""
    return [of(error, ref) for error in _objects(errors)]


def of(error: JsonObject, ref: str = "") -> Problem:
    """One of them."""
    location, line, column = error.get("location"), error.get("line"), error.get("column")
    place = ""
    url = ""
    if isinstance(location, str):
        kind, _, target = location.partition(":")
        place = target if kind in ("url", "file") else location
        url = target if location.startswith(_FETCHED) else ""
        place += f", line {line}" if isinstance(line, int) else ""
        place += f", column {column}" if isinstance(column, int) else ""
    return Problem(
        message=str(error.get("message", "")),
        ref=str(error.get("entityRef") or ref),
        url=url,
        place=place,
        pointer=str(error.get("pointer") or ""),
    )


def _objects(value: JsonValue) -> Iterable[JsonObject]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()

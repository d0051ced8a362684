"""Problems: errors of processing as people read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.addresses import Place, place
from callboard.ui.shapes import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an entity."""

    name: str
    """What sort of error it is, for example `InvalidEntity`."""
    message: str
    level: str
    where: Place | None
    """The file, and the line there."""
    pointer: str
    """The JSON pointer of the value that is wrong, or nothing."""
    causes: Sequence["Problem"]
    """What led to it, the nearest first."""

    @property
    def is_serious(self) -> bool:
        """Whether it is an error, and no warning."""
        return self.level == "error"


_MOST_CAUSES = 10


def of_status(item: JsonObject) -> Problem:
    """The problem that an item of an entity's status tells of."""
    error = item.get("error")
    level = str(item.get("level") or "error")
    if not isinstance(error, dict):
        return Problem(
            name=str(item.get("type") or ""), message=_said(item.get("message")), level=level,
            where=None, pointer="", causes=(),
        )  # fmt: skip
    return of_error(error, level)


def of_error(error: JsonObject, level: str = "error") -> Problem:
    """The problem that an error, as the API describes one, tells of."""
    alone = _alone(error, level, ())
    causes: list[Problem] = []
    cause = error.get("cause")
    while isinstance(cause, dict) and len(causes) < _MOST_CAUSES:
        led = _alone(cause, level, ())
        # Most messages end with those of their causes. One that was found elsewhere still says where.
        if led.message not in alone.message or led.where not in (None, alone.where):
            causes.append(led)
        cause = cause.get("cause")
    return _alone(error, level, causes)


def _alone(error: JsonObject, level: str, causes: Sequence[Problem]) -> Problem:
    location = error.get("location")
    return Problem(
        name=str(error.get("name") or ""),
        message=_said(error.get("message")),
        level=level,
        where=place(location, error.get("line")) if location else None,
        pointer=str(error.get("pointer") or ""),
        causes=causes,
    )


def _said(message: JsonValue) -> str:
    return text(message) or "It says no more."

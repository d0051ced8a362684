"""Changes: what the stream is made of."""

import datetime as dt
import enum
from dataclasses import dataclass


class ChangeType(enum.StrEnum):
    """What happened to a visible entity. Consumers may treat `added` and `updated` alike."""

    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One visible change of the catalog, at its one position in the stream."""

    offset: int
    type: ChangeType
    ref: str
    """Canonical entity ref."""
    uid: str
    body: bytes | None
    """The final entity as JSON; None when it was removed."""
    at: dt.datetime
    cause: str | None = None
    """What led to the change, as JSON text."""
    left_filter: bool = False
    """It was removed for one reader alone: it is there, but no more among what this reader asked for or may see."""

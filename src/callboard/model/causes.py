"""Causes: why something is done, and who asked for it. This goes with the work from the first request to the event."""

import enum
from dataclasses import dataclass, replace

from callboard.model import json
from callboard.model.json import JsonObject

_LONGEST = 300
"""Characters of a reason: some are free texts."""


class Because(enum.StrEnum):
    """Why an entity is processed, stitched or removed. Other reasons are free texts, for people."""

    CHANGED = "changed"
    """Its source has it new, or other than before."""
    INTERVAL = "interval"
    DEPLOY = "deploy"
    REFRESH = "refresh"
    MOVED = "moved"
    """A location follows its file."""
    RETARGETED = "retargeted"
    """A location points elsewhere."""
    REMOVED = "removed"
    """It was deleted, and its parents are asked whether they still have it."""

    CONFLICT = "conflict"
    """Another source offers it as well, or does so no more."""
    ORPHANED = "orphaned"
    """Nothing claims it any more."""
    RECLAIMED = "reclaimed"
    """It was an orphan, and is claimed again."""
    RELATIONS = "relations"
    """A relation came or went that a neighbour emits."""

    WITHDRAWN = "withdrawn"
    """Its provider has it no more."""
    FORGOTTEN = "forgotten"
    """Its provider is no more."""
    UNREGISTERED = "unregistered"
    """Its location is registered no more."""
    DELETED = "deleted"
    """Somebody deleted this one entity."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is done. The empty fields are not told."""

    because: str = Because.CHANGED
    by: str | None = None
    """Who asked for it: a user's ref, or the subject of a service."""
    source: str | None = None
    """Whose doing it is, where that is another than the source that holds the entity."""
    location: str | None = None
    """The location that it is about, likewise."""
    location_id: str | None = None
    """Under which this location is registered, or was."""
    neighbour: str | None = None
    """The ref of an entity whose relations have changed."""

    def being(self, because: str, *, source: str | None = None) -> "Reason":
        """The same request, as the reason for another thing that *source* has led to."""
        return replace(self, because=because, source=source or self.source)

    def told(self) -> JsonObject:
        """The cause of an event, as far as the reason knows it."""
        told: JsonObject = {}
        if self.source is not None:
            told["source"] = self.source
        if self.location is not None:
            told["location"] = self.location
        if self.location_id is not None:
            told["locationId"] = self.location_id
        told["because"] = self.because[:_LONGEST]
        if self.by is not None:
            told["by"] = self.by
        if self.neighbour is not None:
            told["neighbour"] = self.neighbour
        return told

    def __str__(self) -> str:
        return json.encode(self.told()).decode()


CHANGED = Reason()

"""The annotations that say where an entity comes from.

They stand before the source's own ones, always in the same order: managed-by-location, managed-by-origin-location,
view-url.
"""

from collections.abc import Callable, Mapping

from callboard.extend import Processor, Run
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, VIEW_URL
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import LocationRef

Links = Callable[[LocationRef], Mapping[str, str]]
"""More annotations for entities from a location, for example the edit-url that a code host has for it."""


def mark_managed(entity: JsonObject, location: LocationRef, origin: LocationRef) -> None:
    """Write into a fresh *entity* where it was read; it can't claim another place itself.

    An entity without an object for its metadata or annotations is left as it is: the envelope check will refuse it.
    """
    own = _annotations(entity)
    if own is not None:
        managed: JsonObject = {MANAGED_BY_LOCATION: str(location), MANAGED_BY_ORIGIN_LOCATION: str(origin)}
        _annotate(entity, {**managed, **own, **managed})


class AnnotateLocationProcessor(Processor):
    """Adds the annotations that follow from an entity's location; those that it has already win."""

    name = "annotate-location"

    def __init__(self, links: Links | None = None) -> None:
        self._links = links

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Add managed-by-location and its origin, and for a `url` location the view-url and further links."""
        own = _annotations(entity)
        if own is None:
            return entity
        made: JsonObject = {
            MANAGED_BY_LOCATION: str(run.location),
            MANAGED_BY_ORIGIN_LOCATION: str(run.origin),
        }
        if run.location.type == "url":
            made[VIEW_URL] = run.location.target
            if self._links is not None:
                made.update(self._links(run.location))
        _annotate(entity, {**made, **own})
        return entity


def _annotations(entity: JsonObject) -> Mapping[str, JsonValue] | None:
    """The source's annotations; None where there is no place for any."""
    metadata = entity.get("metadata")
    if not isinstance(metadata, dict):
        return None
    own = metadata.get("annotations")
    if own is None:
        return {}
    return own if isinstance(own, dict) else None


def _annotate(entity: JsonObject, annotations: JsonObject) -> None:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    metadata["annotations"] = annotations

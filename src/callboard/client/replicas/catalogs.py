"""A copy in another catalog: the entities of one of its providers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from callboard.client.blocking import CatalogClient
from callboard.client.lines import pieces
from callboard.client.replicas.callbacks import Callbacks, Changes
from callboard.client.results import Entity
from callboard.errors import NotFound
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject

_MADE = ("relations", "status")
_MADE_IN_METADATA = ("uid", "etag")
_MADE_ANNOTATIONS = (MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN)


class CatalogStore(Callbacks):
    """What a provider of another catalog has; nobody else may write for that provider.

    No position is stored there. A process that begins reads everything and compares it with what the provider has, and
    what is as it should be is not written again; so it does not matter where the one before was killed.
    """

    def __init__(
        self, catalog: CatalogClient, provider: str, *, on_conflict: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        self._catalog = catalog
        self._provider = provider
        self._on_conflict = on_conflict
        self._position: str | None = None
        super().__init__(apply=self._change, load=lambda: self._position, refs=self._held)

    def _held(self) -> Iterator[str]:
        try:
            for entity in self._catalog.iterate_provider_entities(self._provider):
                yield str(entity_ref(cast("JsonObject", entity)))
        except NotFound:
            # It is made with the first push.
            return

    def _change(self, changes: Changes) -> None:
        removed = list(changes.removed)
        rows = (json.encode(as_written(event.entity)) for event in changes.put if _is_mirrored(event.entity))
        for number, piece in enumerate(pieces(rows)):
            withdrawn = () if number else removed
            if piece or withdrawn:
                pushed = self._catalog.push_delta(self._provider, piece, withdrawn)
                if pushed.conflicts and self._on_conflict is not None:
                    self._on_conflict(pushed.conflicts)
        self._position = changes.position


def as_written(entity: Entity | None) -> JsonObject:
    """An entity as a source would write it: without what a catalog makes of it by itself."""
    assert entity is not None
    written = {key: value for key, value in entity.items() if key not in _MADE}
    metadata = dict(cast("Mapping[str, object]", entity["metadata"]))
    kept = {key: value for key, value in metadata.items() if key not in _MADE_IN_METADATA}
    annotations = metadata.get("annotations")
    if isinstance(annotations, Mapping):
        kept["annotations"] = {key: value for key, value in annotations.items() if key not in _MADE_ANNOTATIONS}
    return cast("JsonObject", {**written, "metadata": kept})


def _is_mirrored(entity: Entity | None) -> bool:
    # A catalog reads what its Locations name, and would have all of it twice.
    return entity is not None and entity["kind"].lower() != "location"

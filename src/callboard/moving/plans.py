"""Plans: of each location and entity of the other catalog, whether it has to be copied, and why not."""

import copy
import enum
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from callboard.client import CatalogClient, EntityConflict, Location
from callboard.errors import NotAllowed, NotFound
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject

_ORIGIN_FIELDS = ("kind", "metadata.namespace", "metadata.name", "metadata.annotations")
_URL = "url:"
_CONFLICTS = 500


class Fate(enum.Enum):
    """What becomes of an entity of the other catalog."""

    COPIED = "copied"
    BROUGHT = "brought by a location"
    THERE = "there already, from another source"
    UNREADABLE = "a Location that is no URL"
    """Files on the machine of the other catalog, for example."""


@dataclass(slots=True)
class Known:
    """What the new catalog has, apart from what was copied into it before."""

    refs: dict[str, str] = field(default_factory=dict)
    """What its own sources bring, and the location at the root of each chain, as far as one is told."""
    contested: dict[str, Sequence[str]] = field(default_factory=dict)
    """What was copied before and others claim as well, with these."""
    origins: set[str] = field(default_factory=set)
    """The locations that it reads: `url:https://…`."""
    registered: set[tuple[str, str]] = field(default_factory=set)
    """Type and target of those that are registered."""
    copied: int = 0
    """How many entities were copied before."""

    @classmethod
    def read(cls, catalog: CatalogClient, provider: str) -> "Known":
        """Ask *catalog*, where *provider* is the one that has what was copied."""
        known = cls()
        copied = set(_copied(catalog, provider))
        known.copied = len(copied)
        known.contested = dict(_contested(catalog, provider))
        for entity in catalog.iterate_entities(fields=_ORIGIN_FIELDS):
            told = cast("JsonObject", entity)
            ref = str(entity_ref(told))
            if ref not in copied:
                origin = annotation(told, MANAGED_BY_ORIGIN_LOCATION) or ""
                known.refs[ref] = sys.intern(origin)
                if told["kind"] == "Location" and origin:
                    known.origins.add(origin)
        for location in catalog.get_locations():
            known.registered.add((location.type, location.target))
            known.origins.add(f"{location.type}:{location.target}")
        return known


def _copied(catalog: CatalogClient, provider: str) -> Iterator[str]:
    try:
        for entity in catalog.iterate_provider_entities(provider):
            yield str(entity_ref(cast("JsonObject", entity)))
    except NotFound:
        # The first time.
        return


def _contested(catalog: CatalogClient, provider: str) -> Iterator[tuple[str, Sequence[str]]]:
    """What was copied, and who else claims it by now: they have the entity when the copy goes."""
    copies = f"provider:{provider}"
    try:
        for each in itertools.chain.from_iterable(conflict_pages(catalog)):
            sources = [source for source in (each.winner.source, *(rival.source for rival in each.rivals)) if source]
            if copies in sources:
                yield each.entity_ref, [source for source in sources if source != copies]
    except (NotAllowed, NotFound):
        # Whoever may not see conflicts keeps the copies.
        return


def conflict_pages(catalog: CatalogClient) -> Iterator[Sequence[EntityConflict]]:
    """All entities that several sources claim here. Raises NotAllowed for who may not see them."""
    cursor: str | None = None
    while True:
        page = catalog.get_conflicts(limit=_CONFLICTS, cursor=cursor)
        if page.items:
            yield page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


@dataclass(slots=True)
class Plan:
    """What is to be copied. It is asked about Locations first, roots before others, and then about everything else."""

    known: Known
    locations: Sequence[Location]
    """What is registered in the other catalog."""
    _roots: set[str] = field(default_factory=set, init=False)
    """Locations that are copied as entities: they bring what they lead to."""
    _registered: set[str] = field(init=False)
    _origins: set[str] = field(default_factory=set, init=False)
    """The locations at the roots of all that the other catalog has Locations for."""
    _parents: set[str] = field(default_factory=set, init=False)
    """The Locations there, as sources of what they lead to."""

    def __post_init__(self) -> None:
        self._registered = {f"{location.type}:{location.target}" for location in self.locations}

    def missing_locations(self) -> list[Location]:
        """What is registered there and not here."""
        return [each for each in self.locations if (each.type, each.target) not in self.known.registered]

    def fate_of(self, entity: JsonObject) -> Fate:
        """What becomes of *entity*."""
        origin, ref = annotation(entity, MANAGED_BY_ORIGIN_LOCATION) or "", str(entity_ref(entity))
        if entity["kind"] == "Location":
            self._origins.add(origin)
            self._parents.add(f"entity:{ref}")
        if origin in self._registered or origin in self.known.origins:
            return Fate.BROUGHT
        if self._is_there(ref):
            return Fate.THERE
        if entity["kind"] != "Location":
            return Fate.BROUGHT if origin in self._roots else Fate.COPIED
        if not is_readable(entity):
            return Fate.UNREADABLE
        if not is_root(entity):
            # It was read from a file: the Location above it brings it.
            return Fate.BROUGHT if origin in self._roots else Fate.COPIED
        self._roots.add(origin)
        return Fate.COPIED

    def _is_there(self, ref: str) -> bool:
        """Whether a source that only this catalog has brings the entity.

        Where a location of both catalogs claims it, and does not have it there, the other catalog knows a conflict: it
        is copied, so that the one who has it there can have it here.
        """
        if (rivals := self.known.contested.get(ref)) is not None:
            return not self._parents.issuperset(rivals)
        origin = self.known.refs.get(ref)
        return origin is not None and origin not in self._registered and origin not in self._origins


def is_root(location: JsonObject) -> bool:
    """Whether nothing has led to the Location *location*."""
    return annotation(location, MANAGED_BY_LOCATION) == annotation(location, MANAGED_BY_ORIGIN_LOCATION)


def is_readable(entity: JsonObject) -> bool:
    """Whether *entity* may be in another catalog too: a Location of files belongs to its machine."""
    return entity["kind"] != "Location" or (annotation(entity, MANAGED_BY_ORIGIN_LOCATION) or "").startswith(_URL)


def copied(entity: JsonObject) -> JsonObject:
    """*entity* as somebody would write it: without what a catalog adds."""
    written = copy.deepcopy({key: value for key, value in entity.items() if key not in ("relations", "status")})
    metadata = written["metadata"]
    assert isinstance(metadata, dict)
    metadata.pop("uid", None)
    metadata.pop("etag", None)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        annotations.pop(ORPHAN, None)
        for name in (MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION):
            # Only URLs can be said; of anything else the new catalog says that it was imported.
            if not str(annotations.get(name, "")).startswith(_URL):
                annotations.pop(name, None)
    return written


def annotation(entity: JsonObject, name: str) -> str | None:
    """What the annotation *name* of an entity says."""
    metadata = entity["metadata"]
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(name) if isinstance(annotations, dict) else None
    return text if isinstance(text, str) else None

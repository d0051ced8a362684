"""Comparing: each entity of the other catalog with the one of the same name here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from callboard.client import CatalogClient
from callboard.model import differences
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from callboard.model.differences import Change
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject, JsonValue
from callboard.moving.plans import annotation

_MANAGED = (MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION)
_STATUSES = ("backstage.io/catalog-processing", "callboard/conflict")


@dataclass(frozen=True, slots=True)
class Differing:
    """An entity that is not the same here."""

    ref: str
    missing: bool
    """Whether there is none here."""
    changes: Sequence[Change] = ()
    """What is other here than there."""


def differing(catalog: CatalogClient, theirs: Sequence[JsonObject]) -> Iterator[Differing]:
    """Those of *theirs* that are not the same in *catalog*."""
    refs = [str(entity_ref(entity)) for entity in theirs]
    for ref, their, own in zip(refs, theirs, catalog.get_entities_by_refs(refs), strict=True):
        if own is None:
            yield Differing(ref, missing=True)
            continue
        ours = cast("JsonObject", own)
        # Files and the like are those of one machine; what was imported from there says that it was imported.
        is_placed = all(
            (annotation(each, MANAGED_BY_ORIGIN_LOCATION) or "").startswith("url:") for each in (their, ours)
        )
        there, here = normalised(their, is_placed=is_placed), normalised(ours, is_placed=is_placed)
        if found := list(differences.changes(there, here)):
            yield Differing(ref, missing=False, changes=found)


def normalised(entity: JsonObject, *, is_placed: bool = True) -> JsonObject:
    """*entity* without what is other in every catalog; unless it *is_placed*, without where it was read from as well.

    Relations are sorted, and have no `target` beside `targetRef`, as from Backstage 4.0 on.
    """
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    kept: JsonObject = {key: value for key, value in metadata.items() if key not in ("uid", "etag")}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        dropped = (ORPHAN,) if is_placed else (ORPHAN, *_MANAGED)
        kept["annotations"] = {key: value for key, value in annotations.items() if key not in dropped}
    result: JsonObject = {**entity, "metadata": kept}
    result["relations"] = _relations(entity.get("relations"))
    result["status"] = _statuses(entity.get("status"))
    return result


def _relations(relations: JsonValue) -> list[JsonValue]:
    """One text a relation, so that one that is other is told by itself."""
    found = relations if isinstance(relations, list) else []
    return sorted({f"{each.get('type')} {each.get('targetRef')}" for each in found if isinstance(each, dict)}, key=str)


def _statuses(status: JsonValue) -> list[JsonValue]:
    """What others have said of the entity; how it was processed is told by each catalog in its own words."""
    items = status.get("items") if isinstance(status, dict) else None
    return [
        item
        for item in (items if isinstance(items, list) else [])
        if not (isinstance(item, dict) and item.get("type") in _STATUSES)
    ]

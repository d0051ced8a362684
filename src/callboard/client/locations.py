"""Calls about locations, and about entities that are not in the catalog yet."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from callboard.client import answers, location_answers
from callboard.client.core import Call, by_name, optional, present, quoted
from callboard.client.filters import Query
from callboard.client.results import AddedLocation, Location, LocationAnalysis, LocationPage, Validation
from callboard.model.refs import EntityRef, LocationRef

OnConflict: TypeAlias = Literal["reject", "refresh"]
"""What to do about a location that is registered already."""


def listing() -> Call[list[Location]]:
    """All registered locations."""
    return Call(path="/locations", read=location_answers.locations)


def page(query: Query | None = None, *, limit: int | None = None, cursor: str | None = None) -> Call[LocationPage]:
    """A page of the registered locations that are meant. A cursor holds the query."""
    body = present(query=query, limit=limit, cursor=cursor)
    return Call(method="POST", path="/locations/by-query", body=body, read=location_answers.page)


def page_after(page_before: LocationPage, *, page_size: int) -> Call[LocationPage] | None:
    """The page that follows; None when there is none."""
    return None if page_before.next_cursor is None else page(cursor=page_before.next_cursor, limit=page_size)


def by_id(location_id: str) -> Call[Location]:
    """A registered location."""
    return Call(path=f"/locations/{quoted(location_id)}", read=location_answers.location)


def by_ref(ref: str | LocationRef) -> Call[Location]:
    """The registered location that is written like this."""
    meant = LocationRef.parse(ref) if isinstance(ref, str) else ref
    return Call(
        method="POST",
        path="/locations/by-query",
        body={"query": {"type": meant.type, "target": meant.target}},
        read=lambda answer: location_answers.only(answer, meant),
    )


def by_entity(ref: str | EntityRef) -> Call[Location]:
    """The registered location that an entity comes from."""
    return Call(path=f"/locations/by-entity/{by_name(ref)}", read=location_answers.location)


def add(location: LocationRef, *, dry_run: bool = False, on_conflict: OnConflict | None = None) -> Call[AddedLocation]:
    """Register a location."""
    return Call(
        method="POST",
        path="/locations",
        params=optional(dryRun="true" if dry_run else None, onConflict=on_conflict),
        body={"type": location.type, "target": location.target},
        read=location_answers.added,
        # Whoever sends it twice may be told of the conflict with themselves.
        repeatable=dry_run or on_conflict == "refresh",
    )


def update(location_id: str, location: LocationRef) -> Call[Location]:
    """Let a registered location point elsewhere."""
    return Call(
        method="PUT",
        path=f"/locations/{quoted(location_id)}",
        body={"type": location.type, "target": location.target},
        read=location_answers.location,
    )


def remove(location_id: str) -> Call[int]:
    """Unregister a location."""
    return Call(
        method="DELETE",
        path=f"/locations/{quoted(location_id)}",
        read=answers.visible,
        # The second time it is not there.
        repeatable=False,
    )


def validate(entity: Mapping[str, object], location: str | LocationRef) -> Call[Validation]:
    """What would be wrong with an entity from this location."""
    return Call(
        method="POST",
        path="/validate-entity",
        body={"entity": entity, "location": str(location)},
        read=location_answers.validation,
        expected=frozenset({400}),
    )


def analyze(location: LocationRef, *, catalog_filename: str | None = None) -> Call[LocationAnalysis]:
    """What there is at a location."""
    body: dict[str, object] = {"location": {"type": location.type, "target": location.target}}
    if catalog_filename is not None:
        body["catalogFilename"] = catalog_filename
    return Call(method="POST", path="/analyze-location", body=body, read=location_answers.analysis)

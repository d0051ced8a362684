"""Ownership: who belongs to a group, and what a group or a user owns, with or without the groups below or around it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.presenting import ref_of, title_of, with_query
from callboard.ui.shapes import mapping, mappings, text
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit

MOST_MEMBERS: Final = 24
"""People on one page of members."""

_MOST_GROUPS: Final = 500
_MOST_LEVELS: Final = 12
_MOST_KINDS: Final = 6
_MOST_TYPES: Final = 6


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a group."""

    ref: str
    title: str
    email: str


@dataclass(frozen=True, slots=True)
class Members:
    """One page of those who belong to a group."""

    people: Sequence[Person]
    total: int
    next: str
    """The cursor of the next page, or nothing."""
    previous: str


@dataclass(frozen=True, slots=True)
class Count:
    """How much of one kind, or of one type of it, is owned, and where the list of it is."""

    name: str
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class Owned:
    """What is owned of one kind."""

    kind: Count
    types: Sequence[Count]
    """The most frequent ones."""


async def below(visit: Visit, ref: str) -> list[str]:
    """*ref* and all groups below it, level by level; of very many the nearest."""
    found = {ref: None}
    level = [ref]
    for _ in range(_MOST_LEVELS):
        query: JsonValue = {"kind": "group", "relations.childof": {"$in": [*level]}}
        body: JsonObject = {
            "query": query, "limit": _MOST_GROUPS, "totalItems": "exclude",
            "fields": ["kind", "metadata.namespace", "metadata.name"],
        }  # fmt: skip
        answer = await visit.catalog.post_object("/entities/by-query", body)
        level = [ref for ref in map(ref_of, mappings(answer["items"])) if ref not in found]
        found |= dict.fromkeys(level)
        if not level or len(found) >= _MOST_GROUPS:
            break
    return list(found)[:_MOST_GROUPS]


async def owners(visit: Visit, subject: Subject, *, aggregated: bool) -> list[str]:
    """Who owns in the name of *subject*: itself, and if *aggregated* the groups below a group, or those of a user."""
    if not aggregated:
        return [subject.ref]
    if subject.kind == "user":
        return [subject.ref, *subject.related("memberOf")[:_MOST_GROUPS]]
    return await below(visit, subject.ref)


async def members(visit: Visit, groups: Sequence[str], cursor: str = "") -> Members:
    """One page of the users that belong to one of *groups*."""
    body: JsonObject = {
        "limit": MOST_MEMBERS,
        "fields": ["kind", "metadata.namespace", "metadata.name", "metadata.title", "spec.profile"],
    }
    if cursor:
        body["cursor"] = cursor
    else:
        body |= {
            "query": {"kind": "user", "relations.memberof": {"$in": [*groups]}},
            "orderBy": [{"field": "metadata.name", "order": "asc"}],
        }
    found = await visit.catalog.post_object("/entities/by-query", body)
    pages = mapping(found.get("pageInfo"))
    total = found.get("totalItems")
    return Members(
        [_person(entity) for entity in mappings(found["items"])],
        total if isinstance(total, int) else 0,
        text(pages.get("nextCursor")),
        text(pages.get("prevCursor")),
    )


async def owned(visit: Visit, by: Sequence[str]) -> list[Owned]:
    """What is owned by one of *by*: kinds with the most entities first, and their most frequent types."""
    owned_by: JsonObject = {"relations.ownedby": {"$in": [*by]}}
    kinds = await _facet(visit, "kind", owned_by, _MOST_KINDS)
    types = await asyncio.gather(
        *(_facet(visit, "spec.type", {**owned_by, "kind": kind.lower()}, _MOST_TYPES) for kind, _ in kinds)
    )
    return [
        Owned(
            Count(kind, count, _listed(kind, by)),
            [Count(type_, each, _listed(kind, by, type_)) for type_, each in of_kind],
        )
        for (kind, count), of_kind in zip(kinds, types, strict=True)
    ]


async def _facet(visit: Visit, name: str, query: Mapping[str, JsonValue], limit: int) -> list[tuple[str, int]]:
    found = await visit.catalog.post_object("/entity-facets", {"facets": [name], "query": {**query}, "limit": limit})
    counted = mappings(mapping(found["facets"]).get(name))
    return [(str(each["value"]), count) for each in counted if isinstance(count := each["count"], int)]


_MOST_IN_ADDRESS: Final = 40
"""Owners that fit into the address of a list."""


def _listed(kind: str, by: Sequence[str], type_: str = "") -> str:
    if len(by) > _MOST_IN_ADDRESS:
        return ""
    return with_query("/catalog", {"kind": kind.lower(), "owner": [*by], "type": type_})


def _person(entity: JsonObject) -> Person:
    profile = mapping(mapping(entity.get("spec")).get("profile"))
    return Person(ref_of(entity), title_of(entity), text(profile.get("email")))

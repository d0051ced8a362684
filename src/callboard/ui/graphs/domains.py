"""Domains: what is part of what, from domains down to systems, as boxes in boxes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.asking import Asking
from callboard.ui.graphs.neighbourhoods import SHOWN, fetch
from callboard.ui.presenting import kind_of, ref_of, related, short, title_of

NO_DOMAIN: JsonObject = {"$all": [{"kind": "system"}, {"relations.partOf": {"$exists": False}}]}
"""Systems that belong to nothing."""
NO_SYSTEM: JsonObject = {
    "$all": [{"kind": {"$in": ["component", "api", "resource"]}}, {"relations.partOf": {"$exists": False}}]
}
"""What should belong to a system and belongs to nothing."""

_DEEPEST = 4
_SYSTEMS_OF_ONE = 12


@dataclass(frozen=True, slots=True)
class SystemBox:
    """A system and how much belongs to it."""

    ref: str
    title: str
    parts: int
    is_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainBox:
    """A domain with what it is made of."""

    ref: str
    title: str
    description: str
    systems: Sequence[SystemBox]
    more: int
    """Systems that are not listed."""
    inner: Sequence["DomainBox"]


async def boxes_of(catalog: Asking, tops: Iterable[JsonObject], most: int = _SYSTEMS_OF_ONE) -> list[DomainBox]:
    """The boxes of these domains, with *most* systems in each: a question a level, one for all systems, one for their
    sizes."""
    domains = {ref_of(top): top for top in tops}
    roots = list(domains)
    level = _parts_of(domains.values(), "domain", domains)
    for _ in range(_DEEPEST):
        if not level:
            break
        found = {ref: each for ref, each in (await fetch(catalog, level)).items() if each is not None}
        domains |= found
        level = _parts_of(found.values(), "domain", domains)
    wanted = [ref for domain in domains.values() for ref in _of_kind(domain, "system")[:most]]
    systems = await fetch(catalog, list(dict.fromkeys(wanted)), relations=False)
    sizes = await sizes_of(catalog, list(systems))
    met: set[str] = set()
    return [_box(ref, domains, systems, sizes, most, met) for ref in roots]


async def tree_of(catalog: Asking, domain: str) -> tuple[JsonObject | None, list[str]]:
    """A domain, if there is one, with the refs of it and of all domains in it."""
    entity = (await fetch(catalog, [domain]))[domain]
    met: dict[str, None] = {domain: None}
    level = [] if entity is None else _parts_of([entity], "domain", met)
    for _ in range(_DEEPEST):
        if not level:
            break
        met |= dict.fromkeys(level)
        level = _parts_of([each for each in (await fetch(catalog, level)).values() if each is not None], "domain", met)
    return entity, list(met)


async def sizes_of(catalog: Asking, wholes: Sequence[str]) -> Mapping[str, int]:
    """How many entities say of themselves that they are part of each of these."""
    return {} if not wholes else await counted_wholes(catalog, {"relations.partOf": {"$in": [*wholes]}})


async def counted_wholes(catalog: Asking, query: JsonObject, limit: int | None = None) -> Mapping[str, int]:
    """What the entities of a query are part of, with how many of them are."""
    body: JsonObject = {"facets": ["relations.partOf"], "query": query}
    if limit is not None:
        body["limit"] = limit
    facets = (await catalog.post_object("/entity-facets", body))["facets"]
    values = facets.get("relations.partOf") if isinstance(facets, dict) else None
    found: dict[str, int] = {}
    for each in values if isinstance(values, list) else ():
        if isinstance(each, dict) and isinstance(each["count"], int):
            found[str(each["value"])] = each["count"]
    return found


async def count(catalog: Asking, query: JsonObject) -> int:
    """How many entities a query means."""
    total = (await catalog.post_object("/entities/by-query", {"query": query, "limit": 0}))["totalItems"]
    assert isinstance(total, int)
    return total


async def listed(
    catalog: Asking,
    query: JsonObject,
    limit: int,
    cursor: str = "",
    *,
    fields: Sequence[str] = (),
    text: str = "",
) -> tuple[list[JsonObject], int, str]:
    """One page of the entities of a query by name, how many there are, and the cursor of the next page."""
    asked: list[JsonValue] = [*SHOWN, *fields]
    body: JsonObject = {"fields": asked, "limit": limit}
    if cursor:
        body["cursor"] = cursor
    else:
        body |= {"query": query, "orderBy": [{"field": "metadata.name", "order": "asc"}]}
        if text:
            body["fullTextFilter"] = {"term": text, "fields": ["metadata.name", "metadata.title"]}
    found = await catalog.post_object("/entities/by-query", body)
    items, total, page = found["items"], found["totalItems"], found["pageInfo"]
    assert isinstance(items, list)
    assert isinstance(total, int)
    assert isinstance(page, dict)
    return [item for item in items if isinstance(item, dict)], total, str(page.get("nextCursor") or "")


def _of_kind(entity: JsonObject, kind: str) -> list[str]:
    return [ref for ref in related(entity, "hasPart") if kind_of(ref) == kind]


def _parts_of(entities: Iterable[JsonObject], kind: str, met: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys(ref for each in entities for ref in _of_kind(each, kind) if ref not in met))


def _box(
    ref: str,
    domains: Mapping[str, JsonObject],
    systems: Mapping[str, JsonObject | None],
    sizes: Mapping[str, int],
    most: int,
    met: set[str],
) -> DomainBox:
    # Domains may be parts of each other in a circle; each is drawn once.
    met.add(ref)
    entity = domains[ref]
    inner = [each for each in _of_kind(entity, "domain") if each in domains]
    of_it = _of_kind(entity, "system")
    metadata = entity["metadata"]
    description = metadata.get("description") if isinstance(metadata, dict) else None
    return DomainBox(
        ref=ref,
        title=title_of(entity),
        description=description if isinstance(description, str) else "",
        systems=[system_box(each, systems.get(each), sizes) for each in of_it[:most]],
        more=max(len(of_it) - most, 0),
        inner=[_box(each, domains, systems, sizes, most, met) for each in inner if each not in met],
    )


def system_box(ref: str, entity: JsonObject | None, sizes: Mapping[str, int]) -> SystemBox:
    """The box of a system."""
    return SystemBox(
        ref, title_of(entity) if entity is not None else short(ref, "system"), sizes.get(ref, 0), entity is None
    )

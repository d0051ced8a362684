"""Explorer: the whole catalog by domain and system, and the graph around any entities."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.ui.graphs import dependencies, domains, drawing, narrowing, neighbourhoods
from callboard.ui.graphs.choosing import choices
from callboard.ui.graphs.dependencies import Dependencies
from callboard.ui.graphs.drawing import Drawing
from callboard.ui.graphs.neighbourhoods import Room
from callboard.ui.presenting import kind_of, ref_of, related, short, title_of, with_query
from callboard.ui.visits import Visit

HERE = "/catalog-graph"
NONE = "none"
"""Stands for what belongs to nothing."""

_DOMAINS = 20
_SYSTEMS = 40
_PARTS = 60
_DRAWN_AT_ONCE = 30
"""Systems of which a small catalog may have so many, to be drawn all together."""
_LOOKED_AT = 400
"""Parts of systems that are looked at for a drawing."""
_WHOLES = 300
"""Domains and systems of which is checked whether they exist."""
_STARTS = 20
_NOT_ON_ITS_OWN = frozenset({"partOf", "ownedBy", "memberOf", "childOf"})
"""Relations that all parts of a system have to the same few entities."""
_AROUND_PARTS = Room(nodes=110, at_start=8)


async def explorer(visit: Visit) -> Response:
    """All of it, a domain, a system, or what is around the entities that are named."""
    roots = visit.texts("rootEntityRefs[]") + visit.texts("rootEntityRefs")
    if roots:
        return await _around(visit, [str(EntityRef.parse(root)) for root in roots][:_STARTS])
    if system := visit.text("system"):
        return await _system(visit, _named(system, "system"))
    if domain := visit.text("domain"):
        return await _domain(visit, _named(domain, "domain"))
    if text := visit.text("q").strip():
        return await _found(visit, text)
    return await _whole(visit)


def _named(text: str, kind: str) -> str:
    return NONE if text == NONE else str(EntityRef.parse(text, default_kind=kind))


@dataclass(frozen=True, slots=True)
class _Missing:
    """What others say they are part of, and what does not exist."""

    ref: str
    address: str
    count: int


async def _whole(visit: Visit) -> Response:
    cursor = visit.text("cursor")
    tops: JsonObject = {"$all": [{"kind": "domain"}, {"relations.partOf": {"$exists": False}}]}
    found, total, after = await domains.listed(
        visit.catalog, tops, _DOMAINS, cursor, fields=("metadata.description", "relations")
    )
    boxes = await domains.boxes_of(visit.catalog, found)
    systems, all_systems, _ = await domains.listed(visit.catalog, {"kind": "system"}, _DRAWN_AT_ONCE)
    drawn = None
    if not cursor and 0 < all_systems <= _DRAWN_AT_ONCE:
        drawn = await dependencies.between(visit.catalog, [ref_of(each) for each in systems], _LOOKED_AT)
    return visit.page(
        "graph/explorer.html",
        boxes=boxes,
        total=total,
        all_systems=all_systems,
        after=with_query(HERE, {"cursor": after}) if after else "",
        drawing=_drawn(drawn, "Which systems use which"),
        looked_at=drawn,
        loose_systems=await domains.count(visit.catalog, domains.NO_DOMAIN),
        loose_parts=await domains.count(visit.catalog, domains.NO_SYSTEM),
        missing=[] if cursor else await _missing_wholes(visit),
    )


def _drawn(found: Dependencies | None, says: str) -> Drawing | None:
    if found is None or not found.graph.edges:
        return None
    outside = found.graph.entities.keys() - set(found.graph.starts)
    return drawing.draw(found.graph, says, outside=outside, are_starts_marked=False)


async def _missing_wholes(visit: Visit) -> list[_Missing]:
    named = await domains.counted_wholes(visit.catalog, {"relations.partOf": {"$exists": True}}, _WHOLES)
    wholes = [ref for ref in named if kind_of(ref) in ("domain", "system") and neighbourhoods.is_ref(ref)]
    entities = await neighbourhoods.fetch(visit.catalog, wholes, relations=False)
    return [
        _Missing(ref, with_query(HERE, {kind_of(ref): ref}), named[ref])
        for ref, entity in sorted(entities.items())
        if entity is None
    ]


async def _found(visit: Visit, text: str) -> Response:
    either: JsonObject = {"kind": {"$in": ["domain", "system"]}}
    found, total, after = await domains.listed(visit.catalog, either, _SYSTEMS, visit.text("cursor"), text=text)
    return visit.page(
        "graph/found.html",
        text=text,
        found=[(ref := ref_of(each), title_of(each), with_query(HERE, {kind_of(ref): ref})) for each in found],
        total=total,
        after=with_query(HERE, {"q": text, "cursor": after}) if after else "",
    )


async def _domain(visit: Visit, domain: str) -> Response:
    entity, within = None, list[str]()
    query = domains.NO_DOMAIN
    if domain != NONE:
        entity, within = await domains.tree_of(visit.catalog, domain)
        query = {"$all": [{"kind": "system"}, {"relations.partOf": {"$in": [*within]}}]}
    systems, total, after = await domains.listed(
        visit.catalog, query, _SYSTEMS, visit.text("cursor"), fields=("metadata.description", "relations")
    )
    refs = [ref_of(each) for each in systems]
    found = await dependencies.between(visit.catalog, refs, _LOOKED_AT) if refs else None
    title = _title(domain, entity, "No domain")
    return visit.page(
        "graph/domain.html",
        domain=domain,
        title=title,
        entity=entity,
        parents=[ref for ref in related(entity or {}, "partOf") if kind_of(ref) == "domain"],
        inner=[ref for ref in within if ref != domain],
        systems=systems,
        sizes=await domains.sizes_of(visit.catalog, refs),
        total=total,
        drawing=_drawn(found, f"Which systems of {title} use which"),
        looked_at=found,
        after=with_query(HERE, {"domain": domain, "cursor": after}) if after else "",
    )


async def _system(visit: Visit, system: str) -> Response:
    entity, query = None, domains.NO_SYSTEM
    if system != NONE:
        entity = (await neighbourhoods.fetch(visit.catalog, [system]))[system]
        query = {"relations.partOf": {"$in": [system]}}
    parts, total, after = await domains.listed(
        visit.catalog, query, _PARTS, visit.text("cursor"), fields=("metadata.description", "relations")
    )
    narrowed = narrowing.read(visit, without=_NOT_ON_ITS_OWN)
    known = {ref_of(each): each for each in parts}
    found = await neighbourhoods.explore(visit.catalog, list(known), narrowed, _AROUND_PARTS, known)
    title = _title(system, entity, "No system")
    return visit.page(
        "graph/system.html",
        system=system,
        title=title,
        entity=entity,
        parents=[ref for ref in related(entity or {}, "partOf") if kind_of(ref) == "domain"],
        parts_of_it=parts,
        total=total,
        narrowing=narrowed,
        choices=choices(found, narrowed),
        drawing=drawing.draw(
            found,
            f"Parts of {title} and what they have to do with",
            outside=found.entities.keys() - known.keys(),
            are_starts_marked=False,
        ),
        after=with_query(HERE, {"system": system, "cursor": after}) if after else "",
    )


async def _around(visit: Visit, roots: Sequence[str]) -> Response:
    narrowed = narrowing.read(visit, depth=2)
    found = await neighbourhoods.explore(visit.catalog, roots, narrowed)
    names = [_title(ref, found.entities[ref], "") for ref in found.starts]
    title = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return visit.page(
        "graph/around.html",
        title=title,
        roots=found.starts,
        narrowing=narrowed,
        choices=choices(found, narrowed),
        drawing=drawing.draw(found, f"Graph around {title}"),
        kept=[("rootEntityRefs[]", ref) for ref in found.starts],
        reset=with_query(HERE, {"rootEntityRefs[]": [*found.starts]}),
    )


def _title(ref: str, entity: JsonObject | None, of_none: str) -> str:
    if ref == NONE:
        return of_none
    return title_of(entity) if entity is not None else short(ref, kind_of(ref))

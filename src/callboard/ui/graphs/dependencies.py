"""Dependencies: which systems use one another, summed up from what their parts say."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from callboard.model.json import JsonObject
from callboard.ui.asking import Asking
from callboard.ui.graphs.neighbourhoods import USES, Edge, Neighbourhood, Way, edge_of, fetch, take_edges, ways_from
from callboard.ui.presenting import kind_of, ref_of, related

_USES = frozenset({"dependsOn", "consumesApi"})
_OUTSIDE = 40
"""Systems elsewhere that are drawn: those with the most dependencies."""
_OTHERS = 400
"""Entities elsewhere that are asked which system they are part of."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The systems that were asked for and the nearest others, with what was looked at for it."""

    graph: Neighbourhood
    looked_at: int
    parts: int


async def between(catalog: Asking, systems: Sequence[str], most_parts: int) -> Dependencies:
    """How *systems* use each other and others, by as many of their parts as are looked at; three questions."""
    asked = await catalog.post_object(
        "/entities/by-query",
        {
            "query": {"relations.partOf": {"$in": [*systems]}},
            "fields": ["kind", "metadata.namespace", "metadata.name", "relations"],
            "limit": most_parts,
        },
    )
    items = asked["items"]
    assert isinstance(items, list)
    parts = {ref_of(item): item for item in items if isinstance(item, dict)}
    home = _homes(parts.items(), frozenset(systems))
    ways = [(ref, way) for ref, part in parts.items() for way in ways_from(ref, part) if way.relation in _USES]
    elsewhere = Counter(way.to for _, way in ways if way.to not in home)
    others = [ref for ref, _ in elsewhere.most_common(_OTHERS)]
    home |= _homes((await _with_relations(catalog, others)).items(), None)
    counted = _counted(home, ways, frozenset(parts))
    shown = _nearest(systems, counted)
    graph = Neighbourhood(list(systems), await fetch(catalog, [*systems, *shown], relations=False))
    take_edges(
        graph,
        [
            Edge(source, target, USES, count)
            for (source, target), count in counted.most_common()
            if source in graph.entities and target in graph.entities
        ],
    )
    total = asked["totalItems"]
    return Dependencies(graph, len(parts), total if isinstance(total, int) else len(parts))


async def _with_relations(catalog: Asking, refs: Sequence[str]) -> dict[str, JsonObject]:
    found = await catalog.by_refs(refs, ["relations"])
    return {ref: entity for ref, entity in zip(refs, found, strict=True) if entity is not None}


def _homes(parts: Iterable[tuple[str, JsonObject]], among: frozenset[str] | None) -> dict[str, str]:
    """The system of each entity that has one."""
    found: dict[str, str] = {}
    for ref, part in parts:
        for system in related(part, "partOf"):
            if kind_of(system) == "system" and (among is None or system in among):
                found.setdefault(ref, system)
    return found


def _counted(home: dict[str, str], ways: Iterable[tuple[str, Way]], parts: frozenset[str]) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for ref, way in ways:
        # Between two parts both say the same, so only what one says of itself counts.
        if way.is_backward and way.to in parts:
            continue
        edge = edge_of(ref, way)
        source, target = home.get(edge.source), home.get(edge.target)
        if source is not None and target is not None and source != target:
            counted[source, target] += 1
    return counted


def _nearest(systems: Sequence[str], counted: Counter[tuple[str, str]]) -> list[str]:
    inside = frozenset(systems)
    weights: Counter[str] = Counter()
    for ends, count in counted.items():
        for end in ends:
            if end not in inside:
                weights[end] += count
    return [ref for ref, _ in weights.most_common(_OUTSIDE)]

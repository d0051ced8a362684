"""Neighbourhoods: what there is around some entities, level by level, as much of it as can be looked at."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from callboard.model.json import JsonObject
from callboard.ui.asking import Asking
from callboard.ui.graphs.narrowing import Narrowing
from callboard.ui.graphs.pairs import DECLARED_AS
from callboard.ui.presenting import kind_of

SHOWN: tuple[str, ...] = (
    "kind", "metadata.namespace", "metadata.name", "metadata.title", "spec.type", "spec.profile.displayName",
)  # fmt: skip
"""What a box says of an entity."""

USES = "uses"
"""The relation of a drawing that sums up."""

_MOST_LINES = 220
"""Layers of more take longer than a page may, and nobody can tell them apart."""
_A_REF = re.compile(r"[^:/]+:[^/]+/.")


@dataclass(frozen=True, slots=True)
class Room:
    """How much is drawn at most: as much as a page has time for."""

    nodes: int = 100
    at_start: int = 24
    """Neighbours of one start along one type of relation."""
    further: int = 12
    """Those of any other entity."""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One relation, by its forward name; of a drawing that sums up, how many there are."""

    source: str
    target: str
    relation: str
    count: int = 1


@dataclass(slots=True)
class Neighbourhood:
    """Entities and the relations between them."""

    starts: Sequence[str]
    entities: dict[str, JsonObject | None] = field(default_factory=dict[str, JsonObject | None])
    """By ref, the nearest ones first. None is what does not exist, or may not be seen."""
    edges: list[Edge] = field(default_factory=list[Edge])
    more: Counter[str] = field(default_factory=Counter[str])
    """How many neighbours of an entity were left out for want of room."""
    ways: dict[str, list["Way"]] = field(default_factory=dict[str, list["Way"]])
    """All relations of the starts, as they have them."""
    relations: Counter[str] = field(default_factory=Counter[str])
    """The forward names of the relations that the starts have, with how often, whatever is drawn of them; those that
    only others have count nothing."""
    kinds: Counter[str] = field(default_factory=Counter[str])
    """The kinds at the other end of them, likewise."""
    lines_left_out: int = 0

    @property
    def left_out(self) -> int:
        """How many neighbours are not drawn for want of room."""
        return self.more.total()


async def explore(
    catalog: Asking,
    starts: Sequence[str],
    narrowing: Narrowing,
    room: Room | None = None,
    known: Mapping[str, JsonObject] | None = None,
) -> Neighbourhood:
    """What there is around *starts*, of which the *known* entities are not asked for again.

    One question a level. Entities at the last level are not looked into, so relations between two of them are not
    drawn: that is what the next level is for.
    """
    room = room or Room()
    found = Neighbourhood(list(dict.fromkeys(starts))[: room.nodes])
    level, met = list(found.starts), set(found.starts)
    ways: dict[str, list[Way]] = {}
    for depth in range(narrowing.depth + 1):
        is_first, is_last = depth == 0, depth == narrowing.depth
        entities = await fetch(catalog, level, relations=not is_last, known=known if is_first else None)
        found.entities |= entities
        if is_last:
            break
        here = {ref: ways_from(ref, entity) for ref, entity in entities.items()}
        _count(found, here.values(), is_start=is_first)
        ways |= here
        level = _next_level([chosen(each, narrowing) for each in here.values()], met, room, is_first)
        if not level:
            break
    found.ways = {ref: ways[ref] for ref in found.starts if ref in ways}
    _connect(found, ways, narrowing)
    return found


async def fetch(
    catalog: Asking, refs: Sequence[str], *, relations: bool = True, known: Mapping[str, JsonObject] | None = None
) -> dict[str, JsonObject | None]:
    """These entities, None for those that are not there."""
    wanted = [ref for ref in refs if known is None or ref not in known]
    found = await catalog.by_refs(wanted, [*SHOWN, "relations"] if relations else SHOWN)
    answered = dict(zip(wanted, found, strict=True))
    return {ref: answered[ref] if ref in answered else (known or {})[ref] for ref in refs}


class Way(NamedTuple):
    """A relation as one of its ends has it."""

    to: str
    relation: str
    """Its forward name."""
    is_backward: bool
    """Whether it is the other end that declares it."""


def ways_from(ref: str, entity: JsonObject | None) -> list[Way]:
    """The relations of an entity, but for those to itself and those whose target can't be a ref."""
    relations = (entity or {}).get("relations")
    found = []
    # A hub has thousands of them.
    for each in relations if isinstance(relations, list) else ():
        if isinstance(each, dict):
            kind, target = each.get("type"), each.get("targetRef")
            if isinstance(kind, str) and isinstance(target, str) and target != ref and is_ref(target):
                declared = DECLARED_AS.get(kind)
                found.append(Way(target, declared or kind, declared is not None))
    return found


def is_ref(text: str) -> bool:
    """Whether *text* names an entity; what a plugin says of relations is not always looked at."""
    return _A_REF.match(text) is not None


def edge_of(ref: str, way: Way) -> Edge:
    """The relation as it is drawn."""
    return Edge(way.to, ref, way.relation) if way.is_backward else Edge(ref, way.to, way.relation)


def chosen(ways: list[Way], narrowing: Narrowing) -> list[Way]:
    """Those of *ways* that somebody follows who wants to see this much."""
    if not narrowing.is_narrow and not narrowing.without:
        return ways
    return [way for way in ways if narrowing.has(way.relation, kind_of(way.to), is_backward=way.is_backward)]


def _count(found: Neighbourhood, ways: Iterable[list[Way]], *, is_start: bool) -> None:
    for each in ways:
        relations = Counter([way.relation for way in each])
        kinds = Counter([kind_of(way.to) for way in each])
        # The names alone are enough of those further away.
        found.relations.update(relations if is_start else dict.fromkeys(relations, 0))
        found.kinds.update(kinds if is_start else dict.fromkeys(kinds, 0))


def _next_level(ways: Iterable[list[Way]], met: set[str], room: Room, is_first: bool) -> list[str]:
    """The neighbours for which there is room: of each entity in turn one, so that no hub takes all of it."""
    fan = room.at_start if is_first else room.further
    queues = [_first_along((way for way in each if way.to not in met), fan) for each in ways]
    level: dict[str, None] = {}
    for target in itertools.chain.from_iterable(itertools.zip_longest(*queues)):
        if target is not None and target not in level and len(met) < room.nodes:
            level[target] = None
            met.add(target)
    return list(level)


def _first_along(ways: Iterable[Way], fan: int) -> list[str]:
    """The first *fan* neighbours along each type of relation."""
    along: Counter[tuple[str, bool]] = Counter()
    first = []
    for to, relation, backward in ways:
        along[relation, backward] += 1
        if along[relation, backward] <= fan:
            first.append(to)
    return first


def _connect(found: Neighbourhood, ways: Mapping[str, list[Way]], narrowing: Narrowing) -> None:
    """Draw the relations between what was found, and say how much was left out."""
    edges: dict[Edge, None] = {}
    for ref, each in ways.items():
        if hidden := len({way.to for way in chosen(each, narrowing)} - found.entities.keys()):
            found.more[ref] = hidden
        for way in each:
            if way.to in found.entities and narrowing.has_relation(way.relation):
                edges[edge_of(ref, way)] = None
    take_edges(found, edges)


def take_edges(found: Neighbourhood, edges: Iterable[Edge]) -> None:
    """Let *found* have as many of *edges* as can be drawn, the first ones first."""
    pairs: dict[frozenset[str], None] = {}
    for edge in edges:
        pair = frozenset((edge.source, edge.target))
        if pair in pairs or len(pairs) < _MOST_LINES:
            pairs[pair] = None
            found.edges.append(edge)
        else:
            found.lines_left_out += 1

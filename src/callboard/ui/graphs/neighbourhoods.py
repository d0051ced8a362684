"""Neighbourhoods: what there is around some entities, level by level, as much of it as can be looked at."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from callboard.errors import InvalidRef
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.ui.asking import Asking
from callboard.ui.graphs.narrowing import Direction, Narrowing
from callboard.ui.graphs.pairs import forward_name, is_backward

SHOWN: tuple[str, ...] = (
    "kind", "metadata.namespace", "metadata.name", "metadata.title", "spec.type", "spec.profile.displayName",
)  # fmt: skip
"""What a box says of an entity."""

_MOST_LINES = 220
"""Layers of more take longer than a page may, and nobody can tell them apart."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much is drawn at most."""

    nodes: int = 120
    at_start: int = 40
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
    level = list(found.starts)
    met = set(level)
    triples: dict[Edge, None] = {}
    for depth in range(narrowing.depth + 1):
        is_last = depth == narrowing.depth
        entities = await fetch(catalog, level, relations=not is_last, known=known if depth == 0 else None)
        found.entities |= entities
        if is_last:
            break
        ways = {ref: list(ways_from(ref, entity)) for ref, entity in entities.items()}
        _count(found, ways.values(), is_start=depth == 0)
        level = _next_level(found, ways, narrowing, met, room, room.at_start if depth == 0 else room.further)
        for way in itertools.chain.from_iterable(ways.values()):
            if narrowing.has_relation(way.edge.relation) and way.to in met:
                triples[way.edge] = None
        if not level:
            break
    _take_edges(found, triples)
    return found


async def fetch(
    catalog: Asking, refs: Sequence[str], *, relations: bool = True, known: Mapping[str, JsonObject] | None = None
) -> dict[str, JsonObject | None]:
    """These entities, None for those that are not there."""
    wanted = [ref for ref in refs if known is None or ref not in known]
    asked: list[JsonValue] = [*SHOWN, "relations"] if relations else [*SHOWN]
    items: JsonValue = []
    if wanted:
        items = (await catalog.post_object("/entities/by-refs", {"entityRefs": [*wanted], "fields": asked}))["items"]
    assert isinstance(items, list)
    answered = {ref: item if isinstance(item, dict) else None for ref, item in zip(wanted, items, strict=True)}
    return {ref: answered[ref] if ref in answered else (known or {})[ref] for ref in refs}


@dataclass(frozen=True, slots=True)
class Way:
    """A relation as one of its ends has it."""

    to: str
    is_backward: bool
    edge: Edge


def ways_from(ref: str, entity: JsonObject | None) -> Iterator[Way]:
    """The relations of an entity, but for those to itself and those whose target can't be a ref."""
    relations = (entity or {}).get("relations")
    for each in relations if isinstance(relations, list) else ():
        kind, target = (each.get("type"), _ref(each.get("targetRef"))) if isinstance(each, dict) else (None, None)
        if not isinstance(kind, str) or target is None or target == ref:
            continue
        backward, forward = is_backward(kind), forward_name(kind)
        yield Way(target, backward, Edge(target, ref, forward) if backward else Edge(ref, target, forward))


def _ref(text: JsonValue) -> str | None:
    try:
        return str(EntityRef.parse(text)) if isinstance(text, str) else None
    except InvalidRef:
        return None


def _count(found: Neighbourhood, ways: Iterable[list[Way]], *, is_start: bool) -> None:
    for way in itertools.chain.from_iterable(ways):
        found.relations[way.edge.relation] += is_start
        found.kinds[way.to.partition(":")[0]] += is_start


def _next_level(
    found: Neighbourhood, ways: Mapping[str, list[Way]], narrowing: Narrowing, met: set[str], room: Room, fan: int
) -> list[str]:
    """The neighbours for which there is room: of each entity in turn one, so that no hub takes all of it."""
    queues, wanted = [], {}
    for ref, all_ways in ways.items():
        along: Counter[str] = Counter()
        queue = []
        wanted[ref] = {way.to for way in all_ways if _is_wanted(way, narrowing)}
        for way in all_ways:
            if _is_wanted(way, narrowing) and way.to not in met and along[_along(way)] < fan:
                along[_along(way)] += 1
                queue.append(way.to)
        queues.append(queue)
    level: dict[str, None] = {}
    for target in itertools.chain.from_iterable(itertools.zip_longest(*queues)):
        if target is not None and target not in level and len(met) < room.nodes:
            level[target] = None
            met.add(target)
    for ref, targets in wanted.items():
        if hidden := len(targets - met):
            found.more[ref] = hidden
    return list(level)


def _along(way: Way) -> str:
    return f"{way.edge.relation} {way.is_backward}"


def _is_wanted(way: Way, narrowing: Narrowing) -> bool:
    if not narrowing.has_relation(way.edge.relation) or not narrowing.has_kind(way.to.partition(":")[0]):
        return False
    return narrowing.direction is Direction.BOTH or (narrowing.direction is Direction.IN) == way.is_backward


def _take_edges(found: Neighbourhood, edges: Iterable[Edge]) -> None:
    pairs: dict[frozenset[str], None] = {}
    for edge in edges:
        pair = frozenset((edge.source, edge.target))
        if pair in pairs or len(pairs) < _MOST_LINES:
            pairs[pair] = None
            found.edges.append(edge)
        else:
            found.lines_left_out += 1

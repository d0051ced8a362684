"""Layout: in which column and how far down each box of a graph stands, and where its lines bend."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import fast_sugiyama

_PITCH = 100.0
_LANE = 0.4
"""How much of the place of a box a line takes that passes through a column."""
_EASY = 150
"""So many lines are also looked at pair by pair to find fewer crossings."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: the column, counted from 0, and how far down it is, in boxes."""

    column: int
    down: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is."""

    boxes: Mapping[str, Spot]
    routes: Mapping[tuple[str, str], Sequence[Spot]]
    """For each line, named by its left end and its right one, where it passes the columns between them."""


def place(names: Sequence[str], lines: Iterable[tuple[str, str]]) -> Layout:
    """A layout of boxes with these *names*: a line leads from left to right where it can.

    Of several lines between two boxes only one is laid out, lines from a box to itself are not. Parts of the graph
    that have nothing to do with one another stand below each other, that of the first name on top; boxes without
    lines come last, side by side.
    """
    number = {name: index for index, name in enumerate(names)}
    pairs: dict[frozenset[int], tuple[int, int]] = {}
    for source, target in lines:
        if source != target:
            ends = number[source], number[target]
            pairs.setdefault(frozenset(ends), ends)
    boxes: dict[int, Spot] = {}
    routes: dict[tuple[int, int], list[Spot]] = {}
    top, widest = 0.0, 1
    for part in _parts(_without_cycles(len(names), list(pairs.values()))):
        spots, links = _arranged(part, top)
        boxes |= {vertex: spot for vertex, spot in spots.items() if vertex < len(names)}
        routes |= _routes(len(names), spots, links)
        top = max(spot.down for spot in spots.values()) + 1.0
        widest = max(widest, 1 + max(spot.column for spot in spots.values()))
    boxes |= _side_by_side([vertex for vertex in range(len(names)) if vertex not in boxes], max(widest, 3), top)
    return Layout(
        {name: boxes[index] for name, index in number.items()},
        {(names[left], names[right]): bends for (left, right), bends in routes.items()},
    )


def _without_cycles(count: int, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same lines, those turned round that lead back to where they came from.

    fast-sugiyama 0.5 never returns from some graphs with cycles, and a line from a box to itself ends the process.
    """
    after: dict[int, list[int]] = defaultdict(list)
    for source, target in pairs:
        after[source].append(target)
    turned: set[tuple[int, int]] = set()
    state = [0] * count
    for start in range(count):
        if state[start]:
            continue
        state[start] = 1
        pending = [(start, iter(after[start]))]
        while pending:
            vertex, following = pending[-1]
            reached = next(following, None)
            if reached is None:
                state[vertex] = 2
                pending.pop()
            elif state[reached] == 1:
                turned.add((vertex, reached))
            elif state[reached] == 0:
                state[reached] = 1
                pending.append((reached, iter(after[reached])))
    return [(b, a) if (a, b) in turned else (a, b) for a, b in pairs]


_Part = tuple[Sequence[tuple[int, tuple[float, float]]], Sequence[tuple[int, int]]]


def _parts(pairs: list[tuple[int, int]]) -> list[_Part]:
    """Positions and links of each connected part, with further vertices where a line passes a column."""
    if not pairs:
        return []
    found = fast_sugiyama.from_edges(
        pairs,
        dummy_vertices=True,
        dummy_size=_LANE,
        vertex_spacing=_PITCH,
        transpose=len(pairs) <= _EASY,
    )
    parts: list[_Part] = []
    for positions, _, _, links in found:
        parts.append(
            (
                [(int(vertex), (float(x), float(y))) for vertex, (x, y) in positions],
                [(int(a), int(b)) for a, b in links or ()],
            )
        )
    return sorted(parts, key=lambda part: min(vertex for vertex, _ in part[0]))


def _arranged(part: _Part, top: float) -> tuple[dict[int, Spot], Sequence[tuple[int, int]]]:
    """The layers of a part, which the library stacks upwards, as columns from the left."""
    positions, links = part
    columns = {y: index for index, y in enumerate(sorted({y for _, (_, y) in positions}, reverse=True))}
    highest = min(x for _, (x, _) in positions)
    spots = {vertex: Spot(columns[y], top + (x - highest) / _PITCH) for vertex, (x, y) in positions}
    return spots, links


def _routes(
    count: int, spots: Mapping[int, Spot], links: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], list[Spot]]:
    """The way of each line through the vertices that stand for its bends, from left to right."""
    after: dict[int, list[int]] = defaultdict(list)
    for a, b in links:
        left, right = (a, b) if spots[a].column < spots[b].column else (b, a)
        after[left].append(right)
    routes: dict[tuple[int, int], list[Spot]] = {}
    for start in [vertex for vertex in after if vertex < count]:
        for vertex in after[start]:
            end, bends = vertex, []
            while end >= count:
                bends.append(spots[end])
                end = after[end][0]
            routes[start, end] = bends
    return routes


def _side_by_side(alone: Sequence[int], columns: int, top: float) -> dict[int, Spot]:
    return {vertex: Spot(index % columns, top + index // columns) for index, vertex in enumerate(alone)}

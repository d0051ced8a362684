"""Drawings: the shapes of a graph, with what they say, for the templates to write down as SVG.

Columns lead from left to right. Lines run in the gaps between them and, where one passes a column, in a lane of its
own between the boxes; labels stand in the gaps too, so no text lies on a box.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.graphs import layout
from callboard.ui.graphs.layout import Layout, Spot
from callboard.ui.graphs.neighbourhoods import USES, Edge, Neighbourhood
from callboard.ui.presenting import kind_name, kind_of, short, title_of

WIDTH, HEIGHT = 208, 44
"""Of a box."""
_PITCH = 56
"""From one box to the one below it."""
_MARGIN = 10
_GAPS = (80, 160)
"""The least and the largest room between columns."""
_LETTER = 5.7
"""How wide a letter of a label is, of the widest of the usual fonts."""
_LABEL = 14
"""How high a label is."""
_HEAD = 8
"""How long the head of an arrow is."""
_LONGEST_NAME, _LONGEST_KIND, _LONGEST_LABEL = 20, 25, 22
_PLACES = (0.74, 0.5, 0.62, 0.38, 0.86, 0.26)
"""Where along a curve a label may stand: near the end with fewer lines first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An entity."""

    number: int
    ref: str
    kind: str
    x: float
    y: float
    title: str
    shown: str
    """The title, as much of it as there is room for."""
    under: str
    is_start: bool
    is_missing: bool
    is_outside: bool
    more: int
    """Its neighbours that are not drawn."""

    @property
    def says(self) -> str:
        """The box in words."""
        return f"{self.title}, {self.under}{', does not exist' if self.is_missing else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """All relations between two boxes."""

    left: int
    right: int
    way: str
    """A path."""
    heads: Sequence[str]
    says: str
    label: str
    x: float
    y: float
    room: float
    """How wide the label is; 0 where there is no place for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A graph, ready to be written down."""

    width: int
    height: int
    says: str
    boxes: Sequence[Box]
    lines: Sequence[Line]
    edges: Sequence[Edge]
    """The same as text."""
    titles: Mapping[str, str]
    missing: Collection[str]
    left_out: int
    lines_left_out: int

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to see."""
        return not self.lines and len(self.boxes) < 2


def draw(found: Neighbourhood, says: str, *, outside: Collection[str] = (), are_starts_marked: bool = True) -> Drawing:
    """The drawing of a neighbourhood, of which the entities *outside* stand back."""
    placed = layout.place(list(found.entities), ((edge.source, edge.target) for edge in found.edges))
    starts = set(found.starts) if are_starts_marked else set()
    gap = _gap(found.edges)
    boxes = {
        ref: _box(number, ref, entity, placed.boxes[ref], gap, found.more[ref], (ref in starts, ref in outside))
        for number, (ref, entity) in enumerate(found.entities.items())
    }
    lines = list(_lines(placed, boxes, found.edges, gap))
    return Drawing(
        width=round(max(box.x for box in boxes.values()) + WIDTH + _MARGIN) if boxes else 0,
        height=round(max([box.y + HEIGHT for box in boxes.values()] + [line.y for line in lines]) + _MARGIN)
        if boxes
        else 0,
        says=says,
        boxes=list(boxes.values()),
        lines=lines,
        edges=sorted(found.edges),
        titles={ref: box.title for ref, box in boxes.items()},
        missing={ref for ref, entity in found.entities.items() if entity is None},
        left_out=found.left_out,
        lines_left_out=found.lines_left_out,
    )


def _gap(edges: Iterable[Edge]) -> float:
    longest = max((_label_width(_shortened(edge.relation, _LONGEST_LABEL)) for edge in edges), default=0.0)
    return min(max(longest + 52, _GAPS[0]), _GAPS[1])


def _box(
    number: int,
    ref: str,
    entity: JsonObject | None,
    spot: Spot,
    gap: float,
    more: int,
    marks: tuple[bool, bool],
) -> Box:
    kind = kind_of(ref)
    title = (title_of(entity) if entity is not None else "") or short(ref, kind)
    return Box(
        number=number,
        ref=ref,
        kind=kind,
        x=_left(spot, gap),
        y=_middle(spot) - HEIGHT / 2,
        title=title,
        shown=_shortened(title, _LONGEST_NAME),
        under=_shortened(_under(kind, entity), _LONGEST_KIND),
        is_start=marks[0],
        is_missing=entity is None,
        is_outside=marks[1],
        more=more,
    )


def _under(kind: str, entity: JsonObject | None) -> str:
    spec: JsonValue = (entity or {}).get("spec")
    kind_of_it = spec.get("type") if isinstance(spec, dict) else None
    name = kind_name(kind)
    return f"{name} · {kind_of_it}" if isinstance(kind_of_it, str) and kind_of_it else name


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _left(spot: Spot, gap: float) -> float:
    return _MARGIN + spot.column * (WIDTH + gap)


def _middle(spot: Spot) -> float:
    return round(_MARGIN + HEIGHT / 2 + spot.down * _PITCH, 1)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A piece of a line, through one gap."""

    x: float
    y: float
    to_x: float
    to_y: float

    @property
    def path(self) -> str:
        half = _figure((self.x + self.to_x) / 2)
        return f"C{half} {_figure(self.y)} {half} {_figure(self.to_y)} {_figure(self.to_x)} {_figure(self.to_y)}"

    def at(self, part: float) -> tuple[float, float]:
        """The point after this *part* of the way."""
        rest = 1 - part
        outer, inner, half = rest**3, 3 * rest**2 * part, (self.x + self.to_x) / 2
        last, mid = part**3, 3 * rest * part**2
        x = outer * self.x + (inner + mid) * half + last * self.to_x
        return x, (outer + inner) * self.y + (mid + last) * self.to_y


def _lines(placed: Layout, boxes: Mapping[str, Box], edges: Iterable[Edge], gap: float) -> Iterator[Line]:
    between: dict[frozenset[str], list[Edge]] = defaultdict(list)
    for edge in edges:
        between[frozenset((edge.source, edge.target))].append(edge)
    ports = _ports(placed, boxes)
    taken: dict[float, list[tuple[float, float, float]]] = defaultdict(list)
    leaving, arriving = _degrees(placed)
    for (left, right), bends in placed.routes.items():
        curves = _curves(boxes[left], boxes[right], bends, ports[left, right], gap)
        both = between[frozenset((left, right))]
        heads = {edge.target == right for edge in both}
        label = _shortened(_label(both, left), _LONGEST_LABEL)
        x, y, room = _label_place(curves, _label_width(label), taken, arriving[right] <= leaving[left])
        yield Line(
            left=boxes[left].number,
            right=boxes[right].number,
            way=_way(curves),
            heads=[_head(curves, at_the_right=each) for each in sorted(heads)],
            says="; ".join(_words(edge, boxes) for edge in both),
            label=label,
            x=round(x, 1),
            y=round(y, 1),
            room=round(room, 1),
        )


def _ports(placed: Layout, boxes: Mapping[str, Box]) -> dict[tuple[str, str], tuple[float, float]]:
    """How far from the middle of its two boxes each line starts and ends, so that many don't meet in one point."""
    at_left: dict[str, list[tuple[float, str]]] = defaultdict(list)
    at_right: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for (left, right), bends in placed.routes.items():
        at_right[left].append(((_middle(bends[0]) if bends else boxes[right].y), right))
        at_left[right].append(((_middle(bends[-1]) if bends else boxes[left].y), left))
    leaving = {(ref, other): off for ref, ends in at_right.items() for other, off in _spread(ends)}
    arriving = {(other, ref): off for ref, ends in at_left.items() for other, off in _spread(ends)}
    return {line: (leaving[line], arriving[line]) for line in placed.routes}


def _spread(ends: list[tuple[float, str]]) -> Iterator[tuple[str, float]]:
    step = min(9.0, (HEIGHT - 16) / max(len(ends) - 1, 1))
    for index, (_, other) in enumerate(sorted(ends)):
        yield other, (index - (len(ends) - 1) / 2) * step


def _degrees(placed: Layout) -> tuple[dict[str, int], dict[str, int]]:
    leaving: dict[str, int] = defaultdict(int)
    arriving: dict[str, int] = defaultdict(int)
    for left, right in placed.routes:
        leaving[left] += 1
        arriving[right] += 1
    return leaving, arriving


def _curves(left: Box, right: Box, bends: Sequence[Spot], ports: tuple[float, float], gap: float) -> list[_Curve]:
    starts = [(left.x + WIDTH, left.y + HEIGHT / 2 + ports[0])]
    starts += [(_left(bend, gap) + WIDTH, _middle(bend)) for bend in bends]
    ends = [(_left(bend, gap), _middle(bend)) for bend in bends]
    ends.append((right.x, right.y + HEIGHT / 2 + ports[1]))
    return [_Curve(*start, *end) for start, end in zip(starts, ends, strict=True)]


def _way(curves: Sequence[_Curve]) -> str:
    pieces = [f"M{_figure(curves[0].x)} {_figure(curves[0].y)}{curves[0].path}"]
    pieces += [f"H{_figure(curve.x)}{curve.path}" for curve in curves[1:]]
    return "".join(pieces)


def _head(curves: Sequence[_Curve], *, at_the_right: bool) -> str:
    x, y = (curves[-1].to_x, curves[-1].to_y) if at_the_right else (curves[0].x, curves[0].y)
    back = -_HEAD if at_the_right else _HEAD
    return f"M{_figure(x)} {_figure(y)}l{back} -4v8z"


def _label(edges: Sequence[Edge], left: str) -> str:
    """What stands at a line: the first of its relations, and that there are more; or how many each way."""
    if all(edge.relation == USES for edge in edges):
        there, back = (
            sum(edge.count for edge in edges if (edge.source == left) == to_right) for to_right in (True, False)
        )
        return f"← {back} · {there} →" if there and back else str(there or back)
    names = list(dict.fromkeys(edge.relation for edge in edges))
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def _label_width(label: str) -> float:
    return len(label) * _LETTER + 6


def _label_place(
    curves: Sequence[_Curve],
    width: float,
    taken: dict[float, list[tuple[float, float, float]]],
    is_right_quieter: bool,
) -> tuple[float, float, float]:
    """The middle of a place for a label, and its width: within a gap, and not on another label."""
    order = curves[::-1] if is_right_quieter else curves
    for curve, place in itertools.product(order, _PLACES):
        x, y = curve.at(place if is_right_quieter else 1 - place)
        x = min(max(x, curve.x + width / 2 + _HEAD + 3), curve.to_x - width / 2 - _HEAD - 3)
        others = taken[curve.x]
        if curve.to_x - curve.x < width + 2 * _HEAD + 6:
            continue
        if all(abs(y - at_y) >= _LABEL or abs(x - at_x) >= (width + wide) / 2 for at_x, at_y, wide in others):
            others.append((x, y, width))
            return x, y, width
    return curves[0].x, curves[0].y, 0.0


def _words(edge: Edge, boxes: Mapping[str, Box]) -> str:
    source, target = boxes[edge.source].title, boxes[edge.target].title
    return f"{source} {edge.relation} {target}" + (f" ({edge.count})" if edge.count > 1 else "")


def _figure(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

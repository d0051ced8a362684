"""Layouts and drawings of graphs: boxes in columns, lines that bend between them, labels that can be read."""

import itertools
import random
from collections.abc import Sequence

from callboard.model.json import JsonObject
from callboard.ui.graphs import drawing, layout
from callboard.ui.graphs.drawing import Drawing
from callboard.ui.graphs.neighbourhoods import USES, Edge, Neighbourhood
from tests.harness import component

Lines = Sequence[tuple[str, str]]


def columns(names: str, *lines: str) -> dict[str, int]:
    """The column of each box of a graph of single letters."""
    placed = layout.place(names, [(line[0], line[1]) for line in lines])
    return {name: spot.column for name, spot in placed.boxes.items()}


def tangle(nodes: int, edges: int, seed: int = 7) -> tuple[list[str], Lines]:
    """A graph with cycles, lines there and back, and lines from a box to itself."""
    chance = random.Random(seed)
    names = [f"component:default/c{number}" for number in range(nodes)]
    return names, [(chance.choice(names), chance.choice(names)) for _ in range(edges)]


def drawn(names: Sequence[str], *edges: Edge) -> Drawing:
    entities: dict[str, JsonObject | None] = {name: component(name.rpartition("/")[2]) for name in names}
    return drawing.draw(Neighbourhood([names[0]], entities, list(edges)), "A test")


def test_lines_lead_from_left_to_right() -> None:
    assert columns("abcd", "ab", "bc", "ad") == {"a": 0, "b": 1, "c": 2, "d": 1}


def test_a_circle_is_drawn_with_one_line_turned_round() -> None:
    assert columns("abc", "ab", "bc", "ca") == {"a": 0, "b": 1, "c": 2}


def test_lines_there_and_back_twice_and_to_itself_count_once() -> None:
    placed = layout.place("ab", [("a", "b"), ("b", "a"), ("a", "b"), ("a", "a")])

    assert list(placed.routes) == [("a", "b")]
    assert placed.boxes["b"].column == 1


def test_a_line_past_a_column_has_a_lane_of_its_own_there() -> None:
    placed = layout.place("abc", [("a", "b"), ("b", "c"), ("a", "c")])

    (bend,) = placed.routes["a", "c"]
    assert bend.column == 1
    assert bend.down != placed.boxes["b"].down


def test_parts_that_have_nothing_to_do_with_one_another_stand_below_each_other() -> None:
    placed = layout.place("abcdef", [("e", "f"), ("a", "b"), ("a", "c")])

    first = max(placed.boxes[name].down for name in "abc")
    assert min(placed.boxes[name].down for name in "ef") >= first + 1
    assert placed.boxes["d"].down >= placed.boxes["e"].down + 1


def test_boxes_without_lines_stand_side_by_side() -> None:
    assert len({(spot.column, spot.down) for spot in layout.place("abcdefg", []).boxes.values()}) == 7
    assert layout.place("a", []).boxes["a"] == layout.Spot(0, 0.0)
    assert layout.place("", []).boxes == {}


def test_no_two_boxes_of_a_large_graph_overlap() -> None:
    names, lines = tangle(200, 300)

    placed = layout.place(names, lines)

    by_column: dict[int, list[float]] = {}
    for spot in placed.boxes.values():
        by_column.setdefault(spot.column, []).append(spot.down)
    gaps = [below - above for each in by_column.values() for above, below in itertools.pairwise(sorted(each))]
    assert len(placed.boxes) == 200
    assert min(gaps) >= 0.95


def test_every_line_of_a_large_graph_bends_once_in_each_column_that_it_passes() -> None:
    names, lines = tangle(120, 220)

    placed = layout.place(names, lines)

    for (left, right), bends in placed.routes.items():
        between = range(placed.boxes[left].column + 1, placed.boxes[right].column)
        assert [bend.column for bend in bends] == list(between)
    wanted = {frozenset(line) for line in lines if line[0] != line[1]}
    assert {frozenset(line) for line in placed.routes} == wanted


def test_the_same_graph_is_always_laid_out_alike() -> None:
    names, lines = tangle(60, 90)

    assert layout.place(names, lines) == layout.place(names, lines)


def test_labels_lie_neither_on_boxes_nor_on_each_other() -> None:
    names, lines = tangle(60, 110)
    edges = [Edge(a, b, "consumesApi") for a, b in lines if a != b]

    found = drawn(names, *edges)

    boxes = [(box.x, box.y, box.x + drawing.WIDTH, box.y + drawing.HEIGHT) for box in found.boxes]
    labels = [
        (line.x - line.room / 2, line.y - 7, line.x + line.room / 2, line.y + 7) for line in found.lines if line.room
    ]
    assert len(labels) > len(found.lines) / 2
    for label, other in itertools.chain(itertools.product(labels, boxes), itertools.combinations(labels, 2)):
        apart = label[2] <= other[0] or other[2] <= label[0] or label[3] <= other[1] or other[3] <= label[1]
        assert apart, (label, other)


def test_everything_lies_within_the_picture() -> None:
    names, lines = tangle(30, 40)

    found = drawn(names, *(Edge(a, b, "dependsOn") for a, b in lines if a != b))

    assert all(0 < box.x < found.width - drawing.WIDTH and 0 < box.y < found.height for box in found.boxes)
    assert all(0 < line.x < found.width and 0 < line.y < found.height for line in found.lines)


def test_several_relations_between_two_boxes_are_one_line_with_its_arrows() -> None:
    a, b = "component:default/a", "component:default/b"

    one = drawn([a, b], Edge(a, b, "dependsOn"))
    both = drawn([a, b], Edge(a, b, "dependsOn"), Edge(b, a, "mirrors"))

    assert [(line.label, len(line.heads)) for line in one.lines] == [("dependsOn", 1)]
    assert [(line.label, len(line.heads)) for line in both.lines] == [("dependsOn +1", 2)]
    assert both.lines[0].says == "a dependsOn b; b mirrors a"


def test_a_line_that_sums_up_shows_how_many_there_are_each_way() -> None:
    a, b = "system:default/a", "system:default/b"

    one = drawn([a, b], Edge(a, b, USES, 3))
    both = drawn([a, b], Edge(a, b, USES, 3), Edge(b, a, USES, 12))

    assert one.lines[0].label == "3"
    assert both.lines[0].label == "← 12 · 3 →"


def test_a_long_title_is_shortened_and_told_in_full() -> None:
    title = "The department of very long names"
    entity: JsonObject = {**component("a"), "metadata": {"name": "a", "namespace": "default", "title": title}}

    (box,) = drawing.draw(Neighbourhood(["component:default/a"], {"component:default/a": entity}), "A test").boxes

    assert len(box.shown) <= 20
    assert box.says == f"{title}, Component · service"

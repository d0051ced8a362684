"""Sets of entity ids hold what was put into them, whatever form they have at that moment."""

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from callboard.view.ids import Ids, bitmap, contains, excluding, including, union

_MEMBERS = st.integers(0, 20)
_STEPS = st.lists(st.tuples(st.booleans(), _MEMBERS), max_size=60)


def gathered(steps: list[tuple[bool, int]]) -> tuple[Ids | None, set[int]]:
    """What comes of adding and removing members, and what it should be."""
    ids, expected = None, set[int]()
    for add, member in steps:
        ids = including(ids, member) if add else excluding(ids, member)
        (expected.add if add else expected.discard)(member)
    return ids, expected


@given(steps=_STEPS, asked=_MEMBERS)
def test_a_set_has_the_members_that_were_added_and_not_removed(steps: list[tuple[bool, int]], asked: int) -> None:
    ids, expected = gathered(steps)

    assert (set(bitmap(ids)), contains(ids, asked), ids is None) == (expected, asked in expected, not expected)


@given(many=st.lists(_STEPS, max_size=5))
def test_a_union_has_the_members_of_all(many: list[list[tuple[bool, int]]]) -> None:
    sets = [gathered(steps) for steps in many]

    assert set(union([ids for ids, _ in sets])) == {member for _, members in sets for member in members}


def test_only_sets_of_more_than_a_few_are_bitmaps() -> None:
    forms = [type(gathered([(True, member) for member in range(size)])[0]) for size in (1, 2, 8, 9)]

    assert forms == [int, tuple, tuple, BitMap]

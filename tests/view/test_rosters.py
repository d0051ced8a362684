import pytest
from pyroaring import BitMap

from callboard.view.rosters import Roster

# The texts run against the ids, so that the two orders can't be mistaken for each other.
ROSTER = Roster()
for number in range(100):
    ROSTER.put(number, f"{99 - number:02}")


def test_a_member_is_found_by_its_text() -> None:
    assert (ROSTER.find("98"), ROSTER.text(1), ROSTER.find("x"), len(ROSTER)) == (1, "98", None, 100)


@pytest.mark.parametrize("ids", [BitMap(range(0, 100, 2)), BitMap([4, 44, 94])], ids=["many", "few"])
@pytest.mark.parametrize("count", [1, 2, 60])
@pytest.mark.parametrize("after", [None, "05", "55", "555", "99"])
@pytest.mark.parametrize("descending", [False, True])
def test_members_are_taken_in_order_whichever_way_is_cheaper(
    ids: BitMap, count: int, after: str | None, descending: bool
) -> None:
    taken = ROSTER.take(ids, count, after=after, descending=descending)

    expected = sorted(ids, reverse=not descending)
    if after is not None:
        expected = [member for member in expected if (f"{99 - member:02}" > after) is not descending]
        expected = [member for member in expected if f"{99 - member:02}" != after]
    assert taken == expected[:count]


def test_a_text_that_moved_on_stays_with_its_new_owner() -> None:
    roster = Roster()
    roster.put(0, "a")
    roster.put(1, "b")

    roster.put(1, "a")
    roster.drop(0)

    assert roster.find("a") == 1
    assert roster.find("b") is None
    assert roster.texts() == ["a"]


def test_a_text_that_is_here_is_shared_and_no_other() -> None:
    roster = Roster()
    kept, other = "component:default/a", "component:default/b"
    equal = kept.upper().lower()
    roster.put(0, kept)

    assert (roster.shared(equal) is kept, roster.shared(other) is other) == (True, True)

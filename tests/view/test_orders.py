import pytest
from pyroaring import BitMap

from callboard.view.columns import Column
from callboard.view.orders import FieldWalk
from callboard.view.rosters import Roster

TAGS = ["ada", "basic", "c", "dylan", "eiffel"]
HELD = {
    member: tuple(sorted({TAGS[member % 5], TAGS[(member * 3) % 5], TAGS[member // 12 % 5]})) for member in range(60)
}
UIDS = Roster()
COLUMN = Column()
for member, tags in HELD.items():
    UIDS.put(member, f"uid-{99 - member}")
    COLUMN.put(member, tags)


@pytest.mark.parametrize("ids", [BitMap(range(60)), BitMap([3, 9, 27])], ids=["many", "few"])
@pytest.mark.parametrize("count", [1, 10, 1000])
@pytest.mark.parametrize("after", [None, ("basic", "uid-70"), ("basic", ""), ("cc", "uid-70"), ("zzz", "")])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_each_entity_is_met_once_at_its_first_value_whichever_way_is_cheaper(
    ids: BitMap, count: int, after: tuple[str, str] | None, descending: bool, backwards: bool
) -> None:
    walk = FieldWalk(COLUMN, UIDS, descending)

    taken = walk.take(ids, count, after=after, backwards=backwards)

    falling = descending != backwards
    places = sorted(
        [((HELD[member][-1 if descending else 0], UIDS.text(member)), member) for member in ids], reverse=falling
    )
    expected = [
        (value, member)
        for (value, uid), member in places
        if after is None or ((value, uid) < after if falling else (value, uid) > after)
    ]
    assert taken == expected[:count]


def test_values_of_one_entity_only_are_walked_too() -> None:
    column, uids = Column(), Roster()
    for member in range(30):
        uids.put(member, f"uid-{member:02}")
        column.put(member, (f"v{member:02}", f"w{member:02}"))
    walk = FieldWalk(column, uids, descending=True)

    taken = walk.take(BitMap(range(30)), 2, after=("w28", "uid-28"))

    assert taken == [("w27", 27), ("w26", 26)]
    assert [value for value, _ in walk.take(BitMap(range(30)), 2, backwards=True)] == ["w00", "w01"]

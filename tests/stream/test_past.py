"""The past of one entity."""

import pytest

from callboard.errors import NotFound, OffsetExpired, OffsetInTheFuture
from callboard.model import json
from callboard.model.predicates import Equals
from callboard.store.database import Database
from callboard.stream import past
from callboard.stream.past import Past
from callboard.stream.sight import Sight
from tests.stream.publishing import forget, publish, ref_of, retract

A = ref_of("a")
TIER_1 = Equals("spec.tier", "1")


@pytest.fixture
async def lived(database: Database) -> Database:
    """a is tier 1, 2, 1, gone, 2, and gone again; b is at 2."""
    await publish(database, "a", tier="1")
    await publish(database, "b", tier="1")
    for tier in "21":
        await publish(database, "a", tier=tier)
    await retract(database, "a")
    await publish(database, "a", tier="2")
    await retract(database, "a")
    return database


def told(found: Past) -> list[tuple[int, str]]:
    return [(change.offset, change.type) for change in found.asked]


_WHOLE = [(7, "removed"), (6, "added"), (5, "removed"), (4, "updated"), (3, "updated"), (1, "added")]
_PERMITTED = [(5, "removed"), (4, "updated"), (1, "added")]


async def test_the_history_of_an_entity_comes_newest_first(lived: Database) -> None:
    found = await past.history(lived, A, before=8, limit=10, sight=Sight(permitted=None))

    assert (told(found), found.next_before) == (_WHOLE, None)


async def test_versions_that_are_hidden_are_left_out_with_their_removals(lived: Database) -> None:
    found = await past.history(lived, A, before=8, limit=10, sight=Sight(permitted=TIER_1))

    assert told(found) == _PERMITTED


@pytest.mark.parametrize("visible", [None, TIER_1], ids=["everything", "some"])
async def test_pages_of_the_history_follow_one_another(
    lived: Database, visible: Equals | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hundred versions of one entity would show no more.
    monkeypatch.setattr(past, "_PIECE", 1)
    pages: list[list[tuple[int, str]]] = []

    before: int | None = 8
    while before is not None:
        page = await past.history(lived, A, before=before, limit=2, sight=Sight(permitted=visible))
        pages.append(told(page))
        before = page.next_before

    whole = _PERMITTED if visible else _WHOLE
    assert pages == [whole[start : start + 2] for start in range(0, len(whole), 2)]


async def test_a_version_is_compared_with_the_one_that_was_seen_before(lived: Database) -> None:
    everything = await past.history(lived, A, before=5, limit=2, sight=Sight(permitted=None))
    some = await past.history(lived, A, before=5, limit=1, sight=Sight(permitted=TIER_1))

    assert [tier(everything.before(index)) for index in range(2)] == ["2", "1"]
    assert tier(some.before(0)) == "1"
    assert some.next_before == 4


async def test_there_is_nothing_before_the_first_version(lived: Database) -> None:
    found = await past.history(lived, A, before=4, limit=2, sight=Sight(permitted=None))

    assert found.before(1) is None


@pytest.mark.parametrize(("ref", "visible"), [(ref_of("nobody"), None), (A, Equals("spec.tier", "3"))])
async def test_what_was_never_seen_has_no_history(lived: Database, ref: str, visible: Equals | None) -> None:
    with pytest.raises(NotFound, match=f"No history of {ref} is known"):
        await past.history(lived, ref, before=8, limit=10, sight=Sight(permitted=visible))


async def test_what_was_there_at_the_history_floor_is_its_oldest_version(lived: Database) -> None:
    await forget(lived, 6)

    assert told(await past.history(lived, A, before=8, limit=10, sight=Sight(permitted=None))) == [
        (7, "removed"),
        (6, "added"),
    ]
    with pytest.raises(NotFound):
        await past.history(lived, A, before=8, limit=10, sight=Sight(permitted=TIER_1))


async def test_a_removal_is_told_to_those_who_saw_what_was_there_at_the_history_floor(lived: Database) -> None:
    await forget(lived, 4)

    assert told(await past.history(lived, A, before=8, limit=10, sight=Sight(permitted=TIER_1))) == [
        (5, "removed"),
        (4, "updated"),
    ]


@pytest.mark.parametrize(("offset", "expected"), [(1, "1"), (2, "1"), (3, "2"), (4, "1"), (6, "2")])
async def test_an_entity_is_as_it_was_at_an_offset(lived: Database, offset: int, expected: str) -> None:
    assert tier(await past.at(lived, A, offset, visible=None)) == expected


@pytest.mark.parametrize("offset", [0, 5, 7])
async def test_an_entity_is_not_there_before_it_was_added_nor_after_it_was_removed(
    lived: Database, offset: int
) -> None:
    with pytest.raises(NotFound, match=f"There was no {A} at offset {offset}"):
        await past.at(lived, A, offset, visible=None)


async def test_a_version_that_is_hidden_is_not_there(lived: Database) -> None:
    assert tier(await past.at(lived, A, 4, visible=TIER_1)) == "1"
    with pytest.raises(NotFound):
        await past.at(lived, A, 3, visible=TIER_1)


async def test_nothing_is_known_beyond_the_head(lived: Database) -> None:
    with pytest.raises(OffsetInTheFuture, match="Offset 8 is beyond the head of the stream, 7"):
        await past.at(lived, A, 8, visible=None)


async def test_nothing_is_known_below_the_history_floor(lived: Database) -> None:
    await forget(lived, 3)

    with pytest.raises(OffsetExpired, match="below offset 3 is not known any more"):
        await past.at(lived, A, 2, visible=None)


async def test_everything_is_known_at_the_history_floor(lived: Database) -> None:
    await forget(lived, 3)

    assert tier(await past.at(lived, ref_of("b"), 3, visible=None)) == "1"
    assert tier(await past.at(lived, A, 3, visible=None)) == "2"
    with pytest.raises(NotFound):
        await past.at(lived, A, 3, visible=TIER_1)


async def test_what_was_gone_at_the_history_floor_was_not_there(lived: Database) -> None:
    await forget(lived, 5)

    with pytest.raises(NotFound):
        await past.at(lived, A, 5, visible=None)


def tier(body: bytes | None) -> object:
    match json.decode(body or b"null"):
        case {"spec": {"tier": found}}:
            return found
        case _:
            return None

"""What others got wrong: the faults of etcd's watches that its robustness tests have found, tried on this stream.

Each test has the number of the issue at github.com/etcd-io/etcd.
"""

import asyncio
from collections.abc import Sequence

import pytest

from callboard.errors import OffsetExpired, OffsetInTheFuture
from callboard.model.changes import ChangeType
from callboard.model.predicates import Equals
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode, Page
from callboard.testing import FakeClock
from tests.stream.publishing import bury, forget, publish, ref_of, retract


async def following(database: Database, *, keep: int = 100) -> Follower:
    """A process that is at the head."""
    follower = Follower(database, FakeClock(), keep=keep)
    await up_to_date(follower)
    return follower


async def up_to_date(follower: Follower) -> None:
    while await follower.follow() == 0:
        pass


async def read(follower: Follower, offset: int, *, mode: Mode = Mode.LOG, limit: int = 100, wait: float = 0) -> Page:
    return await feed.read(follower, offset=offset, limit=limit, wait=wait, mode=mode)


def told(page: Page) -> Sequence[tuple[int, ChangeType, str]]:
    return [(change.offset, change.type, change.ref) for change in page.changes]


@pytest.mark.parametrize("mode", list(Mode))
async def test_19179_a_removal_is_told_to_who_opens_at_the_floor(database: Database, mode: Mode) -> None:
    for name in "abc":
        await publish(database, name)
    await retract(database, "a")
    await forget(database, 3)
    await bury(database, 3)

    page = await read(await following(database, keep=1), 3, mode=mode)

    assert told(page) == [(4, ChangeType.REMOVED, ref_of("a"))]


@pytest.mark.parametrize("mode", list(Mode))
async def test_18089_a_removal_at_the_floor_is_told_or_its_reader_is_refused(database: Database, mode: Mode) -> None:
    for name in "abc":
        await publish(database, name)
    await retract(database, "a")
    await publish(database, "b", tier="2")
    await forget(database, 4)
    await bury(database, 3)

    before = await read(await following(database, keep=1), 3, mode=mode)
    await bury(database, 4)

    assert (4, ChangeType.REMOVED, ref_of("a")) in told(before)
    with pytest.raises(OffsetExpired):
        await read(await following(database, keep=1), 3, mode=mode)
    assert told(await read(await following(database, keep=1), 4, mode=mode)) == [(5, ChangeType.UPDATED, ref_of("b"))]


async def test_17529_a_slow_reader_that_the_floor_overtakes_misses_nothing_or_is_refused(database: Database) -> None:
    for name in "abcd":
        await publish(database, name)
    follower = await following(database, keep=1)
    slow = await feed.read(follower, offset=0, limit=2, wait=0, mode=Mode.COMPACTED)
    await retract(database, "a")
    await publish(database, "d", tier="2")
    await forget(database, 6)
    await bury(database, 4)
    await up_to_date(follower)

    rest = await feed.read(follower, offset=slow.next_offset, limit=100, wait=0, mode=Mode.COMPACTED, began=slow.began)
    await bury(database, 5)

    assert {ref for _, _, ref in told(rest)} == {ref_of("a"), ref_of("c"), ref_of("d")}
    assert (5, ChangeType.REMOVED, ref_of("a")) in told(rest)
    with pytest.raises(OffsetExpired):
        await feed.read(follower, offset=slow.next_offset, limit=9, wait=0, mode=Mode.COMPACTED, began=slow.began)


async def test_20221_nothing_old_is_told_at_an_offset_of_the_future(database: Database) -> None:
    for name in "ab":
        await publish(database, name)
    follower = await following(database)

    with pytest.raises(OffsetInTheFuture):
        await read(follower, 4)
    with pytest.raises(OffsetInTheFuture):
        await read(follower, 4, wait=0.01)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_17247_nothing_comes_twice_where_memory_begins(database: Database, limit: int) -> None:
    for tier in "123":
        for name in "ab":
            await publish(database, name, tier=tier)
    follower = await following(database, keep=3)
    for name in "ab":
        await publish(database, name, tier="4")
    await up_to_date(follower)

    found, offset = list[int](), 0
    while offset < 8:
        page = await read(follower, offset, limit=limit)
        found += [change.offset for change in page.changes]
        offset = page.next_offset

    assert found == list(range(1, 9))


async def test_15220_no_bookmark_is_ahead_of_what_is_still_to_be_told(database: Database) -> None:
    await publish(database, "a", tier="1")
    follower = await following(database)
    waiting = asyncio.create_task(feed.read(follower, offset=1, limit=9, wait=5, predicate=Equals("spec.tier", "3")))
    for tier in "23":
        # The process that the reader waits at has not seen this yet when it looks at its own head.
        await publish(database, "a", tier=tier)
    behind = await read(follower, 1)
    await up_to_date(follower)
    woken = await waiting

    assert (told(behind), behind.next_offset) == ([], 1)
    assert told(woken) == [(3, ChangeType.ADDED, ref_of("a"))]


async def test_15271_time_does_not_go_back_for_who_comes_back_to_a_process_that_is_behind(database: Database) -> None:
    await publish(database, "a", tier="1")
    lagging = await following(database)
    for tier in "23":
        await publish(database, "a", tier=tier)
    ahead = await read(await following(database), 1)

    at_once = await read(lagging, ahead.next_offset)
    waiting = asyncio.create_task(read(lagging, ahead.next_offset, wait=5))
    await publish(database, "a", tier="4")
    await up_to_date(lagging)

    assert (told(at_once), at_once.next_offset) == ([], 3)
    assert [change.offset for change in (await waiting).changes] == [4]

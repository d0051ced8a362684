"""Open streams, without HTTP around them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from callboard.errors import OffsetExpired, Unauthenticated
from callboard.model.predicates import Equals, Predicate
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.audience import Ending
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from callboard.stream.streams import Stream
from callboard.testing import FakeClock
from tests.stream.publishing import publish, retract


class Guard:
    """Says what a reader may see, and whether it is known who that is."""

    def __init__(self) -> None:
        self.asked = 0
        self.visible: Predicate | None = None
        self.expired = False

    async def permitted(self) -> Predicate | None:
        self.asked += 1
        if self.expired:
            raise Unauthenticated("expired")
        return self.visible


@pytest.fixture
async def follower(database: Database, clock: FakeClock) -> AsyncIterator[Follower]:
    follower = Follower(database, clock)
    await publish(database, "a")
    await publish(database, "b")
    await up_to_date(follower)
    yield follower
    follower.close()


async def up_to_date(follower: Follower) -> None:
    while await follower.follow() == 0:
        pass


def stream_of(
    follower: Follower,
    guard: Guard | None = None,
    *,
    offset: int = 2,
    heartbeat: float = 60,
    mode: Mode = Mode.LOG,
    limit: int | None = None,
    predicate: Predicate | None = None,
) -> Stream:
    return Stream(
        follower=follower,
        offset=offset,
        epoch=None,
        mode=mode,
        predicate=predicate,
        permitted=(guard or Guard()).permitted,
        heartbeat=heartbeat,
        limit=limit,
    )


async def test_a_page_comes_as_soon_as_something_changes(follower: Follower) -> None:
    stream = stream_of(follower)
    await stream.begin()
    coming = asyncio.create_task(stream.advance())

    await publish(follower.database, "c")
    await up_to_date(follower)
    page = await coming

    assert page is not None
    assert [change.offset for change in page.changes] == [3]
    assert (stream.offset, stream.caught_up, stream.ending) == (3, True, None)


async def test_what_a_process_reads_that_is_behind_its_reader_is_told(follower: Follower) -> None:
    await publish(follower.database, "c")
    stream = stream_of(follower, offset=3, heartbeat=0.01)
    await stream.begin()

    # The database goes on, and the view of this process is still where the reader was before.
    await publish(follower.database, "d")
    page = await stream.advance()

    assert page is not None
    assert [change.offset for change in page.changes] == [4]
    assert stream.offset == 4


async def test_a_heartbeat_is_due_when_nothing_changes(follower: Follower) -> None:
    stream = stream_of(follower, heartbeat=0.01)
    await stream.begin()

    assert await stream.advance() is None
    assert stream.ending is None


async def test_what_a_filter_hides_is_passed(follower: Follower) -> None:
    stream = stream_of(follower, heartbeat=0.2, predicate=Equals("spec.owner", "bank"))
    await stream.begin()
    coming = asyncio.create_task(stream.advance())

    await publish(follower.database, "c")
    await up_to_date(follower)

    assert await coming is None
    assert (stream.offset, stream.ending) == (3, None)


async def test_the_compacted_past_ends_at_the_head(follower: Follower) -> None:
    await publish(follower.database, "a", owner="bank")
    await up_to_date(follower)
    stream = stream_of(follower, offset=0, mode=Mode.COMPACTED)

    past = await stream.begin()
    await publish(follower.database, "a", owner="others")
    await retract(follower.database, "a")
    await up_to_date(follower)
    live = await stream.advance()

    assert [change.offset for change in past.changes] == [2, 3]
    assert live is not None
    assert [change.offset for change in live.changes] == [4, 5]


async def test_after_its_limit_it_is_complete(follower: Follower) -> None:
    stream = stream_of(follower, offset=0, limit=1)

    page = await stream.begin()

    assert [change.offset for change in page.changes] == [1]
    assert await stream.advance() is None
    assert stream.ending is Ending.COMPLETE


async def test_a_permission_counts_for_five_seconds(follower: Follower, clock: FakeClock) -> None:
    guard = Guard()
    stream = stream_of(follower, guard)
    await stream.begin()
    for name, seconds in (("c", 4), ("d", 1), ("e", 0)):
        clock.advance(seconds)
        await publish(follower.database, name)
        await up_to_date(follower)
        await stream.advance()

    assert guard.asked == 2


async def test_who_listens_is_looked_at_in_each_heartbeat(follower: Follower) -> None:
    guard = Guard()
    stream = stream_of(follower, guard, heartbeat=0.01)
    await stream.begin()
    await stream.advance()
    guard.expired = True

    await stream.advance()

    assert guard.asked == 3
    assert stream.ending is Ending.REFUSED


async def test_another_epoch_ends_it(follower: Follower) -> None:
    stream = stream_of(follower)
    await stream.begin()
    coming = asyncio.create_task(stream.advance())
    async with follower.database.transaction() as tx:
        await tx.connection.execute("update stream set epoch = gen_random_uuid()")
    await up_to_date(follower)

    assert await coming is None
    assert stream.ending is Ending.GONE
    assert isinstance(stream.failure, OffsetExpired)


async def test_changes_that_are_gone_end_it_with_their_epoch(follower: Follower) -> None:
    stream = stream_of(follower, heartbeat=0.01)
    await stream.begin()
    async with follower.database.transaction() as tx:
        await tx.connection.execute('delete from history where "offset" = 2')
        await tx.connection.execute("""delete from final_entities where ref like '%/b'""")
        await tx.connection.execute("update stream set head = 1")
    await up_to_date(follower)

    await stream.advance()

    assert stream.ending is Ending.GONE
    assert isinstance(stream.failure, OffsetExpired)


async def test_the_end_of_the_process_ends_it(follower: Follower) -> None:
    stream = stream_of(follower)
    await stream.begin()
    coming = asyncio.create_task(stream.advance())

    follower.close()

    assert await coming is None
    assert stream.ending is Ending.SHUTDOWN


async def test_only_a_few_who_are_behind_are_served_at_once(follower: Follower) -> None:
    for _ in range(3):
        await follower.behind.acquire()
    behind = asyncio.create_task(feed.read(follower, offset=0, limit=10, wait=0, mode=Mode.COMPACTED))

    near = await feed.read(follower, offset=2, limit=10, wait=0)
    waited = not behind.done()
    follower.behind.release()
    page = await behind

    assert near.caught_up
    assert waited
    assert [change.offset for change in page.changes] == [1, 2]

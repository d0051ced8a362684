"""When many are called at once, the process looks around between a few of them."""

import asyncio

import pytest

from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.turns import Turns
from callboard.testing import FakeClock
from tests.stream.publishing import publish, ref_of

CLOCK = FakeClock()
_MANY = 500


async def test_others_have_their_turn_among_many_who_were_called() -> None:
    turns = Turns()
    went_on: list[int] = []

    async def reader(number: int) -> None:
        await turns.take()
        went_on.append(number)

    seen: set[int] = set()

    def look() -> None:
        seen.add(len(went_on))
        if len(went_on) < _MANY:
            asyncio.get_running_loop().call_soon(look)

    look()
    await asyncio.gather(*map(reader, range(_MANY)))

    assert went_on == list(range(_MANY))
    assert len(seen) > _MANY / 50


async def test_who_has_gone_takes_no_turn() -> None:
    turns = Turns()
    readers = [asyncio.create_task(turns.take()) for _ in range(_MANY)]
    await CLOCK.sleep(0)
    for reader in readers[:-1]:
        reader.cancel()

    await asyncio.wait_for(readers[-1], 5)

    assert all(reader.done() for reader in readers)


async def test_who_asks_for_the_same_gets_the_same_page_until_there_is_more(database: Database) -> None:
    follower = Follower(database, CLOCK)
    await follower.load()
    await publish(database, "a")
    await follower.follow()
    follower.parse = lambda _: pytest.fail("nobody wants to know what is in it")
    first, same = [await feed.read(follower, offset=0, limit=10, wait=0) for _ in range(2)]
    await publish(database, "b")
    await follower.follow()
    later = await feed.read(follower, offset=0, limit=10, wait=0)

    assert first is same
    assert [(change.offset, change.type, change.ref) for change in first.changes] == [(1, "added", ref_of("a"))]
    assert [change.offset for change in later.changes] == [1, 2]

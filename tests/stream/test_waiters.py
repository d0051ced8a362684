"""Who wants to hear of some entities only is left alone until one of them changes."""

import asyncio
from dataclasses import dataclass
from unittest.mock import Mock, patch

import pytest

from callboard.model.predicates import Equals
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Page
from callboard.stream.readers import Reader
from callboard.stream.turns import Turns
from callboard.stream.waiters import Crowd
from callboard.testing import FakeClock
from tests.stream.publishing import publish, retract

_FAR = 3600


@dataclass
class Watched:
    """A reader who waits for changes of tier 1."""

    follower: Follower
    reader: Reader
    waiting: "asyncio.Task[Page]"

    async def look(self) -> None:
        """Let the process see what there is, and whoever is called go on."""
        while await self.follower.follow() == 0:
            pass
        for _ in range(5):
            await self.follower.clock.sleep(0)


async def watched(database: Database, *, others: int = 0, keep: int = 100) -> Watched:
    """A reader at the head, beside *others* who wait for what never comes."""
    follower = Follower(database, FakeClock(), keep=keep)
    await follower.load()
    reader = Reader(follower.view.offset)
    waits = [
        feed.read(follower, offset=reader.offset, limit=10, wait=_FAR, predicate=Equals("spec.tier", str(-number)))
        for number in range(1, others + 1)
    ]
    waits.append(
        feed.read(
            follower,
            offset=reader.offset,
            limit=10,
            wait=_FAR,
            predicate=Equals("spec.tier", "1"),
            attending=reader,
        )
    )
    *_, waiting = [asyncio.create_task(each) for each in waits]
    found = Watched(follower, reader, waiting)
    await found.look()
    return found


@pytest.mark.parametrize("others", [0, 600], ids=["alone", "among-many"])
async def test_a_reader_is_called_for_what_comes_into_sight(database: Database, others: int) -> None:
    here = await watched(database, others=others)
    await publish(database, "a", tier="2")
    await here.look()
    passed = (here.waiting.done(), here.reader.offset)

    await publish(database, "b", tier="1")
    await here.look()

    page = await here.waiting
    assert (passed, [change.offset for change in page.changes], page.next_offset) == ((False, 1), [2], 2)
    here.follower.close()


@pytest.mark.parametrize("others", [0, 600], ids=["alone", "among-many"])
async def test_a_reader_is_called_for_what_leaves_its_sight(database: Database, others: int) -> None:
    await publish(database, "a", tier="1")
    await publish(database, "b", tier="1")
    here = await watched(database, others=others)

    await publish(database, "a", tier="2")
    await here.look()
    left = await here.waiting
    here = await watched(database, others=others)
    await retract(database, "b")
    await here.look()

    gone = await here.waiting
    assert [(change.offset, change.left_filter) for change in left.changes] == [(3, True)]
    assert [(change.offset, change.left_filter) for change in gone.changes] == [(4, False)]
    here.follower.close()


async def test_what_a_reader_was_moved_past_may_be_forgotten(database: Database) -> None:
    here = await watched(database, keep=1)
    for name in "abc":
        await publish(database, name, tier="2")
        await here.look()

    await publish(database, "d", tier="1")
    await here.look()

    assert [change.offset for change in (await here.waiting).changes] == [4]


async def test_a_process_that_ends_lets_go_of_everybody(database: Database) -> None:
    here = await watched(database)

    here.follower.close()

    assert (await here.waiting).caught_up


async def test_a_look_that_finds_nothing_wakes_nobody(database: Database) -> None:
    follower = Follower(database, FakeClock())
    await follower.load()
    waiting = asyncio.create_task(follower.wait_beyond(follower.view.offset, _FAR))
    while not follower.crowd.count:
        await follower.clock.sleep(0)
    called = Mock(wraps=follower.crowd.call)

    with patch.object(Crowd, "call", called):
        await follower.follow()
        idle = called.call_count
        await publish(database, "a")
        await follower.follow()

    assert (idle, called.call_count, await waiting) == (0, 1, True)


async def test_each_wait_is_over_in_its_own_time_and_none_before() -> None:
    crowd = Crowd(Turns())
    moments: dict[float, float] = {}

    async def wait(seconds: float) -> None:
        began = asyncio.get_running_loop().time()
        assert not await crowd.wait(seconds)
        moments[seconds] = asyncio.get_running_loop().time() - began

    patient, called = asyncio.create_task(crowd.wait(_FAR)), asyncio.create_task(crowd.wait(_FAR))
    async with asyncio.timeout(30):
        await asyncio.gather(*map(wait, (0.15, 0.01, 0.1, 0.0, 0.02)))
        assert not patient.done()
        crowd.call()
        assert await patient
        assert await called

    assert all(lasted >= seconds - 0.005 for seconds, lasted in moments.items()), moments
    assert crowd.count == 0


async def test_a_wait_is_over_when_nothing_comes(database: Database) -> None:
    follower = Follower(database, FakeClock())
    await follower.load()

    assert not await follower.wait_beyond(follower.view.offset, 0.01)
    assert not follower.crowd.count

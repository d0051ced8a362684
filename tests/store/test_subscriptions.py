"""Cursors and leases of subscriptions."""

import asyncio
import datetime as dt

from callboard.store import subscriptions
from callboard.store.database import Database
from callboard.store.subscriptions import Batch, Hold, Place, State, Subscription, Wish
from callboard.testing import FakeClock
from tests.stream.publishing import publish

LEASE = dt.timedelta(seconds=15)
WEBHOOK = Wish(wanted="{}", sink='{"type":"webhook"}', secrets='["s"]')


async def add(database: Database, name: str, wish: Wish = WEBHOOK, offset: int = 0) -> Subscription:
    async with database.transaction() as tx:
        epoch = await tx.connection.fetchval("select epoch from stream")
        place = Place(epoch=epoch, offset=offset, compacted=False)
        made = await subscriptions.add(tx, name, None, wish, place)
    assert made is not None
    return made


async def find(database: Database, name: str) -> Subscription:
    async with database.transaction() as tx:
        found = await subscriptions.find(tx, name)
    assert found is not None
    return found


async def claim(database: Database, holder: str) -> list[str]:
    async with database.transaction() as tx:
        return [each.name for each in await subscriptions.claim(tx, holder, LEASE, limit=10)]


async def test_only_one_of_two_has_the_name(database: Database) -> None:
    await add(database, "hook")

    async with database.transaction() as tx:
        place = Place(epoch="e", offset=0, compacted=False)
        assert await subscriptions.add(tx, "hook", "another", WEBHOOK, place) is None


async def test_secrets_are_in_no_text_about_it(database: Database) -> None:
    made = await add(database, "hook", Wish(wanted="{}", sink="{}", secrets='["whsec_x"]'))

    assert "whsec_x" not in f"{made} {made!r}"


async def test_a_sink_that_has_everything_is_not_due(database: Database) -> None:
    await publish(database, "a")
    await add(database, "behind")
    await add(database, "at-the-head", offset=1)
    await add(database, "read-by-somebody", Wish(wanted="{}"))

    assert await claim(database, "engine") == ["behind"]


async def test_one_engine_at_a_time_delivers(database: Database, clock: FakeClock) -> None:
    await publish(database, "a")
    await add(database, "hook")

    assert await claim(database, "one") == ["hook"]
    assert await claim(database, "two") == []
    clock.advance(15)
    assert await claim(database, "two") == ["hook"]


async def test_two_engines_that_claim_at_one_moment_share_the_work(database: Database) -> None:
    await publish(database, "a")
    for n in range(5):
        await add(database, f"hook{n}")

    found = await asyncio.gather(claim(database, "one"), claim(database, "two"))

    assert sorted(found[0] + found[1]) == [f"hook{n}" for n in range(5)]


async def test_who_has_lost_the_lease_moves_nothing(database: Database, clock: FakeClock) -> None:
    await publish(database, "a")
    made = await add(database, "hook")
    await claim(database, "one")
    clock.advance(15)
    await claim(database, "two")

    hold = Hold("hook", "one", made.generation)
    async with database.transaction() as tx:
        assert await subscriptions.advance(tx, hold, LEASE, offset=1, compacted=False) is None
        await subscriptions.fail(tx, hold, "late", next_at=tx.now)
        assert not await subscriptions.die(tx, hold, "late")

    found = await find(database, "hook")
    assert (found.offset, found.error, found.holder, found.state) == (0, None, "two", State.ACTIVE)


async def test_what_was_on_its_way_before_a_seek_counts_for_nothing(database: Database) -> None:
    await publish(database, "a")
    made = await add(database, "hook")
    await claim(database, "one")

    async with database.transaction() as tx:
        await subscriptions.seek(tx, "hook", Place(epoch=made.epoch, offset=0, compacted=True))
    await claim(database, "one")
    async with database.transaction() as tx:
        hold = Hold("hook", "one", made.generation)
        assert await subscriptions.advance(tx, hold, LEASE, offset=1, compacted=False) is None


async def test_a_cursor_never_goes_back_by_itself(database: Database) -> None:
    made = await add(database, "hook", offset=5)

    async with database.transaction() as tx:
        await subscriptions.take(tx, "hook", "one", LEASE)
        hold = Hold("hook", "one", made.generation)
        assert await subscriptions.advance(tx, hold, LEASE, offset=4, compacted=False) is None
        assert await subscriptions.advance(tx, hold, LEASE, offset=5, compacted=False) is not None


async def test_a_failure_is_counted_until_something_arrives(database: Database, clock: FakeClock) -> None:
    await publish(database, "a")
    made = await add(database, "hook")
    hold = Hold("hook", "one", made.generation)
    began = clock.now()
    for _ in range(2):
        await claim(database, "one")
        async with database.transaction() as tx:
            await subscriptions.fail(tx, hold, "500", next_at=tx.now + dt.timedelta(seconds=10))
        assert await claim(database, "two") == []
        clock.advance(10)
    failed = await find(database, "hook")

    await claim(database, "one")
    async with database.transaction() as tx:
        await subscriptions.advance(tx, hold, LEASE, offset=1, compacted=False)

    good = await find(database, "hook")
    assert (failed.attempts, failed.failing_since, failed.error) == (2, began, "500")
    assert (good.attempts, good.failing_since, good.error, good.offset) == (0, None, None, 1)


async def test_a_dead_one_and_a_paused_one_are_not_delivered(database: Database) -> None:
    await publish(database, "a")
    made = await add(database, "dead")
    await add(database, "paused")
    async with database.transaction() as tx:
        await subscriptions.take(tx, "dead", "one", LEASE)
        await subscriptions.die(tx, Hold("dead", "one", made.generation), "410")
        await subscriptions.pause(tx, "paused")

    assert await claim(database, "one") == []
    async with database.transaction() as tx:
        await subscriptions.resume(tx, "dead")
        await subscriptions.resume(tx, "paused")
    assert await claim(database, "one") == ["dead", "paused"]


async def test_renewing_passes_over_what_is_somebody_elses(database: Database, clock: FakeClock) -> None:
    await publish(database, "a")
    await add(database, "mine")
    await claim(database, "one")
    await add(database, "theirs")
    await claim(database, "two")
    clock.advance(10)

    async with database.transaction() as tx:
        await subscriptions.renew(tx, "one", ["mine", "theirs"], LEASE)
    clock.advance(10)

    assert await claim(database, "three") == ["theirs"]


async def test_what_was_handed_out_is_forgotten_with_the_lease(database: Database) -> None:
    made = await add(database, "copy", Wish(wanted="{}"))
    async with database.transaction() as tx:
        await subscriptions.take(tx, "copy", "one", LEASE)
        hold = Hold("copy", "one", made.generation)
        batch = Batch(offset=4, began=None, until=None, caught_up=True)
        assert await subscriptions.hand_out(tx, hold, LEASE, batch)
        await subscriptions.release(tx, "copy", "one")
        taken = await subscriptions.take(tx, "copy", "two", LEASE)

    assert taken is not None
    assert taken.handed_out is None

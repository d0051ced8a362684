"""A job has one owner at a time, and a dead owner keeps nothing."""

import asyncio
import datetime as dt

from callboard.store import leases
from callboard.store.database import Database
from callboard.testing import FakeClock
from tests.waiting import until_blocked

LEASE = dt.timedelta(seconds=10)


async def take(database: Database, owner: str, name: str = "sweeping") -> bool:
    return await database.run(lambda tx: leases.take(tx, name, owner, LEASE))


async def keep(database: Database, owner: str) -> bool:
    return await database.run(lambda tx: leases.keep(tx, "sweeping", owner, LEASE))


async def renew(database: Database, owner: str) -> None:
    await database.run(lambda tx: leases.renew(tx, "sweeping", owner, LEASE))


async def test_a_job_that_somebody_has_cannot_be_taken(database: Database) -> None:
    assert await take(database, "a")

    assert not await take(database, "b")
    assert await take(database, "b", "cooking")


async def test_its_owner_may_take_it_again_and_has_it_for_longer(database: Database, clock: FakeClock) -> None:
    await take(database, "a")
    clock.advance(6)
    assert await take(database, "a")
    clock.advance(6)

    assert not await take(database, "b")


async def test_a_lease_that_has_run_out_is_free(database: Database, clock: FakeClock) -> None:
    await take(database, "a")
    clock.advance(10)

    assert await take(database, "b")
    assert not await keep(database, "a")


async def test_a_lease_that_is_renewed_does_not_run_out(database: Database, clock: FakeClock) -> None:
    await take(database, "a")
    for _ in range(3):
        clock.advance(6)
        await renew(database, "a")

    assert not await take(database, "b")


async def test_nobody_renews_what_is_not_theirs(database: Database, clock: FakeClock) -> None:
    await take(database, "a")
    clock.advance(6)
    await renew(database, "b")
    clock.advance(4)

    assert await take(database, "c")


async def test_a_late_owner_keeps_what_nobody_else_has_taken(database: Database, clock: FakeClock) -> None:
    await take(database, "a")
    clock.advance(60)

    assert await keep(database, "a")
    assert not await take(database, "b")


async def test_what_is_released_is_free_at_once_and_only_its_owner_can_do_that(database: Database) -> None:
    await take(database, "a")

    await database.run(lambda tx: leases.release(tx, "sweeping", "b"))
    refused = await take(database, "b")
    await database.run(lambda tx: leases.release(tx, "sweeping", "a"))

    assert (refused, await take(database, "b")) == (False, True)


async def test_nobody_takes_a_job_or_waits_for_it_while_its_owner_is_in_a_transaction(
    database: Database, clock: FakeClock
) -> None:
    await take(database, "a")
    async with database.transaction() as tx:
        await leases.keep(tx, "sweeping", "a", LEASE)
        clock.advance(60)

        async with asyncio.timeout(5):
            taken = await take(database, "b")
            await renew(database, "a")

    assert not taken


async def test_of_two_who_take_it_at_once_one_gets_it(database: Database) -> None:
    async with database.transaction() as tx:
        first = await leases.take(tx, "sweeping", "a", LEASE)
        second = asyncio.create_task(take(database, "b"))
        await until_blocked(database)

    assert (first, await second) == (True, False)


async def test_what_is_shared_lasts_as_long_as_the_longest_share(database: Database, clock: FakeClock) -> None:
    await database.run(lambda tx: leases.share(tx, ["oven", "broom"], LEASE))
    await database.run(lambda tx: leases.share(tx, ["oven"], LEASE / 2))

    async with database.transaction() as tx:
        rows = await tx.connection.fetch("select name, until from leases order by name")
    assert [tuple(row) for row in rows] == [("broom", clock.now() + LEASE), ("oven", clock.now() + LEASE)]

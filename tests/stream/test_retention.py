"""An engine forgets what is old, step by step."""

import datetime as dt

import pytest

from callboard.store import changes, leases, retention
from callboard.store.database import Database
from callboard.stream.retention import Keep, Retention
from callboard.testing import FakeClock
from tests.audit import audit
from tests.stream.publishing import publish, retract

_DAY = dt.timedelta(days=1)
_KEEP = Keep(history=_DAY, tombstones=3 * _DAY)


@pytest.fixture
def forgetting(database: Database, clock: FakeClock) -> Retention:
    """Keeps changes for a day and removals for three, and takes two at a time."""
    return Retention(database=database, clock=clock, keep=_KEEP, batch=2)


async def live(database: Database) -> None:
    """a changes from 1 to 5; b is there at 6, and gone at 7."""
    for tier in "12345":
        await publish(database, "a", tier=tier)
    await publish(database, "b")
    await retract(database, "b")


async def floors(database: Database) -> tuple[int, int]:
    position = await changes.now(database)
    return position.history_floor, position.tombstone_floor


async def test_what_is_young_is_kept(database: Database, clock: FakeClock, forgetting: Retention) -> None:
    await live(database)
    clock.advance(_DAY.total_seconds())

    await forgetting.run()

    assert await floors(database) == (0, 0)


async def test_changes_go_before_removals(database: Database, clock: FakeClock, forgetting: Retention) -> None:
    await live(database)
    clock.advance(_DAY.total_seconds() + 1)
    await publish(database, "c")

    await forgetting.run()
    assert await floors(database) == (7, 0)
    await audit(database.url)

    clock.advance(2 * _DAY.total_seconds())
    await forgetting.run()
    assert await floors(database) == (8, 7)
    await audit(database.url)


async def test_removals_are_kept_as_long_as_their_history(database: Database, clock: FakeClock) -> None:
    await live(database)
    clock.advance(_DAY.total_seconds())

    await Retention(database=database, clock=clock, keep=Keep(history=2 * _DAY, tombstones=_DAY / 2)).run()

    assert await floors(database) == (0, 0)


async def test_a_run_says_what_it_has_done(database: Database, clock: FakeClock, forgetting: Retention) -> None:
    await live(database)
    clock.advance(4 * _DAY.total_seconds())

    await forgetting.run()

    async with database.transaction() as tx:
        run = await retention.last_run(tx)
    assert run is not None
    # Seven changes in pairs; then the floor of the tombstones, and the tombstone.
    assert (run.versions, run.tombstones, run.steps) == (7, 1, 6)


async def test_one_engine_forgets_at_a_time(database: Database, clock: FakeClock, forgetting: Retention) -> None:
    await live(database)
    clock.advance(4 * _DAY.total_seconds())
    async with database.transaction() as tx:
        await leases.take(tx, "retention", "another", dt.timedelta(seconds=15))

    await forgetting.run()
    held = await floors(database)
    clock.advance(16)
    await forgetting.run()

    assert (held, await floors(database)) == ((0, 0), (7, 7))


async def test_what_was_begun_by_an_engine_that_was_killed_is_ended(
    database: Database, clock: FakeClock, forgetting: Retention
) -> None:
    await live(database)
    clock.advance(4 * _DAY.total_seconds())
    await database.run(lambda tx: retention.forget_versions(tx, 7))
    await database.run(lambda tx: retention.raise_tombstone_floor(tx, 7))

    await forgetting.run()

    async with database.transaction() as tx:
        run = await retention.last_run(tx)
        assert await tx.connection.fetchval("select count(*) from final_entities") == 1
    assert run is not None
    assert run.tombstones == 1


async def test_an_engine_that_is_to_stop_leaves_the_rest(
    database: Database, clock: FakeClock, forgetting: Retention
) -> None:
    await live(database)
    clock.advance(4 * _DAY.total_seconds())
    forgetting.loop.stop()

    await forgetting.run()

    assert await floors(database) == (0, 0)
    async with database.transaction() as tx:
        assert await leases.take(tx, "retention", "another", dt.timedelta(seconds=15))


@pytest.mark.parametrize(
    ("history", "expected"), [(dt.timedelta(days=7), 60.0), (dt.timedelta(seconds=20), 2.0), (dt.timedelta(0), 0.2)]
)
def test_what_is_kept_for_a_short_time_is_looked_for_often(
    history: dt.timedelta, expected: float, database: Database, clock: FakeClock
) -> None:
    assert Retention(database=database, clock=clock, keep=Keep(history=history)).pause == expected

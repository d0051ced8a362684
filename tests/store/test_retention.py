"""What the stream forgets, and what it must not."""

import datetime as dt

from callboard.store import changes, retention
from callboard.store.database import Database
from callboard.store.retention import Emptying, Run
from callboard.testing import FakeClock
from tests.audit import KNOWN, audit
from tests.stream.publishing import bury, forget, make_partitions, publish, ref_of, retract

_NOTHING = Emptying.NOTHING_TO_DO
_DAY = dt.timedelta(days=1)


async def kept(database: Database) -> list[int]:
    """The offsets of what is known."""
    async with database.transaction() as tx:
        return [row["offset"] for row in await tx.connection.fetch(KNOWN)]


async def tombstones(database: Database) -> list[int]:
    async with database.transaction() as tx:
        query = "select last_offset from final_entities where removed_at is not null order by last_offset"
        return [row[0] for row in await tx.connection.fetch(query)]


async def prepare(database: Database) -> None:
    """a at 1, 2 and 5; b at 3 and gone at 4; c at 6."""
    await publish(database, "a", tier="1")
    await publish(database, "a", tier="2")
    await publish(database, "b")
    await retract(database, "b")
    await publish(database, "a", tier="3")
    await publish(database, "c")


async def test_below_the_floor_what_is_visible_keeps_its_last_version(database: Database) -> None:
    await prepare(database)

    await forget(database, 4)

    assert await kept(database) == [2, 5, 6]
    assert (await changes.now(database)).history_floor == 4
    await audit(database.url)


async def test_a_version_that_was_kept_goes_with_the_change_that_made_it_obsolete(database: Database) -> None:
    await prepare(database)
    await forget(database, 3)
    assert await kept(database) == [2, 3, 4, 5, 6]

    await forget(database, 5)

    assert await kept(database) == [5, 6]
    await audit(database.url)


async def test_floors_are_never_lowered(database: Database) -> None:
    await prepare(database)
    await forget(database, 5)
    await bury(database, 4)

    await forget(database, 2)
    await bury(database, 2)

    position = await changes.now(database)
    assert (position.history_floor, position.tombstone_floor) == (5, 4)
    await audit(database.url)


async def test_tombstones_go_once_their_floor_is_raised(database: Database) -> None:
    await prepare(database)
    await forget(database, 6)

    await database.run(lambda tx: retention.raise_tombstone_floor(tx, 4))
    before = await tombstones(database)
    dropped = await database.run(lambda tx: retention.drop_tombstones(tx, limit=10))

    assert (before, dropped, await tombstones(database)) == ([4], 1, [])
    await audit(database.url)


async def test_an_entity_can_come_back_after_its_tombstone_has_gone(database: Database) -> None:
    await prepare(database)
    await forget(database, 6)
    await bury(database, 4)

    await publish(database, "b")

    async with database.transaction() as tx:
        (change,) = await changes.history(tx, 6, limit=10)
    assert (change.offset, change.type, change.ref) == (7, "added", ref_of("b"))
    await audit(database.url)


async def test_the_floor_of_the_history_goes_up_to_the_first_young_change(database: Database, clock: FakeClock) -> None:
    await publish(database, "a", tier="1")
    await publish(database, "b")
    clock.advance(_DAY.total_seconds())
    await publish(database, "a", tier="2")

    async with database.transaction() as tx:
        nothing = await retention.next_history_floor(tx, older_than=tx.now - 2 * _DAY, limit=10)
        old = await retention.next_history_floor(tx, older_than=tx.now, limit=10)
        some = await retention.next_history_floor(tx, older_than=tx.now, limit=1)

    assert (nothing, old, some) == (None, 2, 1)


async def test_the_floor_of_the_tombstones_is_that_of_one_and_never_above_the_history(database: Database) -> None:
    await prepare(database)
    await retract(database, "c")

    async def floor(limit: int = 10) -> int | None:
        async with database.transaction() as tx:
            return await retention.next_tombstone_floor(tx, older_than=tx.now + _DAY, limit=limit)

    before = await floor()
    await forget(database, 6)
    below = await floor()
    await forget(database, 7)

    assert (before, below, await floor(), await floor(limit=1)) == (None, 4, 7, 4)


async def test_the_last_run_is_written_down(database: Database, clock: FakeClock) -> None:
    now = clock.now()
    runs = [
        Run(started_at=now, ended_at=now, versions=count, tombstones=2, steps=3, longest_ms=4.5) for count in (1, 2)
    ]
    async with database.transaction() as tx:
        before = await retention.last_run(tx)
        for run in runs:
            await retention.write_down(tx, run)

        assert (before, await retention.last_run(tx)) == (None, runs[1])


async def partitions(database: Database) -> list[str]:
    """The partitions of the history, oldest first."""
    async with database.transaction() as tx:
        query = "select relid::text from pg_partition_tree('history') where isleaf"
        return sorted([row[0] for row in await tx.connection.fetch(query)], key=lambda name: int(name.split("_")[1]))


async def empty_partitions(database: Database, *, limit: int) -> list[Emptying]:
    """Take the steps that there are to take."""
    steps: list[Emptying] = []
    while (step := await database.run(lambda tx: retention.empty_partition(tx, limit=limit))) is not _NOTHING:
        steps.append(step)
    return steps


async def stored(database: Database) -> list[int]:
    """The offsets of what was kept of partitions that have gone."""
    async with database.transaction() as tx:
        return [row[0] for row in await tx.connection.fetch('select "offset" from kept_versions order by "offset"')]


async def test_what_is_published_always_has_a_partition(database: Database) -> None:
    await make_partitions(database, size=2, upto=3)

    await prepare(database)

    assert await partitions(database) == ["history_1", "history_3", "history_5"]
    assert await kept(database) == [1, 2, 3, 4, 5, 6]
    await audit(database.url)


async def test_partitions_go_once_they_are_wholly_below_the_floor(database: Database) -> None:
    await make_partitions(database, size=2, upto=6)
    await prepare(database)

    await forget(database, 3)
    steps = await empty_partitions(database, limit=10)

    assert steps == [Emptying.KEPT, Emptying.DROPPED]
    assert await partitions(database) == ["history_3", "history_5"]
    assert await kept(database) == [2, 3, 4, 5, 6]
    await audit(database.url)


async def test_the_stream_goes_on_when_everything_is_forgotten(database: Database) -> None:
    await make_partitions(database, size=6, upto=6)
    await prepare(database)

    await forget(database, 6)
    steps = await empty_partitions(database, limit=4)
    await publish(database, "a", tier="4")

    assert steps == [Emptying.KEPT, Emptying.KEPT, Emptying.DROPPED]
    assert await partitions(database) == ["history_7"]
    assert await kept(database) == [5, 6, 7]
    await audit(database.url)


async def test_no_partition_goes_while_somebody_reads_the_history(database: Database) -> None:
    await make_partitions(database, size=2, upto=6)
    await prepare(database)
    await forget(database, 2)

    async with database.transaction() as tx:
        await changes.history(tx, 4, limit=1)
        meanwhile = await empty_partitions(database, limit=10)
    later = await empty_partitions(database, limit=10)

    assert (meanwhile, later) == ([Emptying.KEPT], [Emptying.DROPPED])


async def test_what_was_kept_gives_way_to_what_came_after_it(database: Database) -> None:
    await make_partitions(database, size=2, upto=8)
    await prepare(database)
    await forget(database, 2)
    await empty_partitions(database, limit=10)
    before = await stored(database)
    await publish(database, "b")
    await retract(database, "a")

    await forget(database, 8)
    await empty_partitions(database, limit=10)

    assert (before, await stored(database)) == ([2], [6, 7])
    assert await kept(database) == [6, 7]
    await audit(database.url)


async def test_what_is_deleted_is_vacuumed_soon(database: Database) -> None:
    async with database.transaction() as tx:
        found = await tx.connection.fetch(
            "select relname, reloptions from pg_class where relname in ('kept_versions', 'final_entities')"
            " order by relname"
        )

    assert [row["relname"] for row in found] == ["final_entities", "kept_versions"]
    assert all("autovacuum_vacuum_scale_factor=0.05" in row["reloptions"] for row in found)

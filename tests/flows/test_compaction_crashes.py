"""An engine may be killed while it forgets: what the floors promise is there, and the next engine does the rest."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callboard.clock import SystemClock
from callboard.model.predicates import Equals
from callboard.store import changes
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from tests.audit import audit
from tests.flows.engines import Installation, until
from tests.flows.test_crashes import kill_an_engine_at
from tests.stream.publishing import forget, make_partitions, publish, ref_of, retract

pytestmark = pytest.mark.slow

_RETENTION = "  stream: {historyRetention: 1ms, tombstoneRetention: 1ms}\n"
_VISIBLE = {"c", "d"}
_HEAD = 8


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, clock=SystemClock(), connections=2)
    yield opened
    await opened.close()


@pytest.fixture
async def installation(tmp_path: Path, database: Database) -> Installation:
    """a and b have come and gone, c and d have changed. Nothing of that is worth being remembered."""
    await make_partitions(database, size=4, upto=_HEAD)
    for name in "abcd":
        await publish(database, name, tier="1")
    for name in "ab":
        await retract(database, name)
    for name in "cd":
        await publish(database, name, tier="2")
    installation = Installation(tmp_path, database.url)
    installation.write({})
    with installation.config.open("a") as config:
        config.write(_RETENTION)
    return installation


async def until_forgotten(installation: Installation) -> None:
    """Wait until nothing is left that could be forgotten."""
    async with installation.connection() as connection:

        async def forgotten() -> bool:
            query = (
                "select history_floor = head and not exists (select from history_partitions)"
                " and not exists (select from final_entities where removed_at is not null)"
            )
            return bool(await connection.fetchval(f"{query} from stream"))

        await until(forgotten, "everything to be forgotten")


async def told(database: Database, offset: int, visible: Equals | None = None) -> set[str]:
    follower = Follower(database, SystemClock(), keep=1)
    await follower.load()
    page = await feed.read(follower, offset=offset, limit=100, wait=0, mode=Mode.COMPACTED, visible=visible)
    return {change.ref for change in page.changes}


async def test_an_engine_that_is_killed_while_it_forgets_versions_has_forgotten_none(
    installation: Installation, database: Database
) -> None:
    await kill_an_engine_at(installation, "select from stream for update", "update stream set history_floor")
    await installation.until_nobody_is_left()

    assert (await changes.now(database)).history_floor == 0
    assert await told(database, 4) == {ref_of(name) for name in "abcd"}
    await audit(database.url)


async def test_an_engine_that_is_killed_between_a_floor_and_its_tombstones_leaves_these_to_the_next(
    installation: Installation, database: Database
) -> None:
    async with holding_a_tombstone(installation), installation.process() as process:
        async with installation.connection() as connection:

            async def raised() -> bool:
                return bool(await connection.fetchval("select tombstone_floor = 6 from stream"))

            await until(raised, "the floor of the tombstones to rise")
        process.kill()
        await process.wait()
    await installation.until_nobody_is_left()
    await audit(database.url)

    async with installation.engine():
        await until_forgotten(installation)

    await audit(database.url)
    assert await told(database, 0) == {ref_of(name) for name in _VISIBLE}


@contextlib.asynccontextmanager
async def holding_a_tombstone(installation: Installation) -> AsyncIterator[None]:
    """Hold the row of a, as somebody does who is about to publish it anew; compaction passes over it."""
    async with installation.connection() as connection, connection.transaction():
        await connection.execute("select from final_entities where ref = $1 for update", ref_of("a"))
        yield


async def test_the_next_engine_empties_a_partition_that_the_killed_one_was_at(
    installation: Installation, database: Database
) -> None:
    await kill_an_engine_at(installation, "lock table kept_versions in share mode", "with last")
    await installation.until_nobody_is_left()
    await audit(database.url)

    async with installation.engine():
        await until_forgotten(installation)

    await audit(database.url)
    async with installation.connection() as connection:
        assert await connection.fetch("select from history") == []
        assert await connection.fetchval('select array_agg("offset" order by "offset") from kept_versions') == [7, 8]


async def test_nobody_who_publishes_waits_for_an_engine_that_forgets(
    installation: Installation, database: Database
) -> None:
    await forget(database, _HEAD)
    async with installation.connection() as connection, connection.transaction():
        # Where a step stands that has dropped tombstones and is about to commit.
        await connection.execute("delete from final_entities where ref = $1", ref_of("b"))

        await publish(database, "a", tier="3")
        await publish(database, "e", tier="3")

    assert await told(database, _HEAD) == {ref_of("a"), ref_of("e")}

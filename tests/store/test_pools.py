"""Connections behind a transaction pooler, which keeps nothing between two transactions."""

import asyncio
import functools
import urllib.parse
from collections.abc import AsyncIterator

import asyncpg
import pytest

from benchmarks.poolers import pgbouncer
from callboard.clock import SystemClock
from callboard.errors import DatabaseUnavailable, InvalidInput
from callboard.settings import Pooler
from callboard.store import changes, migrations, publication, queries
from callboard.store.database import Database, Transaction
from callboard.store.pools import SETTINGS
from callboard.store.publication import FinalEntity
from callboard.store.wakeups import WakeUps
from callboard.testing import FakeClock
from tests.flows.engines import until

_ONE_AT_A_TIME = queries.parse("-- name: series\nselect n from generate_series(1, 2500) as n order by n")["series"]
_PREPARED = "select statement from pg_prepared_statements where name <> '' order by prepare_time"


@pytest.fixture
async def pooled(pooled_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await Database.open(pooled_url, clock=clock, connections=4)
    yield opened
    await opened.close()


async def settings_of(tx: Transaction) -> dict[str, str]:
    rows = await tx.connection.fetch(
        "select name, current_setting(name) as value from unnest($1::text[]) name", list(SETTINGS)
    )
    return {row["name"]: row["value"] for row in rows}


async def test_a_pooler_that_refuses_settings_is_found(pooled: Database) -> None:
    assert pooled.pooled
    assert not pooled.passes_notifications_on


async def test_a_pooler_that_leaves_settings_out_is_found(postgres: str, database_url: str, clock: FakeClock) -> None:
    name = urllib.parse.urlsplit(database_url).path.strip("/")
    with pgbouncer(postgres, size=2, more={"ignore_startup_parameters": ", ".join(SETTINGS)}) as bouncer:
        opened = await Database.open(bouncer.url(name), clock=clock, connections=2)

        async with opened.transaction() as tx:
            in_force = await settings_of(tx)
        await opened.close()

    assert opened.pooled
    assert in_force == SETTINGS


async def test_a_pooler_that_is_said_to_be_away_is_an_error(pooled_url: str, clock: FakeClock) -> None:
    with pytest.raises(DatabaseUnavailable, match="unsupported startup parameter"):
        await Database.open(pooled_url, clock=clock, pooler=Pooler.NONE)


async def test_without_a_pooler_none_is_found(database: Database) -> None:
    assert not database.pooled
    assert database.passes_notifications_on


async def test_each_transaction_has_its_settings_and_leaves_none_behind(pooled: Database, pooled_url: str) -> None:
    async with pooled.transaction() as tx:
        in_force = await settings_of(tx)
    async with pooled.transaction(snapshot=True) as tx:
        in_snapshot = await settings_of(tx)

    left = await asyncpg.connect(pooled_url, statement_cache_size=0)
    behind = await left.fetchval("select current_setting('lock_timeout')")
    await left.close()
    assert in_force == in_snapshot == SETTINGS
    assert behind == "0"


async def test_no_statement_is_left_behind(pooled: Database) -> None:
    async with pooled.transaction() as tx:
        await changes.position(tx)

    assert await prepared_in(pooled) == []


async def test_rows_are_walked_through_in_pieces(pooled: Database) -> None:
    async with pooled.transaction(snapshot=True) as tx:
        found = [row["n"] async for row in tx.walk(_ONE_AT_A_TIME)]

    assert found == list(range(1, 2501))


async def test_what_publishes_is_prepared_before_the_counter_is_held_and_forgotten_with_the_transaction(
    pooled: Database,
) -> None:
    gone = FinalEntity(ref="component:default/gone", uid="0" * 32, body="{}", hash=b"", cause=None)

    async with pooled.transaction() as tx:
        await publication.publish(tx, [gone])
        meanwhile = await tx.connection.fetch(_PREPARED)

    assert [row["statement"] for row in meanwhile] == [
        queries.load("publication")[name].text for name in ("publish", "extend_history")
    ]
    assert await prepared_in(pooled) == []


async def test_what_was_prepared_is_forgotten_after_a_failure_too(pooled: Database) -> None:
    gone = FinalEntity(ref="component:default/gone", uid="0" * 32, body="{}", hash=b"", cause=None)

    async def fail(tx: Transaction) -> None:
        await publication.publish(tx, [gone])
        await tx.connection.execute("select 1 / 0")

    with pytest.raises(InvalidInput):
        await pooled.run(fail)

    assert await prepared_in(pooled) == []


async def prepared_in(pooled: Database) -> list[str]:
    """What the one connection of the pooler that was lent last has prepared."""
    async with pooled.transaction() as tx:
        return [row["statement"] for row in await tx.connection.fetch(_PREPARED)]


async def test_migrations_go_through_a_pooler(pooled_url: str) -> None:
    applied = await asyncio.gather(*(migrations.apply(pooled_url) for _ in range(3)))

    assert applied == [[], [], []]


async def test_who_can_not_listen_looks_for_signs(pooled_url: str, database: Database) -> None:
    pooled = await Database.open(pooled_url, clock=SystemClock(), connections=2)
    woken = {"callboard_schedule": 0, publication.CHANNEL: 0}

    def wake(channel: str) -> None:
        woken[channel] += 1

    wakeups = WakeUps(pooled, SystemClock(), {channel: functools.partial(wake, channel) for channel in woken})
    running = asyncio.create_task(wakeups.run())
    await until(lambda: _is(woken, {"callboard_schedule": 1, publication.CHANNEL: 1}), "the first look")

    async with database.transaction() as tx:
        await tx.connection.execute("update stream set head = head")
        await tx.connection.execute("select nextval('tickets')")
    await until(lambda: _is(woken, {"callboard_schedule": 4, publication.CHANNEL: 1}), "requests to be noticed")
    async with database.transaction() as tx:
        await tx.connection.execute("update stream set head = head + 1")
    await until(lambda: _is(woken, {"callboard_schedule": 4, publication.CHANNEL: 2}), "a publication to be noticed")

    wakeups.loop.stop()
    await running
    await pooled.close()


async def _is(woken: dict[str, int], expected: dict[str, int]) -> bool:
    return woken == expected

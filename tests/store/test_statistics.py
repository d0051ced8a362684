"""PostgreSQL takes tables for empty that were analysed when they were: what is put in afterwards has to count."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from callboard.extend import Full
from callboard.model import json
from callboard.store import claims, removal
from callboard.store.database import Database
from callboard.store.statistics import Statistics
from callboard.testing import FakeClock
from tests.harness import Catalog, component_yaml, offered, plain

_MANY = 1_200
_TABLES = ("claims", "entities")


@pytest.fixture(autouse=True)
async def unattended(database: Database) -> AsyncIterator[None]:
    """PostgreSQL does not come by on its own in the middle of a test."""
    await attend(database, to="false")
    yield
    await attend(database, to="true")


async def attend(database: Database, *, to: str) -> None:
    async with database.transaction() as tx:
        for table in (*_TABLES, "schedule", "locations"):
            await tx.connection.execute(f"alter table {table} set (autovacuum_enabled = {to})")


async def empty_and_analysed(catalog: Catalog) -> None:
    """Leave tables with pages and without rows, as PostgreSQL has been told."""
    await catalog.provide("acme", Full(offered(*(plain(f"c{number}") for number in range(_MANY)))))
    await catalog.provide("acme", Full([]))
    await catalog.settle()
    async with catalog.database.transaction() as tx:
        await tx.connection.execute("analyze")
    assert [await believed(catalog.database, table) for table in _TABLES] == [1, 1]


async def believed(database: Database, table: str) -> int:
    """How many rows of *table* PostgreSQL reckons with."""
    async with database.transaction() as tx:
        plan: Any = json.decode(await tx.connection.fetchval(f"explain (format json) select from {table}"))
    return int(plan[0]["Plan"]["Plan Rows"])


async def test_a_large_set_counts_before_its_transaction_goes_on(catalog: Catalog) -> None:
    await empty_and_analysed(catalog)

    await catalog.provide("acme", Full(offered(*(plain(f"c{number}") for number in range(_MANY)))))

    # What another transaction has left behind, as many rows again, may be estimated along with it until a vacuum has
    # come by.
    found = [await believed(catalog.database, table) for table in (*_TABLES, "schedule")]
    assert [0.9 * _MANY < each < 2.2 * _MANY for each in found] == [True] * 3, found


async def test_what_a_large_file_holds_counts_as_well(catalog: Catalog) -> None:
    await empty_and_analysed(catalog)
    catalog.host.put("https://host/all.yaml", "---\n".join(component_yaml(f"c{number}") for number in range(_MANY)))

    await catalog.register("https://host/all.yaml")
    await catalog.process()

    assert [await believed(catalog.database, table) > _MANY for table in _TABLES] == [True, True]


async def test_a_small_change_costs_nothing(catalog: Catalog) -> None:
    await empty_and_analysed(catalog)

    await catalog.provide("acme", Full(offered(plain("c1"))))

    assert [await believed(catalog.database, table) for table in _TABLES] == [1, 1]


async def test_an_engine_sees_what_small_steps_have_come_to(database: Database) -> None:
    many = f"""
        insert into locations (id, type, target, entity_ref, created_at)
        select gen_random_uuid(), 'url', 'https://host/' || number, 'location:default/a', now()
        from generate_series(1, {_MANY}) number
    """
    async with database.transaction() as tx:
        for statement in (many, "delete from locations"):
            await tx.connection.execute(statement)
    async with database.transaction() as tx:
        await tx.connection.execute("analyze locations")
    async with database.transaction() as tx:
        # Or what the transaction has done would be counted in a second or so.
        await tx.connection.execute(f"{many}; select pg_stat_force_next_flush()")
    assert await believed(database, "locations") == 1

    await Statistics(database=database, clock=FakeClock()).run()

    assert await believed(database, "locations") == _MANY


@pytest.fixture
async def untouched(untouched_database_url: str) -> AsyncIterator[Database]:
    """A database of which PostgreSQL remembers nothing, and that it leaves alone."""
    database = await Database.open(untouched_database_url, clock=FakeClock(), connections=2, tells_time=False)
    await attend(database, to="false")
    yield database
    await database.close()


async def test_an_engine_vacuums_what_has_grown_and_leaves_alone_what_has_not(untouched: Database) -> None:
    database, statistics = untouched, Statistics(database=untouched, clock=FakeClock())

    found = []
    for first, last in ((1, 3_000), (3_001, 3_001)):
        await claimed(database, first, last)
        await statistics.run()
        found.append(await vacuumed(database, "claims"))

    assert found == [(1, 3_000), (1, 3_000)]


async def claimed(database: Database, first: int, last: int) -> None:
    async with database.transaction() as tx:
        # What a transaction has done is counted in a second or so, unless it asks for more.
        await tx.connection.execute(f"""
            insert into claims (source, target_ref, content, content_hash, changed)
            select 'provider:acme', 'component:default/c' || number, '{{}}', '', number
            from generate_series({first}, {last}) number;
            select pg_stat_force_next_flush()
        """)


async def vacuumed(database: Database, table: str) -> tuple[int, int]:
    """How often *table* was vacuumed on behalf of somebody, and how many rows that found."""
    look = """
        select s.vacuum_count, c.reltuples from pg_class c join pg_stat_user_tables s on s.relid = c.oid
        where c.oid = $1::text::regclass
    """
    async with database.transaction() as tx:
        count, rows = await tx.connection.fetchrow(look, table) or (0, 0)
    return int(count), int(rows)


_CHILDREN = 60_000
_ONE_LOCATION = """
insert into claims (source, target_ref, content, content_hash, changed)
select 'entity:location:default/all', 'component:default/c' || n, '{}', '', 0 from generate_series(1, $1::integer) as n
"""
_READ_WHOLE = "select seq_scan from pg_stat_xact_user_tables where relid = 'claims'::regclass"


async def test_what_others_have_emitted_is_looked_up_where_one_has_emitted_nearly_all(database: Database) -> None:
    """PostgreSQL believes then that each entity has as many children."""
    refs = [f"component:default/c{number}" for number in range(50)]
    async with database.transaction() as tx:
        await tx.connection.execute(_ONE_LOCATION, _CHILDREN)
        await tx.connection.execute("analyze claims")

    async with database.transaction() as tx:
        assert await claims.uprooted(tx, refs) == []
        assert sorted(await removal.below(tx, refs)) == sorted(refs)
        assert await removal.unreachable(tx, refs) == []
        assert await tx.connection.fetchval(_READ_WHOLE) == 0

    async with database.transaction() as tx:
        await tx.connection.execute("truncate claims")

"""A database of any earlier schema comes to the same tables as a new one, and keeps what it holds."""

import contextlib

import asyncpg
import pytest

from callboard.errors import WrongSchema
from callboard.store import migrations, schema
from callboard.store.migrations import Progress
from callboard.store.steps import Migration, available
from tests.conftest import execute
from tests.store.earlier_texts import before_the_rules, migrate_as_before

RELEASE = available()
REWORKED = [migration for migration in RELEASE if migration.earlier]
ORIGINS, NEW_CAUSES, PARTITIONED = 2, 5, 6

_ORIGIN = "url:https://host/a"
_CONTENT = f'{{"metadata":{{"annotations":{{"backstage.io/managed-by-origin-location":"{_ORIGIN}"}},"odd":"\\u0000"}}}}'

# Partitions of the history are looked at apart: they are made as it grows, and have their options from then.
_OBJECTS = """
with tables as (
    select c.oid, c.relname, c.relkind, c.relpersistence, c.reloptions, toast.reloptions as toast_options
    from pg_class c left join pg_class toast on toast.oid = c.reltoastrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S') and not c.relispartition
)
select 'table ' || relname, array[relkind::text, relpersistence::text, reloptions::text, toast_options::text]::text
from tables
union all
select 'column ' || relname || '.' || attname, array[
    attnum::text, format_type(atttypid, atttypmod), attcollation::regcollation::text, attnotnull::text,
    attidentity::text, attcompression::text, attstorage::text, pg_get_expr(adbin, adrelid)
]::text
from tables join pg_attribute on attrelid = tables.oid and attnum > 0 and not attisdropped
left join pg_attrdef on adrelid = tables.oid and adnum = attnum where relkind <> 'S'
union all
select 'constraint ' || relname || '.' || conname, pg_get_constraintdef(pg_constraint.oid) || convalidated
from tables join pg_constraint on conrelid = tables.oid
union all
select 'index ' || relname || '.' || indexrelid::regclass, pg_get_indexdef(indexrelid) || indisvalid
from tables join pg_index on indrelid = tables.oid
union all
select 'function ' || proname, pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
"""

_PARTITION = """
select 'column ' || attname, array[attnum::text, format_type(atttypid, atttypmod), attcollation::regcollation::text,
    attnotnull::text]::text
from pg_attribute where attrelid = 'history_1'::regclass and attnum > 0
union all
select 'constraint', pg_get_constraintdef(oid) from pg_constraint
where conrelid = 'history_1'::regclass and contype <> 'n'
union all
select 'index', pg_get_indexdef(i.indexrelid) from pg_index i join pg_inherits on inhrelid = i.indexrelid
where indrelid = 'history_1'::regclass
"""


async def described(connection: "asyncpg.Connection[asyncpg.Record]", query: str = _OBJECTS) -> list[tuple[str, str]]:
    """All that the schema says, by name."""
    return sorted((name, said) for name, said in await connection.fetch(query))


async def fill(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """What an old release may have stored: an entity, a claim, and a history with a floor and a removal."""
    await connection.execute("insert into entities (ref, uid, discovered_at) values ('a', md5('a')::uuid, now())")
    await connection.execute(
        "insert into claims (source, target_ref, content, content_hash, changed) values ('provider:x', 'a', $1, '', 1)",
        _CONTENT,
    )
    await connection.execute(
        """insert into history ("offset", type, ref, uid, body, previous_offset, cause, at) values
        (1, 'added', 'a', md5('a')::uuid, '1', null, '{"source":"provider:p"}', now()),
        (4, 'updated', 'b', md5('b')::uuid, '4', 2, null, now()),
        (5, 'removed', 'a', md5('a')::uuid, null, 1, '{"reason":"deleted"}', now());
        insert into final_entities (ref, uid, first_offset, last_offset, cause, changed_at)
        values ('a', md5('a')::uuid, 1, 5, '{"reason":"deleted"}', now());
        update stream set head = 5, history_floor = 3"""
    )


async def migrated(url: str, *, since: int) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection to the database, which was made by the texts of then, filled, and brought up to date."""
    await migrate_as_before(url, since)
    connection = await asyncpg.connect(url)
    if since >= PARTITIONED:
        await connection.execute("select extend_history(5, 65536)")
    await fill(connection)
    await migrations.apply(url)
    return connection


@pytest.mark.parametrize("migration", REWORKED, ids=str)
def test_a_migration_that_was_written_anew_knows_the_text_that_databases_were_made_by(migration: Migration) -> None:
    assert migration.earlier == {before_the_rules(migration).checksum}


@pytest.mark.slow
@pytest.mark.parametrize("since", range(1, len(RELEASE)))
async def test_an_earlier_schema_that_holds_something_becomes_what_a_new_database_has(
    since: int, blank_database_url: str, untouched_database_url: str
) -> None:
    fresh = await asyncpg.connect(untouched_database_url)
    await fresh.execute("select extend_history(5, 65536)")

    connection = await migrated(blank_database_url, since=since)

    assert await described(connection) == await described(fresh)
    assert await described(connection, _PARTITION) == await described(fresh, _PARTITION)
    assert [row[0] for row in await connection.fetch("select cause from history where type = $1", "removed")] == [
        '{"because":"deleted"}' if since < NEW_CAUSES else '{"reason":"deleted"}'
    ]
    assert await connection.fetchval("select origin from claims") == (_ORIGIN if since < ORIGINS else None)
    assert await known(connection) == [1, 4, 5]
    await connection.execute("select extend_history(history_until, 65536) from stream")
    await connection.close()
    await fresh.close()


@pytest.mark.slow
@pytest.mark.parametrize("version", [ORIGINS, NEW_CAUSES, PARTITIONED])
async def test_a_migration_that_is_killed_after_any_step_goes_on_there(
    version: int, blank_database_url: str, untouched_database_url: str
) -> None:
    class Killed(Exception):
        pass

    def killed(progress: Progress) -> None:
        if not progress.done:
            steps.append(progress.step)
            if len(steps) % 2:
                raise Killed

    steps: list[int] = []
    await migrate_as_before(blank_database_url, version - 1)
    connection, fresh = await asyncpg.connect(blank_database_url), await asyncpg.connect(untouched_database_url)
    await fill(connection)

    release = RELEASE[:version]
    while (await schema.find(connection)).missing(release):
        with contextlib.suppress(Killed):
            await migrations.apply(blank_database_url, release=release, told=killed)
    await migrations.apply(blank_database_url)

    assert steps == [step + 1 for step in range(len(release[-1].steps)) for _ in range(2)]
    assert await described(connection) == await described(fresh)
    await connection.close()
    await fresh.close()


async def test_a_text_of_before_that_had_begun_and_done_nothing_is_begun_anew(blank_database_url: str) -> None:
    earlier, new = rewritten()
    await begin(blank_database_url, earlier, done=0)

    await migrations.apply(blank_database_url, release=[new])

    connection = await asyncpg.connect(blank_database_url)
    assert await connection.fetchval("select checksum from migrations") == new.checksum
    await connection.close()


async def test_a_text_of_before_of_which_something_is_done_is_not_gone_on_with(blank_database_url: str) -> None:
    earlier, new = rewritten()
    await begin(blank_database_url, earlier, done=1)

    with pytest.raises(WrongSchema, match=r"0001 \(one\) was changed after it had begun"):
        await migrations.apply(blank_database_url, release=[new])


def rewritten() -> tuple[Migration, Migration]:
    """A migration as it was, and as it is."""
    earlier = Migration(1, "one", "-- works with: 0000\n-- step: transaction\nselect 1;\n")
    return earlier, Migration(1, "one", f"-- was: {earlier.checksum}\n{earlier.sql}-- step: transaction\nselect 2;\n")


async def begin(url: str, migration: Migration, *, done: int) -> None:
    """Leave a migration behind of which so many steps are done."""

    def killed(progress: Progress) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await migrations.apply(url, release=[migration], told=killed)
    await execute(url, f"update migration_steps set done = {done}")


async def known(connection: "asyncpg.Connection[asyncpg.Record]") -> list[int]:
    """The offsets that readers may be told."""
    rows = await connection.fetch("select v.\"offset\" from unnest('{a,b}'::text[]) ref, versions_of(ref) v order by 1")
    return [row[0] for row in rows]

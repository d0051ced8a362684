"""The schema goes forward, once, and never by guessing."""

import asyncio

import asyncpg
import pytest

from callboard.errors import DatabaseUnavailable, WrongSchema
from callboard.store import migrations
from tests.conftest import execute


@pytest.mark.slow
async def test_a_blank_database_gets_every_migration_once(blank_database_url: str) -> None:
    applied = await migrations.apply(blank_database_url)

    assert applied == migrations.available()
    assert await migrations.apply(blank_database_url) == []


@pytest.mark.slow
async def test_processes_that_start_together_wait_for_one_another(blank_database_url: str) -> None:
    applied = await asyncio.gather(*(migrations.apply(blank_database_url) for _ in range(3)))

    assert sorted(map(len, applied)) == [0, 0, len(migrations.available())]


async def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    await execute(database_url, "insert into migrations values (9999, 'from_the_future', 'x')")

    try:
        with pytest.raises(WrongSchema, match=r"9999 \(from_the_future\).* newer release"):
            await migrations.apply(database_url)
    finally:
        await execute(database_url, "delete from migrations where version = 9999")


async def test_a_migration_that_was_edited_after_it_ran_is_refused(database_url: str) -> None:
    await execute(database_url, "update migrations set checksum = 'edited ' || checksum where version = 1")

    try:
        with pytest.raises(WrongSchema, match=r"0001 \(initial\) was changed"):
            await migrations.apply(database_url)
    finally:
        await execute(database_url, "update migrations set checksum = substr(checksum, 8) where version = 1")


async def test_a_server_that_is_not_there_is_named_as_the_trouble() -> None:
    with pytest.raises(DatabaseUnavailable, match="can't be reached"):
        await migrations.apply("postgresql://callboard@127.0.0.1:1/nowhere")


@pytest.mark.slow
async def test_what_an_older_release_has_stored_is_told_where_it_comes_from(blank_database_url: str) -> None:
    content = (
        '{"metadata":{"annotations":{"backstage.io/managed-by-origin-location":"url:https://host/a"},"odd":"\\u0000"}}'
    )
    await migrate_before(blank_database_url, 2)
    connection = await asyncpg.connect(blank_database_url)
    await connection.execute("insert into entities (ref, uid, discovered_at) values ('a', gen_random_uuid(), now())")
    await connection.execute(
        "insert into claims (source, target_ref, content, content_hash, changed) values ('provider:x', 'a', $1, '', 1)",
        content,
    )

    await migrations.apply(blank_database_url)

    assert await connection.fetchval("select origin from claims") == "url:https://host/a"
    await connection.close()


@pytest.mark.slow
async def test_the_causes_of_earlier_removals_are_told_under_the_name_of_today(blank_database_url: str) -> None:
    await migrate_before(blank_database_url, 5)
    connection = await asyncpg.connect(blank_database_url)
    await connection.execute(
        """insert into history ("offset", type, ref, uid, cause, at) values
        (1, 'removed', 'a', gen_random_uuid(), '{"reason":"deleted"}', now()),
        (2, 'removed', 'b', gen_random_uuid(), '{"source":"provider:p"}', now()),
        (3, 'updated', 'c', gen_random_uuid(), null, now())"""
    )

    await migrations.apply(blank_database_url)

    causes = [row["cause"] for row in await connection.fetch('select cause from history order by "offset"')]
    assert causes == ['{"because":"deleted"}', '{"source":"provider:p"}', None]
    await connection.close()


@pytest.mark.slow
async def test_an_earlier_history_is_in_partitions_afterwards(blank_database_url: str) -> None:
    await migrate_before(blank_database_url, 6)
    connection = await asyncpg.connect(blank_database_url)
    await connection.execute(
        """insert into history ("offset", type, ref, uid, body, previous_offset, at) values
        (1, 'added', 'a', md5('a')::uuid, '1', null, now()),
        (4, 'updated', 'b', md5('b')::uuid, '4', 2, now()),
        (5, 'removed', 'a', md5('a')::uuid, null, 1, now());
        update stream set head = 5, history_floor = 3"""
    )

    await migrations.apply(blank_database_url)

    assert [row[0] for row in await connection.fetch('select "offset" from kept_versions')] == [1]
    assert [row[0] for row in await connection.fetch('select "offset" from history_1 order by 1')] == [4, 5]
    known = await connection.fetch(
        "select v.\"offset\" from unnest('{a,b}'::text[]) ref, versions_of(ref) v order by 1"
    )
    assert [row[0] for row in known] == [1, 4, 5]
    assert await connection.fetchval("select history_until from stream") == 6
    await connection.close()


async def migrate_before(url: str, version: int) -> None:
    """Bring the database to where a release was that had no migration of this *version* yet."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "create table migrations (version integer primary key, name text not null, checksum text not null,"
        " applied_at timestamptz not null default now())"
    )
    for earlier in (migration for migration in migrations.available() if migration.version < version):
        await connection.execute(earlier.sql)
        await connection.execute(
            "insert into migrations (version, name, checksum) values ($1, $2, $3)",
            earlier.version,
            earlier.name,
            earlier.checksum,
        )
    await connection.close()

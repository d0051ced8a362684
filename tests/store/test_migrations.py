"""The schema goes forward, once, and never by guessing."""

import asyncio

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

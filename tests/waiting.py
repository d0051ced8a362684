"""Waiting for a transaction to stand before a lock."""

import asyncio

import asyncpg

from callboard.store.database import Database

_BLOCKED = (
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    " and wait_event_type = 'Lock'"
)


async def until_blocked(database: Database, *, transactions: int = 1) -> None:
    """Wait until so many transactions wait for one another."""
    connection = await asyncpg.connect(database.url)
    try:
        async with asyncio.timeout(10):
            while await connection.fetchval(_BLOCKED) < transactions:
                pass
    finally:
        await connection.close()

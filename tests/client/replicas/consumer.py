"""A consumer as a process of its own: python -m tests.client.replicas.consumer STORE SERVER LEASE.

It says a line for each transaction: the offset, and the refs that were put; and one for each failure, after a 0.
"""

import asyncio
import sys

from callboard.client import Applied, AsyncCatalogClient, AsyncReplica, CatalogClient, Replica, SQLiteStore
from callboard.client.replicas.postgresql import PostgreSQLStore
from callboard.errors import CallboardError


def say(applied: Applied) -> None:
    """What has been stored."""
    print(applied.position.offset, *(event.ref for event in applied.put), flush=True)


def complain(error: CallboardError, pause: float) -> None:
    """What has failed."""
    print(0, error, flush=True)


def into_sqlite(file: str, server: str, lease: float | None) -> None:
    """Keep a copy in a file."""
    with CatalogClient(server) as catalog, SQLiteStore(file) as store:
        for applied in Replica(catalog, store, lease=lease, on_retry=complain).follow():
            say(applied)


async def into_postgresql(url: str, server: str, lease: float | None) -> None:
    """Keep a copy in a database."""
    async with AsyncCatalogClient(server) as catalog, PostgreSQLStore(url, table="copied_entities") as store:
        async for applied in AsyncReplica(catalog, store, lease=lease, on_retry=complain).follow():
            say(applied)


if __name__ == "__main__":
    store, server, seconds = sys.argv[1:]
    lease = float(seconds) or None
    if store.startswith("postgresql:"):
        asyncio.run(into_postgresql(store, server, lease))
    else:
        into_sqlite(store, server, lease)

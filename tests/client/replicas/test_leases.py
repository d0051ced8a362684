"""Several consumers share a copy: real processes, that are killed and frozen, before a real server."""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from callboard.client import CatalogClient
from callboard.model import json
from tests import consumers
from tests.client.replicas.crashing import Contents, read_sqlite
from tests.conftest import Lend
from tests.consumers import Consumer
from tests.flows.started import Server, started
from tests.harness import plain

pytestmark = pytest.mark.slow

LEASE = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, lend_database: Lend) -> Iterator[Server]:
    with lend_database() as url, started(tmp_path_factory.mktemp("leases"), url, engines=1) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, lend_database: Lend) -> Iterator[str]:
    """A file or a database for a copy."""
    if request.param == "sqlite":
        yield str(tmp_path / "copy.db")
        return
    with lend_database() as url:
        yield url
        asyncio.run(_without_tables(url))


async def _without_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("drop table if exists copied_entities, callboard_positions")
    await connection.close()


def copied(store: str) -> Contents:
    """What a copy has."""
    return asyncio.run(_copied(store)) if store.startswith("postgresql:") else read_sqlite(Path(store))


async def _copied(url: str) -> Contents:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("select ref, entity from copied_entities")
    await connection.close()
    return {row["ref"]: json.decode(row["entity"]) for row in rows}


def told(server: Server) -> Contents:
    """What the stream tells of the catalog."""
    with CatalogClient(server.url) as catalog:
        events = catalog.events(0, mode="compacted", limit=1000).events
    return {event.ref: event.entity for event in events if event.entity is not None}


def push(server: Server, *names: str) -> int:
    """Let these be all that there is; the offset at which that can be seen."""
    with CatalogClient(server.url) as catalog:
        pushed = catalog.push_entities("ci", [plain(name) for name in names], wait=30)
        assert pushed.status is not None
        return pushed.status.offset


@contextlib.contextmanager
def consumer(store: str, server: Server, lease: float = LEASE) -> Iterator[Consumer]:
    """A consumer that lives until the end of the test, unless it is killed."""
    with consumers.consumer(["-m", "tests.client.replicas.consumer", store, server.url, str(lease)]) as found:
        yield found


def freeze(consumer: Consumer, store: str) -> None:
    """Stop a consumer, but not in a transaction: nothing could be done to the copy then."""
    while True:
        consumer.process.send_signal(signal.SIGSTOP)
        os.waitpid(consumer.process.pid, os.WUNTRACED)
        if not is_locked(store):
            return
        consumer.process.send_signal(signal.SIGCONT)


def is_locked(store: str) -> bool:
    """Whether somebody is in a transaction, or a standby that looks."""
    if store.startswith("postgresql:"):
        return asyncio.run(_is_in_transaction(store))
    connection = sqlite3.connect(store, timeout=0, isolation_level=None)
    try:
        connection.execute("begin immediate")
    except sqlite3.OperationalError:
        return True
    else:
        return False
    finally:
        connection.close()


async def _is_in_transaction(url: str) -> bool:
    connection = await asyncpg.connect(url)
    query = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in tr%'"
    count: int = await connection.fetchval(query)
    await connection.close()
    return count > 0


def test_another_consumer_takes_over_when_the_first_is_killed(server: Server, store: str) -> None:
    offset = push(server, "cart", "orders")
    # Long enough for a slow machine: until it is killed, the first one must not seem to be dead.
    with consumer(store, server, lease=4) as first:
        first.until_stored(offset)
        with consumer(store, server, lease=4) as second:
            first.until_stored(push(server, "cart", "payments"))

            assert second.lines == []
            first.kill()
            second.until_stored(push(server, "payments"))

    assert copied(store) == told(server)


def test_a_frozen_consumer_that_wakes_up_stores_nothing_that_is_out_of_date(server: Server, store: str) -> None:
    offset = push(server, "cart", "orders")
    with consumer(store, server) as first:
        first.until_stored(offset)
        with consumer(store, server) as second:
            freeze(first, store)
            # The answer that the frozen one is waiting for has this in it.
            second.until_stored(push(server, "cart", "orders", "late"))
            said = len(first.lines)
            second.until_stored(push(server, "cart"))

            first.process.send_signal(signal.SIGCONT)
            first.until(lambda line: "another consumer has taken over" in line)
            second.until_stored(push(server, "payments"))

    assert [line for line in first.lines[said:] if not line.startswith("0 ")] == []
    assert copied(store) == told(server)


def test_without_a_lease_the_last_consumer_has_the_copy_and_the_one_before_says_so(server: Server, store: str) -> None:
    offset = push(server, "cart")
    with consumer(store, server, lease=0) as first:
        first.until_stored(offset)
        with consumer(store, server, lease=0) as second:
            second.until_stored(offset)

            offset = push(server, "cart", "orders")
            second.until_stored(offset)
            code = first.process.wait(60)

    assert code == 1
    assert copied(store) == told(server)

"""Connections that end under a transaction."""

import asyncio
import datetime as dt
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from callboard.clock import CommonClock, SystemClock
from callboard.errors import DatabaseUnavailable, InvalidInput
from callboard.store.database import Database
from callboard.store.queries import Query

_GOODBYE = b"57P01"
"""The code of what the server says before it closes a connection that somebody has ended."""


class Relay:
    """Passes on what PostgreSQL says, but not that it has closed the connection: on a network that comes later."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urllib.parse.urlsplit(url)
        asked = dict(urllib.parse.parse_qsl(parts.query))
        self._host, self._port = asked.get("host") or parts.hostname or "", asked.get("port") or parts.port or 5432
        self.url = f"{url.partition('?')[0]}?host={urllib.parse.quote(str(folder), safe='/')}&port=5432"
        self.said_goodbye = asyncio.Event()
        self.passing = asyncio.Event()
        self.passing.set()
        self._serving: list[asyncio.Task[None]] = []

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        self._serving.append(asyncio.create_task(self._serve(reader, writer)))

    async def end(self) -> None:
        """End all connections, also one that the pool has opened in the place of the lost one."""
        await SystemClock().sleep(0)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await self._connected()
        try:
            await asyncio.gather(self._pass(reader, to_server), self._pass(from_server, writer))
        finally:
            to_server.close()
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        return await asyncio.open_connection(self._host, self._port)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self.passing.wait()
            target.write(data)
            await target.drain()
            if _GOODBYE in data:
                self.said_goodbye.set()


@pytest.fixture
async def relay(database_url: str, tmp_path: Path) -> AsyncIterator[Relay]:
    relay = Relay(database_url, tmp_path)
    async with await asyncio.start_unix_server(relay.serve, tmp_path / ".s.PGSQL.5432"):
        yield relay
    await relay.end()


async def test_a_server_that_has_said_goodbye_is_away_though_the_connection_has_not_ended(
    database_url: str, relay: Relay
) -> None:
    clock = SystemClock()
    database = await Database.open(relay.url, clock=clock, connections=1)
    direct = await asyncpg.connect(database_url)

    async def commit_too_late() -> None:
        async with database.transaction() as tx:
            await direct.execute("select pg_terminate_backend($1)", tx.connection.get_server_pid())
            await relay.said_goodbye.wait()
            # It has been sent to the client, which reads it when it is its turn.
            await clock.sleep(0.01)

    with pytest.raises(DatabaseUnavailable) as caught:
        await commit_too_late()
    await direct.close()
    await database.close()

    assert isinstance(caught.value.__cause__, asyncpg.InternalClientError)


@pytest.mark.parametrize("in_one_trip", [False, True])
async def test_a_server_that_does_not_answer_is_given_up_and_so_is_the_wait_for_a_free_connection(
    relay: Relay, *, in_one_trip: bool
) -> None:
    database = await Database.open(relay.url, clock=SystemClock(), connections=1, patience=0.3)
    relay.passing.clear()

    async def ask() -> None:
        if in_one_trip:
            await database.ask(Query("select", ()))
            return
        async with database.transaction() as tx:
            await tx.connection.execute("select")

    refused = await asyncio.gather(ask(), ask(), return_exceptions=True)
    relay.passing.set()
    await ask()
    await database.close()

    assert [(type(error), str(error)) for error in refused] == [
        (DatabaseUnavailable, "PostgreSQL can't be reached: no answer within 0.3 s")
    ] * 2


async def test_a_common_clock_is_set_by_the_database_and_not_by_a_replica(database_url: str) -> None:
    hour = dt.timedelta(hours=1)

    class Ahead(CommonClock):
        def machine(self) -> dt.datetime:
            return SystemClock().now() + hour

    clock = Ahead()
    replica = await Database.open(database_url, clock=clock, connections=1, tells_time=False)
    async with replica.transaction() as tx:
        asked_a_replica = tx.now - SystemClock().now()
    database = await Database.open(database_url, clock=clock, connections=1)
    async with database.transaction() as tx:
        asked = tx.now - SystemClock().now()
    await replica.close()
    await database.close()

    assert abs(asked_a_replica - hour) < hour / 2
    assert abs(asked) < hour / 2


async def test_who_has_much_to_work_out_may_take_a_minute_for_it(database: Database) -> None:
    async def patience() -> str:
        return str(await tx.connection.fetchval("show idle_in_transaction_session_timeout"))

    async with database.transaction() as tx:
        before = await patience()
        async with tx.unhurried():
            meanwhile = await patience()
        after = await patience()

    assert (before, meanwhile, after) == ("5s", "1min", "5s")


async def test_the_end_of_a_connection_does_not_hide_what_went_wrong_before_it(database: Database) -> None:
    async def go_wrong() -> None:
        async with database.transaction() as tx:
            try:
                await tx.connection.execute("select pg_terminate_backend(pg_backend_pid())")
            finally:
                raise InvalidInput("that was no entity")

    with pytest.raises(InvalidInput, match="that was no entity"):
        await go_wrong()

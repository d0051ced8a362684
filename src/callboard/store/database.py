"""The database: a pool of connections, transactions that carry their time, and wake-ups.

Every transaction that writes is READ COMMITTED. Rows are locked in the order of their refs and the stream's counter row
last (docs/explanation/consistency.md), so deadlocks should not happen; those that PostgreSQL still reports are retried.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog

from callboard.clock import Clock
from callboard.errors import DatabaseUnavailable, InvalidInput
from callboard.store.queries import Query

_log = structlog.get_logger(__name__)

T = TypeVar("T")

_RETRIES = 10
_STATEMENTS = 500
"""More than there are."""
_LONGEST_PAUSE = 1.0
_CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    # What asyncpg says when the server has said goodbye, and the connection has not ended yet.
    asyncpg.InternalClientError,
    OSError,
)
_WORTH_A_RETRY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)
# A character that no text can have, a name that no index can hold.
_CANT_BE_STORED = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)

SETTINGS = {
    # A frozen holder of the counter row would stop all writers.
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "10s",
    "jit": "off",
    # Batches look up hundreds of keys, all in memory or on flash; the default would rather read whole tables.
    "random_page_cost": "1.1",
}


if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs alone.
    _AsyncpgConnection = asyncpg.Connection[asyncpg.Record]
else:
    _AsyncpgConnection = asyncpg.Connection


class _Connection(_AsyncpgConnection):
    """A connection that is not reset on release: nothing here leaves session state behind, and it halves a read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[str] = set()

    def get_reset_query(self) -> str:
        return ""


class Overtaken(Exception):
    """What a transaction had looked at was changed before its locks were there. `Database.run` begins it again.

    Asking for more locks instead would be out of order, and with that a deadlock.
    """


class _RolledBack(Exception):
    """Carries the result of work that is not to be kept out of its transaction."""

    def __init__(self, result: Any) -> None:
        self.result = result


@dataclass(slots=True)
class Transaction:
    """An open transaction. *now* is the time of its begin, for every row that it writes."""

    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
    now: dt.datetime

    async def rows(self, query: Query, **values: object) -> list[asyncpg.Record]:
        """Run the query and return all rows."""
        return await self.connection.fetch(query.text, *query.arguments(values))

    async def row(self, query: Query, **values: object) -> asyncpg.Record | None:
        """Run the query and return its first row."""
        return await self.connection.fetchrow(query.text, *query.arguments(values))

    async def run(self, query: Query, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        status = await self.connection.execute(query.text, *query.arguments(values))
        return int(status.rsplit(" ", 1)[-1]) if status[-1:].isdigit() else 0

    async def prepare(self, query: Query, **nothing: object) -> None:
        """Let the connection know the statement, by running it with values for which it does nothing.

        Preparing one leaves a session in the middle of it, where no timeout of PostgreSQL ends it if the process
        freezes. So nothing may be prepared while others wait for what is held.
        """
        prepared: set[str] = getattr(self.connection, "prepared", set())
        if query.text not in prepared:
            await self.rows(query, **nothing)
            prepared.add(query.text)

    async def refs(self, query: Query, **values: object) -> list[str]:
        """Run a query whose first column is a ref, and return these."""
        return [row[0] for row in await self.rows(query, **values)]


class Database:
    """A PostgreSQL database and the pool of connections to it."""

    def __init__(self, url: str, pool: "asyncpg.Pool[asyncpg.Record]", clock: Clock) -> None:
        self.url = url
        self._pool = pool
        self._clock = clock

    @classmethod
    async def open(cls, url: str, *, clock: Clock, connections: int = 8, name: str = "callboard") -> "Database":
        """Connect to *url*. Raises DatabaseUnavailable when that fails."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections,
                connection_class=_Connection,
                server_settings={**SETTINGS, "application_name": name},
                command_timeout=120,
                # What a connection has prepared it knows for good.
                statement_cache_size=_STATEMENTS,
                max_cached_statement_lifetime=0,
            )
        except (*_CONNECTION_LOST, asyncpg.PostgresError, ValueError) as error:
            raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error
        return cls(url, pool, clock)

    async def close(self) -> None:
        """Close all connections, waiting a little for what still runs."""
        try:
            async with asyncio.timeout(3):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end of the block, rolled back when it raises.

        With *snapshot* it is read-only and sees one state of the database throughout. Raises InvalidInput for a value
        that PostgreSQL can't hold.
        """
        try:
            async with (
                self._pool.acquire() as connection,
                connection.transaction(
                    isolation="repeatable_read" if snapshot else "read_committed", readonly=snapshot
                ),
            ):
                yield Transaction(connection, self._clock.now())
        except _CANT_BE_STORED as error:
            raise InvalidInput(f"PostgreSQL can't store this: {error}") from error
        except _CONNECTION_LOST as error:
            raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do *work* in a transaction and return its result; once more when PostgreSQL, or an Overtaken, asks for that.

        *work* may run several times, so it must touch nothing but the transaction.
        """
        for attempt in range(1, _RETRIES + 1):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except Overtaken as overtaken:
                _log.info("transaction.overtaken", attempt=attempt, reason=str(overtaken))
            except _WORTH_A_RETRY as error:
                _log.warning("transaction.retried", attempt=attempt, reason=str(error))
                await self._clock.sleep(min(_LONGEST_PAUSE, 0.02 * 2**attempt))
        raise DatabaseUnavailable(f"a transaction came to no end in {_RETRIES} attempts")

    async def try_out(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """The result of *work*, as `run` would have it; whatever it writes is rolled back."""

        async def attempt(tx: Transaction) -> T:
            raise _RolledBack(await work(tx))

        try:
            return await self.run(attempt)
        except _RolledBack as rolled_back:
            result: T = rolled_back.result
            return result

    async def listen(
        self, channels: Sequence[str], wake: Callable[[str], None], lost: Callable[[], None]
    ) -> "Listener":
        """Call *wake* with the channel's name at every notification, on a connection of its own.

        *lost* is called when that connection ends; the caller polls meanwhile and listens anew.
        """
        try:
            connection = await asyncpg.connect(self.url, server_settings={"application_name": "callboard-listener"})
            for channel in channels:
                await connection.add_listener(channel, lambda _c, _pid, name, _payload: wake(name))
        except (*_CONNECTION_LOST, asyncpg.PostgresError) as error:
            raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error
        connection.add_termination_listener(lambda _c: lost())
        return Listener(connection)


@dataclass(slots=True)
class Listener:
    """A connection that listens."""

    connection: "asyncpg.Connection[asyncpg.Record]"

    async def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(*_CONNECTION_LOST, TimeoutError):
            await self.connection.close(timeout=1)

"""The database: transactions that carry their time, and somebody who listens.

Every transaction that writes is READ COMMITTED. Rows are locked in the order of their refs and the stream's counter row
last (docs/explanation/consistency.md), so deadlocks should not happen; those that PostgreSQL still reports are retried.
"""

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
import structlog

from callboard.clock import Clock, CommonClock
from callboard.errors import DatabaseUnavailable, InvalidInput
from callboard.settings import Pooler
from callboard.store.pools import SETTINGS, Opened, open_pool
from callboard.store.queries import Query

_log = structlog.get_logger(__name__)

T = TypeVar("T")

_RETRIES = 10
_LONGEST_PAUSE = 1.0
_CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    # What asyncpg says when the server has said goodbye, and the connection has not ended yet.
    asyncpg.InternalClientError,
    OSError,
)
_CANT_NOW = (
    # No room on its disk or in its memory, no connection left.
    asyncpg.InsufficientResourcesError,
    # A replica that has not become the primary yet.
    asyncpg.ReadOnlySQLTransactionError,
)
CUT_SHORT = (asyncpg.SerializationError, asyncpg.QueryCanceledError)
"""What happens to a query on a replica that is in the way of what the replica has to follow."""

_WORTH_A_RETRY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)
# A character that no text can have, a name that no index can hold.
_CANT_BE_STORED = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)


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
    pooled: bool = False
    """Whether the connection is a pooler's, which keeps nothing for the next transaction."""
    _own: "dict[str, asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]]" = field(default_factory=dict)
    """What was prepared for this transaction alone."""

    async def rows(self, query: Query, **values: object) -> list[asyncpg.Record]:
        """Run the query and return all rows."""
        arguments = query.arguments(values)
        if (own := self._own.get(query.text)) is not None:
            return await own.fetch(*arguments)
        return await self.connection.fetch(query.text, *arguments)

    async def row(self, query: Query, **values: object) -> asyncpg.Record | None:
        """Run the query and return its first row."""
        if query.text in self._own:
            return next(iter(await self.rows(query, **values)), None)
        return await self.connection.fetchrow(query.text, *query.arguments(values))

    async def run(self, query: Query, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        if (own := self._own.get(query.text)) is not None:
            await own.fetch(*query.arguments(values))
            status = own.get_statusmsg() or ""
        else:
            status = await self.connection.execute(query.text, *query.arguments(values))
        return int(status.rsplit(" ", 1)[-1]) if status[-1:].isdigit() else 0

    async def prepare(self, query: Query, **nothing: object) -> None:
        """Let the connection know the statement, by running it with values for which it does nothing.

        Preparing one leaves a session in the middle of it, where no timeout of PostgreSQL ends it if the process
        freezes. So nothing may be prepared while others wait for what is held. A pooler's connection knows it until
        the end of the transaction.
        """
        prepared: set[str] = getattr(self.connection, "prepared", set())
        if query.text in self._own or query.text in prepared:
            return
        # Its locks go with the savepoint: a session that has a lock on a table already does not look whether
        # somebody has given it another partition meanwhile.
        await self.connection.execute("savepoint preparing")
        if self.pooled:
            self._own[query.text] = await self.connection.prepare(query.text, name=f"callboard_{uuid.uuid4().hex}")
        else:
            await self.rows(query, **nothing)
            prepared.add(query.text)
        await self.connection.execute("rollback to savepoint preparing")

    @property
    def keeps_something(self) -> bool:
        """Whether there is something that `forget` must see to, also after a failure."""
        return bool(self._own)

    async def forget(self) -> None:
        """Leave nothing behind in a pooler's connection. The transaction must be in order."""
        if self._own:
            self._own.clear()
            # The driver closes what nobody holds any more when it prepares something else.
            await self.connection.fetch("select")

    @contextlib.asynccontextmanager
    async def unhurried(self) -> AsyncIterator[None]:
        """A block in which a minute may pass between two statements before PostgreSQL ends the session.

        For who has much to work out in between, and not while the counter row is held: all publishers wait for that.
        """
        idle = "set local idle_in_transaction_session_timeout = '{}'"
        await self.connection.execute(idle.format("60s"))
        yield
        await self.connection.execute(idle.format(SETTINGS["idle_in_transaction_session_timeout"]))

    async def walk(self, query: Query) -> AsyncIterator[asyncpg.Record]:
        """Run a query without values and go through its rows, of which a thousand at a time are in memory."""
        await self.connection.execute(f"declare walk no scroll cursor for {query.text}")
        while found := await self.connection.fetch("fetch 1000 from walk"):
            for row in found:
                yield row
        await self.connection.execute("close walk")

    async def refs(self, query: Query, **values: object) -> list[str]:
        """Run a query whose first column is a ref, and return these."""
        return [row[0] for row in await self.rows(query, **values)]


class Database:
    """A PostgreSQL database and the pool of connections to it."""

    def __init__(
        self, url: str, opened: Opened, clock: Clock, direct: str | None = None, *, patience: float, tells_time: bool
    ) -> None:
        self.url = url
        self._pool = opened.pool
        self._opened = opened
        self._clock = clock
        self._patience = patience
        self._common = clock if tells_time and isinstance(clock, CommonClock) else None
        self._listen_at = direct or (None if opened.pooled else url)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        connections: int = 8,
        name: str = "callboard",
        pooler: Pooler = Pooler.AUTO,
        direct: str | None = None,
        patience: float = 120.0,
        tells_time: bool = True,
    ) -> "Database":
        """Connect to *url*, where an answer may take *patience* seconds.

        *direct* is another way to the same database, past a pooler, for whoever listens. With
        *tells_time* a CommonClock is set by this database.

        Raises DatabaseUnavailable when that fails.
        """
        try:
            opened = await open_pool(url, pooler=pooler, connections=connections, name=name, patience=patience)
        except (*_CONNECTION_LOST, asyncpg.PostgresError, ValueError) as error:
            raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error
        return cls(url, opened, clock, direct, patience=patience, tells_time=tells_time)

    @property
    def pooled(self) -> bool:
        """Whether a transaction pooler stands between here and PostgreSQL."""
        return self._opened.pooled

    @property
    def passes_notifications_on(self) -> bool:
        """Whether there is a way to listen."""
        return self._listen_at is not None

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
        async with self._connection() as connection, self._begun(connection, snapshot=snapshot) as tx:
            yield tx

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
        try:
            async with self._pool.acquire(timeout=self._patience) as connection:
                try:
                    yield connection
                except TimeoutError:
                    # To ask for anything more on this connection, or to cancel, could take as long again.
                    connection.terminate()
                    raise
        except _CANT_BE_STORED as error:
            raise InvalidInput(f"PostgreSQL can't store this: {error}") from error
        except _CANT_NOW as error:
            raise DatabaseUnavailable(f"PostgreSQL can't do this now: {error}") from error
        except _CONNECTION_LOST as error:
            reason = str(error) or f"no answer within {self._patience:g} s"
            raise DatabaseUnavailable(f"PostgreSQL can't be reached: {reason}") from error

    @contextlib.asynccontextmanager
    async def _begun(
        self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", *, snapshot: bool
    ) -> AsyncIterator[Transaction]:
        begin = self._opened.begin(snapshot=snapshot)
        await connection.execute(begin)
        tx = Transaction(connection, self._clock.now(), self.pooled)
        try:
            if self._common is not None and self._common.is_due():
                tx.now = await _told(connection, self._common)
            yield tx
            await tx.forget()
        except TimeoutError:
            # The end of the connection ends this as well.
            raise
        except BaseException:
            # That a connection is lost, too, says less than what came before it.
            with contextlib.suppress(*_CONNECTION_LOST):
                await connection.execute("rollback")
                if tx.keeps_something:
                    await connection.execute(begin)
                    await tx.forget()
                    await connection.execute("rollback")
            raise
        await connection.execute("commit")

    async def ask(self, query: Query, **values: object) -> list[asyncpg.Record]:
        """The rows of a statement that only reads, which sees one state of the database.

        In one round trip instead of four, where that is possible. Raises as `transaction` does.
        """
        if self.pooled or (self._common is not None and self._common.is_due()):
            async with self.transaction(snapshot=True) as tx:
                return await tx.rows(query, **values)
        async with self._connection() as connection:
            return await connection.fetch(query.text, *query.arguments(values))

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

    async def vacuum(self, table: str) -> None:
        """Let PostgreSQL tidy and analyse *table*, in no transaction and without ever making anybody wait.

        Who finds somebody else at it goes on without.
        """
        async with self._connection() as connection:
            await connection.execute(f'vacuum (skip_locked, analyze, truncate false) "{table}"')

    async def listen(
        self, channels: Sequence[str], wake: Callable[[str], None], lost: Callable[[], None]
    ) -> "Listener":
        """Call *wake* with the channel's name at every notification, on a connection of its own.

        *lost* is called when that connection ends; the caller polls meanwhile and listens anew.
        """
        assert self._listen_at is not None, "a transaction pooler passes no notifications on"
        try:
            connection = await asyncpg.connect(
                self._listen_at, server_settings={"application_name": "callboard-listener"}
            )
            for channel in channels:
                await connection.add_listener(channel, lambda _c, _pid, name, _payload: wake(name))
        except (*_CONNECTION_LOST, asyncpg.PostgresError) as error:
            raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error
        connection.add_termination_listener(lambda _c: lost())
        return Listener(connection)


async def _told(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", clock: CommonClock) -> dt.datetime:
    asked = clock.monotonic()
    told = await connection.fetchval("select clock_timestamp()")
    clock.set(told, asked=asked, answered=clock.monotonic())
    return clock.now()


@dataclass(slots=True)
class Listener:
    """A connection that listens."""

    connection: "asyncpg.Connection[asyncpg.Record]"

    async def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(*_CONNECTION_LOST, TimeoutError):
            await self.connection.close(timeout=1)

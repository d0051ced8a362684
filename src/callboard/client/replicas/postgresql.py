"""A copy in PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import asyncpg

from callboard.client.replicas.batches import Applied, Batch, entity_text, without_nul
from callboard.client.replicas.positions import Stored
from callboard.client.replicas.tables import Layout, RowOf, position_values, stored_in
from callboard.errors import DatabaseUnavailable, InvalidInput, LeaseLost
from callboard.model import json

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs alone.
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a database says that no other attempt cures, as it is."""

_PASSING = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    # What was the primary a moment ago.
    asyncpg.ReadOnlySQLTransactionError,
)

_SETTINGS = {
    # A consumer that is frozen in a transaction must not keep the others from taking over.
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "30s",
    "application_name": "callboard replica",
}

# Two consumers that make the tables at one moment would clash.
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('callboard_positions'))"

_COLUMNS = "select attname from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped"


class PostgreSQLStore:
    """A table in a PostgreSQL database, and beside it `callboard_positions`; for `AsyncReplica`.

    The table has the columns `ref`, `uid`, `last_offset`, `generation`, and `kind`, `namespace`, `name`, `entity`
    (jsonb); or instead of these four the *columns*, names and types, with what *row* gives for an entity. *also* is
    awaited in each transaction, with the connection and what the transaction has done, for tables of your own.
    """

    def __init__(
        self,
        url: str,
        *,
        table: str = "entities",
        columns: Mapping[str, str] | None = None,
        row: RowOf | None = None,
        also: "Callable[[_Connection, Applied], Awaitable[None]] | None" = None,
    ) -> None:
        self._url = url
        self._layout = Layout(
            table=table,
            columns=columns or {},
            row=row,
            json_type="jsonb",
            among="(select jsonb_array_elements_text($1::text::jsonb))",
            text_of=lambda event: without_nul(entity_text(event)),
        )
        self._also = also
        self._opened: _Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def load(self) -> Stored:
        """What there is."""
        async with self._transaction() as tx:
            row = await tx.fetchrow(self._layout.load, self._layout.table)
            assert row is not None
            return stored_in(row)

    async def take_over(self, seen: Stored, held_for: float) -> bool:
        """Make it ours, under the token after that of *seen*. False if there was a sign of life since then."""
        async with self._transaction() as tx:
            return _rows(await tx.execute(self._layout.take_over, self._layout.table, *seen.sign, held_for)) == 1

    async def beat(self, token: int) -> None:
        """Give a sign of life. Raises LeaseLost."""
        async with self._transaction() as tx:
            self._must_be_ours(await tx.execute(self._layout.beat, self._layout.table, token))

    async def release(self, token: int) -> None:
        """Let the next one take over at once, if it is still ours."""
        if self._opened is None:
            # Closed, or lost.
            return
        async with self._transaction() as tx:
            await tx.execute(self._layout.release, self._layout.table, token)

    async def apply(self, token: int, batch: Batch) -> Applied:
        """Store a batch and its position. Raises LeaseLost, and stores nothing, unless it is ours under *token*."""
        layout, position = self._layout, batch.position
        async with self._transaction() as tx:
            self._must_be_ours(await tx.execute(layout.move, layout.table, token, *position_values(position)))
            known = {row["ref"]: row["uid"] for row in await tx.fetch(layout.uids, _texts(batch.refs))}
            plan, rows = layout.rows(batch, known)
            await tx.execute(layout.drop, _texts(plan.dropped))
            await tx.executemany(layout.put, rows)
            swept = await self._swept(tx, position.generation) if batch.sweep else []
            applied = Applied(put=plan.put, removed=[*plan.dropped, *swept], events=batch.events, position=position)
            if self._also is not None:
                await self._also(tx, applied)
        return applied

    async def _swept(self, tx: "_Connection", generation: int) -> Sequence[str]:
        stale = [row["ref"] for row in await tx.fetch(self._layout.stale, generation)]
        await tx.execute(self._layout.sweep, generation)
        return stale

    def _must_be_ours(self, told: str) -> None:
        if _rows(told) != 1:
            raise LeaseLost(f"another consumer has taken over the table {self._layout.table}")

    @contextlib.asynccontextmanager
    async def _transaction(self) -> "AsyncIterator[_Connection]":
        """All of it happens, or nothing."""
        connection = None
        try:
            connection = self._opened or await self._open()
            async with connection.transaction():
                yield connection
        except _PASSING as error:
            self._drop(connection)
            raise DatabaseUnavailable(f"the database of the copy can't be used: {error}") from error
        except asyncpg.InterfaceError as error:
            if connection is None or not connection.is_closed():
                raise
            self._drop(connection)
            raise DatabaseUnavailable(f"the database of the copy can't be used: {error}") from error

    def _drop(self, connection: "_Connection | None") -> None:
        """The next transaction gets a connection of its own."""
        self._opened = None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    async def _open(self) -> "_Connection":
        connection = await self._connect()
        try:
            async with connection.transaction():
                await self._prepare(connection)
        except BaseException:
            connection.terminate()
            raise
        self._opened = connection
        return connection

    async def _connect(self) -> "_Connection":
        try:
            return await asyncpg.connect(self._url, server_settings=_SETTINGS, timeout=30)
        except (ValueError, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise InvalidInput(f"PostgreSQL can't be used for the copy: {error}") from error

    async def _prepare(self, tx: "_Connection") -> None:
        await tx.execute(_ONE_AT_A_TIME)
        there = {row["attname"] for row in await tx.fetch(_COLUMNS, self._layout.quoted)}
        if there:
            self._layout.check(there)
        else:
            await tx.execute(self._layout.create)
        await tx.execute(self._layout.create_positions)
        await tx.execute(self._layout.add_position, self._layout.table)
        if not there:
            # A position without what it stands for.
            await tx.execute(self._layout.forget_position, self._layout.table)


def _texts(refs: Sequence[str]) -> str:
    return json.encode(refs).decode()


def _rows(told: str) -> int:
    """How many rows a statement has changed."""
    return int(told.rpartition(" ")[2])

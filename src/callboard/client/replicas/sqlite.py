"""A copy in SQLite."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from callboard.client.replicas.batches import Applied, Batch
from callboard.client.replicas.positions import Stored
from callboard.client.replicas.tables import Layout, RowOf, position_values, stored_in
from callboard.errors import LeaseLost, Unavailable
from callboard.model import json

_PATIENCE = 30.0


class SQLiteStore:
    """A table in an SQLite file, and beside it `callboard_positions`. Others can read the file at any time.

    The table has the columns `ref`, `uid`, `last_offset`, `generation`, and `kind`, `namespace`, `name`, `entity`
    (JSON); or instead of these four the *columns*, names and types, with what *row* gives for an entity. *also* is
    called in each transaction, with the connection and what the transaction has done, for tables of your own.
    *patience* is for how many seconds others that write to the file are waited for.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        table: str = "entities",
        columns: Mapping[str, str] | None = None,
        row: RowOf | None = None,
        also: Callable[[sqlite3.Connection, Applied], None] | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._file = file
        self._patience = patience
        self._layout = Layout(
            table=table,
            columns=columns or {},
            row=row,
            json_type="text",
            among="(select value from json_each($1))",
        )
        self._also = also
        self._opened: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def load(self) -> Stored:
        """What there is."""
        with self._transaction() as tx:
            return stored_in(tx.execute(_own(self._layout.load), [self._layout.table]).fetchone())

    def take_over(self, seen: Stored, held_for: float) -> bool:
        """Make it ours, under the token after that of *seen*. False if there was a sign of life since then."""
        with self._transaction() as tx:
            taken = [self._layout.table, *seen.sign, held_for]
            return tx.execute(_own(self._layout.take_over), taken).rowcount == 1

    def beat(self, token: int) -> None:
        """Give a sign of life. Raises LeaseLost."""
        with self._transaction() as tx:
            self._must_be_ours(tx.execute(_own(self._layout.beat), [self._layout.table, token]))

    def release(self, token: int) -> None:
        """Let the next one take over at once, if it is still ours."""
        if self._opened is None:
            return
        with self._transaction() as tx:
            tx.execute(_own(self._layout.release), [self._layout.table, token])

    def apply(self, token: int, batch: Batch) -> Applied:
        """Store a batch and its position. Raises LeaseLost, and stores nothing, unless it is ours under *token*."""
        layout, position = self._layout, batch.position
        with self._transaction() as tx:
            self._must_be_ours(tx.execute(_own(layout.move), [layout.table, token, *position_values(position)]))
            known = dict(tx.execute(_own(layout.uids), [json.encode(batch.refs).decode()]).fetchall())
            plan, rows = layout.rows(batch, known)
            tx.execute(_own(layout.drop), [json.encode(plan.dropped).decode()])
            tx.executemany(_own(layout.put), rows)
            swept = self._swept(tx, position.generation) if batch.sweep else []
            applied = Applied(put=plan.put, removed=[*plan.dropped, *swept], events=batch.events, position=position)
            if self._also is not None:
                self._also(tx, applied)
        return applied

    def _swept(self, tx: sqlite3.Connection, generation: int) -> Sequence[str]:
        stale = [ref for (ref,) in tx.execute(_own(self._layout.stale), [generation])]
        tx.execute(_own(self._layout.sweep), [generation])
        return stale

    def _must_be_ours(self, changed: sqlite3.Cursor) -> None:
        if changed.rowcount != 1:
            raise LeaseLost(f"another consumer has taken over the table {self._layout.table} in {self._file}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it happens, or nothing."""
        try:
            connection = self._opened or self._open()
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            raise Unavailable(f"{self._file} is in use: {error}") from error

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            # Who reads is not kept waiting by who writes.
            connection.execute("pragma journal_mode = wal")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._opened = connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        # What a replica of the asynchronous client does comes from several threads, but one after the other.
        return sqlite3.connect(self._file, timeout=self._patience, isolation_level=None, check_same_thread=False)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("begin immediate")
        there = {name for (name,) in connection.execute("select name from pragma_table_info(?)", [self._layout.table])}
        if there:
            self._layout.check(there)
        connection.execute(_own(self._layout.create))
        connection.execute(_own(self._layout.create_positions))
        connection.execute(_own(self._layout.add_position), [self._layout.table])
        if not there:
            # A position without what it stands for.
            connection.execute(_own(self._layout.forget_position), [self._layout.table])
        connection.commit()


def _own(statement: str) -> str:
    """A statement with parameters as SQLite writes them."""
    return statement.replace("$", "?")


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether somebody else is at it, so that another attempt makes sense."""
    # The lower byte is the error, what is above says more of it.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

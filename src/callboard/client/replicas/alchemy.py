"""A copy in any database that SQLAlchemy knows; needs `callboard[sqlalchemy]`."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from callboard.client.replicas.batches import Applied, Batch, entity_text, without_nul
from callboard.client.replicas.positions import Position, Stored
from callboard.client.replicas.sqlite import is_busy
from callboard.client.replicas.tables import (
    BOOKKEEPING,
    LOADED,
    POSITION_COLUMNS,
    POSITIONS,
    Row,
    RowOf,
    checked,
    planned,
    position_values,
    stored_in,
    usual_row,
)
from callboard.client.results import Event
from callboard.errors import DatabaseUnavailable, InvalidInput, LeaseLost
from callboard.model import json

T = TypeVar("T")
P = ParamSpec("P")

_AT_A_TIME = 500
"""Refs in one statement; some databases take no more than a thousand parameters."""

_TEXT = sa.String(255)


def usual_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """The table of a copy for which nothing else was said."""
    return sa.Table(
        name,
        metadata,
        *bookkeeping(),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("namespace", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("entity", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    )


def bookkeeping() -> Sequence[sa.Column[Any]]:
    """The columns that every table of a copy has, for tables of your own."""
    return (
        sa.Column("ref", _TEXT, primary_key=True),
        sa.Column("uid", _TEXT, nullable=False),
        sa.Column("last_offset", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )


def positions_table(metadata: sa.MetaData) -> sa.Table:
    """The table of the positions."""
    return sa.Table(
        POSITIONS,
        metadata,
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("selection", _TEXT),
        sa.Column("generation", sa.BigInteger),
        sa.Column("last_offset", sa.BigInteger),
        sa.Column("epoch", _TEXT),
        sa.Column("began", sa.BigInteger),
        sa.Column("whole", sa.Boolean, nullable=False, default=False),
        sa.Column("caught_up", sa.Boolean, nullable=False, default=False),
        sa.Column("token", sa.BigInteger, nullable=False, default=0),
        sa.Column("beats", sa.BigInteger, nullable=False, default=0),
        sa.Column("held_for", sa.Float, nullable=False, default=0.0),
    )


class _Tables:
    """The work of both stores, on a connection in a transaction."""

    def __init__(
        self, table: str | sa.Table, row: RowOf | None, also: Callable[[sa.Connection, Applied], None] | None
    ) -> None:
        if isinstance(table, sa.Table) != (row is not None):
            raise InvalidInput("a table of your own and row belong together: row says what is in its columns")
        self._rows = usual_table(table, sa.MetaData()) if isinstance(table, str) else table
        self._row = row
        self._also = also
        self._positions = positions_table(sa.MetaData())
        self.name = self._rows.fullname
        self._own = [column.name for column in self._rows.columns if column.name not in BOOKKEEPING]
        if lacking := [name for name in BOOKKEEPING if name not in self._rows.columns]:
            raise InvalidInput(f"the table {self.name} has no column {lacking[0]}; add those of bookkeeping()")

    def prepare(self, tx: sa.Connection) -> None:
        """Both tables are there, and a row for the position."""
        there = sa.inspect(tx).has_table(self._rows.name, schema=self._rows.schema)
        self._rows.create(tx, checkfirst=True)
        self._positions.create(tx, checkfirst=True)
        if tx.execute(sa.select(self._positions.c.name).where(self._mine)).first() is None:
            tx.execute(sa.insert(self._positions).values(name=self.name))
        if not there:
            # A position without what it stands for.
            tx.execute(self._change.values(selection=None))

    def load(self, tx: sa.Connection) -> Stored:
        columns = [self._positions.c[name] for name in LOADED]
        return stored_in(tx.execute(sa.select(*columns).where(self._mine)).one())

    def take_over(self, tx: sa.Connection, seen: Stored, held_for: float) -> bool:
        columns = self._positions.c
        unchanged = self._change.where(columns.token == seen.token, columns.beats == seen.beats)
        return tx.execute(unchanged.values(token=seen.token + 1, beats=0, held_for=held_for)).rowcount == 1

    def beat(self, tx: sa.Connection, token: int) -> None:
        self._move(tx, token, {})

    def release(self, tx: sa.Connection, token: int) -> None:
        with contextlib.suppress(LeaseLost):
            self._move(tx, token, {"held_for": 0.0})

    def apply(self, tx: sa.Connection, token: int, batch: Batch) -> Applied:
        # First of all: it is the fence, and makes two consumers wait for one another.
        self._move(tx, token, dict(zip(POSITION_COLUMNS, position_values(batch.position), strict=True)))
        known = self._known(tx, batch.refs)
        plan, rows = planned(batch, known, lambda event: self._row_of(tx, event))
        for refs in _pieces(plan.dropped):
            tx.execute(sa.delete(self._rows).where(self._rows.c.ref.in_(refs)))
        there = known.keys() - set(plan.dropped)
        self._put(tx, [row for row in rows if row["ref"] in there], [row for row in rows if row["ref"] not in there])
        swept = self._swept(tx, batch.position) if batch.sweep else []
        applied = Applied(put=plan.put, removed=[*plan.dropped, *swept], events=batch.events, position=batch.position)
        if self._also is not None:
            self._also(tx, applied)
        return applied

    def _move(self, tx: sa.Connection, token: int, values: dict[str, object]) -> None:
        columns = self._positions.c
        moved = tx.execute(self._change.where(columns.token == token).values(beats=columns.beats + 1, **values))
        if moved.rowcount != 1:
            raise LeaseLost(f"another consumer has taken over the table {self.name}")

    def _known(self, tx: sa.Connection, refs: Sequence[str]) -> dict[str, str]:
        columns = self._rows.c
        known: dict[str, str] = {}
        for piece in _pieces(refs):
            found = tx.execute(sa.select(columns.ref, columns.uid).where(columns.ref.in_(piece)))
            known |= {row.ref: row.uid for row in found}
        return known

    def _row_of(self, tx: sa.Connection, event: Event) -> Row | None:
        assert event.entity is not None
        if self._row is None:
            text = entity_text(event)
            row: Row | None = usual_row(event, json.decode(without_nul(text) if _is_postgresql(tx) else text))
        else:
            row = self._row(event.entity)
        return None if row is None else checked(row, self._own, self.name)

    def _put(self, tx: sa.Connection, there: list[dict[str, object]], others: list[dict[str, object]]) -> None:
        # Not every database can do both in one statement.
        if there:
            names = [name for name in there[0] if name != "ref"]
            changed = sa.update(self._rows).where(self._rows.c.ref == sa.bindparam("its_ref"))
            values = {name: sa.bindparam(f"new_{name}", type_=self._rows.c[name].type) for name in names}
            tx.execute(
                changed.values(values),
                [{"its_ref": row["ref"], **{f"new_{name}": row[name] for name in names}} for row in there],
            )
        if others:
            tx.execute(sa.insert(self._rows), others)

    def _swept(self, tx: sa.Connection, position: Position) -> Sequence[str]:
        stale = self._rows.c.generation != position.generation
        refs = list(tx.execute(sa.select(self._rows.c.ref).where(stale)).scalars())
        tx.execute(sa.delete(self._rows).where(stale))
        return refs

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        return self._positions.c.name == self.name

    @property
    def _change(self) -> sa.Update:
        return sa.update(self._positions).where(self._mine)


class SQLAlchemyStore:
    """A table in the database of an *engine*, and beside it `callboard_positions`.

    The table is given by its name, and has the columns `ref`, `uid`, `last_offset`, `generation`, `kind`,
    `namespace`, `name`, `entity` (JSON) then; or it is one of your own with the columns of `bookkeeping`, and *row*
    gives the others for an entity. *also* is called in each transaction, with the connection and what the transaction
    has done, for more tables of your own.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        table: str | sa.Table = "entities",
        row: RowOf | None = None,
        also: Callable[[sa.Connection, Applied], None] | None = None,
    ) -> None:
        self._engine = engine
        self._tables = _Tables(table, row, also)
        self._prepared = False

    def load(self) -> Stored:
        """What there is."""
        return self._run(self._tables.load)

    def take_over(self, seen: Stored, held_for: float) -> bool:
        """Make it ours, under the token after that of *seen*. False if there was a sign of life since then."""
        return self._run(self._tables.take_over, seen, held_for)

    def beat(self, token: int) -> None:
        """Give a sign of life. Raises LeaseLost."""
        self._run(self._tables.beat, token)

    def release(self, token: int) -> None:
        """Let the next one take over at once, if it is still ours."""
        self._run(self._tables.release, token)

    def apply(self, token: int, batch: Batch) -> Applied:
        """Store a batch and its position. Raises LeaseLost, and stores nothing, unless it is ours under *token*."""
        return self._run(self._tables.apply, token, batch)

    def _run(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with _passing():
            if not self._prepared:
                self._prepare()
            with self._engine.begin() as tx:
                _bound(tx)
                return work(tx, *args, **kwargs)

    def _prepare(self) -> None:
        try:
            with self._engine.begin() as tx:
                self._tables.prepare(tx)
        except (ProgrammingError, OperationalError, IntegrityError):
            # Two consumers that make the tables at one moment: now they are there.
            with self._engine.begin() as tx:
                self._tables.prepare(tx)
        self._prepared = True


class AsyncSQLAlchemyStore:
    """The same for an asynchronous engine; *also* gets the synchronous face of the connection."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        table: str | sa.Table = "entities",
        row: RowOf | None = None,
        also: Callable[[sa.Connection, Applied], None] | None = None,
    ) -> None:
        self._engine = engine
        self._tables = _Tables(table, row, also)
        self._prepared = False

    async def load(self) -> Stored:
        """What there is."""
        return await self._run(self._tables.load)

    async def take_over(self, seen: Stored, held_for: float) -> bool:
        """Make it ours, under the token after that of *seen*. False if there was a sign of life since then."""
        return await self._run(self._tables.take_over, seen, held_for)

    async def beat(self, token: int) -> None:
        """Give a sign of life. Raises LeaseLost."""
        await self._run(self._tables.beat, token)

    async def release(self, token: int) -> None:
        """Let the next one take over at once, if it is still ours."""
        await self._run(self._tables.release, token)

    async def apply(self, token: int, batch: Batch) -> Applied:
        """Store a batch and its position. Raises LeaseLost, and stores nothing, unless it is ours under *token*."""
        return await self._run(self._tables.apply, token, batch)

    async def _run(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with _passing():
            if not self._prepared:
                await self._prepare()
            async with self._engine.begin() as tx:
                await tx.run_sync(_bound)
                return await tx.run_sync(work, *args, **kwargs)

    async def _prepare(self) -> None:
        try:
            async with self._engine.begin() as tx:
                await tx.run_sync(self._tables.prepare)
        except (ProgrammingError, OperationalError, IntegrityError):
            # Two consumers that make the tables at one moment: now they are there.
            async with self._engine.begin() as tx:
                await tx.run_sync(self._tables.prepare)
        self._prepared = True


def _bound(tx: sa.Connection) -> None:
    """A consumer that is frozen in a transaction must not keep the others from taking over."""
    if _is_postgresql(tx):
        tx.execute(sa.text("set local idle_in_transaction_session_timeout = '30s'"))


def _is_postgresql(tx: sa.Connection) -> bool:
    return tx.dialect.name == "postgresql"


@contextlib.contextmanager
def _passing() -> Iterator[None]:
    """What another attempt may cure is raised as DatabaseUnavailable."""
    try:
        yield
    except (OperationalError, InterfaceError, OSError) as error:
        cause = getattr(error, "orig", None)
        if isinstance(cause, sqlite3.OperationalError) and not is_busy(cause):
            raise
        raise DatabaseUnavailable(f"the database of the copy can't be used: {error}") from error


def _pieces(refs: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(refs), _AT_A_TIME):
        yield refs[start : start + _AT_A_TIME]

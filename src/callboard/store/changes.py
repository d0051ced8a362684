"""The stream, as it is read back: every change above the history floor, and below it each entity once.

Both reads are safe at any time without a lock, because offsets become visible in their order (see `publication`).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from callboard.model.changes import Change, ChangeType
from callboard.store import queries
from callboard.store.database import Database, Transaction

_SQL = queries.load("changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the stream stands."""

    head: int
    epoch: str
    """Changes when offsets of earlier times mean nothing any more, e.g. after a restore."""
    history_floor: int
    """All changes above it are there one by one."""
    tombstone_floor: int
    """All removals above it are still told."""


async def position(tx: Transaction) -> Position:
    """Where the stream stands now."""
    row = await tx.row(_SQL["position"])
    assert row is not None
    return Position(**row)


async def history(tx: Transaction, after: int, *, limit: int) -> list[Change]:
    """Up to *limit* changes with an offset greater than *after*, in order."""
    return [_change(row) for row in await tx.rows(_SQL["history"], after=after, limit=limit)]


async def compacted(tx: Transaction, after: int, *, until: int, limit: int) -> list[Change]:
    """Up to *limit* entities whose last change has an offset in (*after*, *until*], in the order of these offsets."""
    return [_change(row) for row in await tx.rows(_SQL["compacted"], after=after, until=until, limit=limit)]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All visible entities at one position."""

    position: Position
    rows: AsyncIterator[tuple[str, str, bytes]]
    """(uid, ref, body)"""


async def snapshot(tx: Transaction) -> Snapshot:
    """Everything that is visible, read row by row. *tx* must be a snapshot transaction and stay open meanwhile."""
    return Snapshot(await position(tx), _visible(tx))


async def _visible(tx: Transaction) -> AsyncIterator[tuple[str, str, bytes]]:
    async for row in tx.connection.cursor(_SQL["visible"].text, prefetch=1000):
        yield row["uid"], row["ref"], row["body"].encode()


async def now(database: Database) -> Position:
    """Where the stream stands, asked in a transaction of its own."""
    async with database.transaction() as tx:
        return await position(tx)


def _change(row: asyncpg.Record) -> Change:
    body = row["body"]
    return Change(
        offset=row["offset"],
        type=ChangeType(row["type"]),
        ref=row["ref"],
        uid=row["uid"],
        body=None if body is None else body.encode(),
        at=row["at"],
        cause=row["cause"],
    )

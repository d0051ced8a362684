"""The stream, as it is read back: every change above the history floor, and below it each entity once.

Both reads are safe at any time without a lock, because offsets become visible in their order (see `publication`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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


async def following(
    ask: Callable[..., Awaitable[list[asyncpg.Record]]], after: int, *, epoch: str, limit: int
) -> tuple[Position, list[Change]]:
    """Where the stream stands, and as `history` at that moment, if it is at this *epoch*.

    One statement, which is to *ask* in a transaction (`Transaction.rows`) or without one (`Database.ask`).
    """
    rows = await ask(_SQL["following"], after=after, epoch=epoch, limit=limit)
    first = rows[0]
    position = Position(**{name: first[name] for name in Position.__slots__})
    return position, [_change(row) for row in rows if row["offset"] is not None]


async def compacted(tx: Transaction, after: int, *, until: int, limit: int) -> list[Change]:
    """Up to *limit* entities whose last change has an offset in (*after*, *until*], in the order of these offsets."""
    return [_change(row) for row in await tx.rows(_SQL["compacted"], after=after, until=until, limit=limit)]


@dataclass(frozen=True, slots=True)
class Version:
    """An entity as it was."""

    uid: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was there of an entity before some offset."""

    versions: tuple[Version, ...] = ()
    """Newest first."""
    known: bool = True
    """False: there may have been others, which the history has forgotten."""


async def earlier(
    tx: Transaction, refs: Sequence[str], whole: Sequence[bool], *, until: int, since: int | None = None
) -> dict[str, Earlier]:
    """For each of *refs* the version at offset *until*, if there was one; all up to it where *whole* is true.

    None of them is older than what was there at *since*, which may be later than *until*.
    """
    found: dict[str, list[Version]] = {}
    known: dict[str, bool] = {}
    for row in (
        await tx.rows(_SQL["earlier"], refs=list(refs), whole=list(whole), until=until, since=since) if refs else ()
    ):
        versions = found.setdefault(row["ref"], [])
        known[row["ref"]] = row["known"]
        if row["body"] is not None:
            versions.append(Version(row["uid"], row["body"].encode()))
    return {ref: Earlier(tuple(versions), known[ref]) for ref, versions in found.items()}


async def versions(tx: Transaction, ref: str, *, before: int, limit: int) -> list[Change]:
    """Up to *limit* changes of one entity with an offset less than *before*, newest first."""
    return [_change(row) for row in await tx.rows(_SQL["versions"], ref=ref, before=before, limit=limit)]


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
    async for row in tx.walk(_SQL["visible"]):
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

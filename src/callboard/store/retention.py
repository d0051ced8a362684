"""Retention: what the stream forgets, and what it promises about the rest.

The floors say what is there: above the history floor every change, above the tombstone floor every removal. Versions go
in the transaction that raises their floor, tombstones in one that comes after it; so a crash can leave too much behind,
and never too little.

At or below the history floor each visible entity keeps its newest version. Without it nobody could tell, when the
entity changes next, whether a reader with a filter or with permissions has had it in sight.
"""

import datetime as dt
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("retention")


async def next_history_floor(tx: Transaction, *, older_than: dt.datetime, limit: int) -> int | None:
    """To which offset the history may be forgotten, at most *limit* changes at a time; None: not further."""
    row = await tx.row(_SQL["next_history_floor"], older_than=older_than, limit=limit)
    return row["floor"] if row else None


async def forget_versions(tx: Transaction, floor: int) -> int:
    """Raise the history floor to *floor*, and drop what is forgotten by that. Returns how many versions went.

    Only one transaction at a time may do this: hold the lease.
    """
    dropped = await tx.run(_SQL["drop_versions"], floor=floor)
    # Last, since it waits for the counter row, and holds it until the commit.
    await tx.run(_SQL["raise_history_floor"], floor=floor)
    return dropped


async def next_tombstone_floor(tx: Transaction, *, older_than: dt.datetime, limit: int) -> int | None:
    """To which offset tombstones may be forgotten, at most *limit* at a time; None: not further."""
    row = await tx.row(_SQL["next_tombstone_floor"], older_than=older_than, limit=limit)
    return row["floor"] if row else None


async def raise_tombstone_floor(tx: Transaction, floor: int) -> None:
    """Promise removals above *floor* only. The tombstones below may go in the next transaction.

    Not in this one: whoever publishes holds the counter row and may wait for a tombstone, so nobody may hold a
    tombstone and wait for the counter row.
    """
    await tx.run(_SQL["raise_tombstone_floor"], floor=floor)


async def drop_tombstones(tx: Transaction, *, limit: int) -> int:
    """Drop up to *limit* tombstones at or below the floor. Returns how many went."""
    return await tx.run(_SQL["drop_tombstones"], limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time that what is old was looked for, and forgotten."""

    started_at: dt.datetime
    ended_at: dt.datetime
    versions: int
    tombstones: int
    steps: int
    """Transactions that forgot something."""
    longest_ms: float
    """How long the longest of them took."""


async def write_down(tx: Transaction, run: Run) -> None:
    """Remember *run* as the last one."""
    await tx.run(
        _SQL["write_down"],
        started_at=run.started_at,
        ended_at=run.ended_at,
        versions=run.versions,
        tombstones=run.tombstones,
        steps=run.steps,
        longest_ms=run.longest_ms,
    )


async def last_run(tx: Transaction) -> Run | None:
    """The last run; None before the first one."""
    row = await tx.row(_SQL["last_run"])
    return Run(**row) if row else None

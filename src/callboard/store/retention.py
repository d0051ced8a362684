"""Retention: what the stream forgets, and what it promises about the rest.

The floors say what is there: above the history floor every change, above the tombstone floor every removal. What is
below the history floor is out of everybody's sight at once, and its room is given back when the whole partition that it
is in lies there. Tombstones go in a transaction that comes after the one that raised their floor; so a crash can leave
too much behind, and never too little.

Of each entity that was visible at the history floor the version stays that it had there. Without it nobody could tell,
when the entity changes next, whether a reader with a filter or with permissions has had it in sight.
"""

import datetime as dt
import enum
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("retention")


async def next_history_floor(tx: Transaction, *, older_than: dt.datetime, limit: int) -> int | None:
    """To which offset the history may be forgotten, at most *limit* changes at a time; None: not further."""
    row = await tx.row(_SQL["next_history_floor"], older_than=older_than, limit=limit)
    return row["floor"] if row else None


async def forget_versions(tx: Transaction, floor: int) -> int:
    """Raise the history floor to *floor*. Returns how many changes nobody is told one by one any more."""
    row = await tx.row(_SQL["raise_history_floor"], floor=floor)
    return int(row["versions"]) if row else 0


class Emptying(enum.Enum):
    """How far one step has come with a partition."""

    NOTHING_TO_DO = "nothing to do"
    """No partition lies wholly below the floor, or there is one that somebody reads; then it is for the next time."""
    KEPT = "kept"
    """A piece of it has been looked through for versions that are still wanted."""
    DROPPED = "dropped"


async def empty_partition(tx: Transaction, *, limit: int) -> Emptying:
    """Keep what is wanted of up to *limit* changes of the oldest partition below the floor, or drop it.

    Only one transaction at a time may do this: hold the lease.
    """
    row = await tx.row(_SQL["next_partition"])
    if row is None:
        return Emptying.NOTHING_TO_DO
    if row["kept_until"] < row["ends_at"]:
        after, upto = row["kept_until"], min(row["kept_until"] + limit, row["ends_at"])
        await tx.run(_SQL["by_index"])
        await tx.run(_SQL["keep_last_versions"], partition=row["starts_at"], after=after, upto=upto)
        await tx.run(_SQL["drop_removals"])
        return Emptying.KEPT
    await tx.run(_SQL["wait_briefly"])
    dropped = await tx.row(_SQL["drop_partition"], partition=row["starts_at"])
    return Emptying.DROPPED if dropped and dropped["dropped"] else Emptying.NOTHING_TO_DO


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
    """Changes over which the history floor was raised."""
    tombstones: int
    """Those that were dropped."""
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

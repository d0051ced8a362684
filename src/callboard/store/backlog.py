"""The backlog: what waits to be done, and who waits for whom, in numbers."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction
from callboard.store.schedule import Priority

_SQL = queries.load("backlog")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and for how many seconds the one that waits longest."""

    count: int = 0
    oldest: float = 0.0


async def due(tx: Transaction) -> Mapping[Priority, Waiting]:
    """The entities that are due for processing, for each priority."""
    rows = await tx.rows(_SQL["due"], now=tx.now)
    found = {row["priority"]: Waiting(row["entities"], row["oldest"]) for row in rows}
    return {priority: found.get(priority.value, Waiting()) for priority in Priority}


async def stitching(tx: Transaction) -> Waiting:
    """The entities that wait for stitching."""
    row = await tx.row(_SQL["stitching"], now=tx.now)
    assert row is not None
    return Waiting(row["entities"], row["oldest"] or 0.0)


async def relations(tx: Transaction) -> float:
    """About how many relations there are."""
    row = await tx.row(_SQL["relations"])
    assert row is not None
    return float(row["relations"])


async def locks(tx: Transaction) -> Waiting:
    """The sessions that wait for locks."""
    row = await tx.row(_SQL["waiting"])
    assert row is not None
    return Waiting(row["sessions"], row["longest"])


async def change_at(tx: Transaction, offset: int) -> dt.datetime | None:
    """When the change at *offset* was made; None when it is not there."""
    row = await tx.row(_SQL["change_at"], offset=offset)
    return row["at"] if row else None

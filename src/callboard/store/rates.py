"""Rates: how much happens in the stream, as its history tells."""

import datetime as dt
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("rates")


async def oldest(tx: Transaction) -> dt.datetime | None:
    """When the first change was made that is there above the history floor; None when none is."""
    row = await tx.row(_SQL["oldest"])
    return row["at"] if row else None


async def since(tx: Transaction, moment: dt.datetime) -> int:
    """How many changes have been made since then, as far as they are remembered. Looks at some twenty of them."""
    row = await tx.row(_SQL["since"], moment=moment)
    assert row is not None
    return int(row["changes"])


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows the history has, as PostgreSQL estimates it."""

    rows: int
    dead: int
    """What was deleted and has not been vacuumed yet."""


async def size(tx: Transaction) -> Size:
    """How large the history is."""
    row = await tx.row(_SQL["size"])
    return Size(row["rows"], row["dead"]) if row else Size(0, 0)

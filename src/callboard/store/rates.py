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
    """How much there is of the history."""

    changes: int
    """Above the floor."""
    bytes: int
    """On the disk, with what is kept of entities that have not changed since."""


async def size(tx: Transaction) -> Size:
    """How large the history is."""
    row = await tx.row(_SQL["size"])
    assert row is not None
    return Size(row["changes"], row["bytes"])

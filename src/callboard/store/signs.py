"""Signs that there may be something to do, for whoever is told of nothing."""

from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("signs")


@dataclass(frozen=True, slots=True)
class Signs:
    """What has changed since the last look has brought work with it, or will in a moment."""

    head: int
    """Moves with publications."""
    tickets: int
    """Moves with requests for processing and stitching."""


async def look(tx: Transaction) -> Signs:
    """The present ones."""
    row = await tx.row(_SQL["look"])
    assert row is not None
    return Signs(row["head"], row["tickets"])

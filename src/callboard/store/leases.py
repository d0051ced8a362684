"""Leases: jobs that one process does at a time."""

import datetime as dt

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("leases")


async def hold_for_transaction(tx: Transaction, name: str) -> None:
    """Wait until no other transaction holds *name*, and hold it until this one ends."""
    await tx.rows(_SQL["hold_for_transaction"], name=name)


async def take(tx: Transaction, name: str, owner: str, duration: dt.timedelta) -> bool:
    """Take or renew the lease. False while somebody else has it."""
    row = await tx.row(_SQL["take"], name=name, owner=owner, until=tx.now + duration, now=tx.now)
    return row is not None

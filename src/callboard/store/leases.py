"""Leases: jobs that one process does at a time."""

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("leases")


async def hold_for_transaction(tx: Transaction, name: str) -> None:
    """Wait until no other transaction holds *name*, and hold it until this one ends."""
    await tx.rows(_SQL["hold_for_transaction"], name=name)

"""Budgets: what credentials may still ask of the systems that entities are read from."""

from collections.abc import Collection, Mapping

from callboard.extend import Budget
from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("budgets")


async def share(tx: Transaction, told: Mapping[str, Budget]) -> None:
    """Let others know what systems have *told* of credentials."""
    names = sorted(told)
    await tx.run(
        _SQL["share"],
        credentials=names,
        most=[told[name].limit for name in names],
        remaining=[told[name].remaining for name in names],
        resets_at=[told[name].resets_at for name in names],
        blocked_until=[told[name].blocked_until for name in names],
    )


async def find(tx: Transaction, credentials: Collection[str]) -> dict[str, Budget]:
    """What is known of *credentials*; nothing of those that nobody has been told about."""
    rows = await tx.rows(_SQL["find"], credentials=list(credentials))
    return {
        row["credential"]: Budget(
            limit=row["most"],
            remaining=row["remaining"],
            resets_at=row["resets_at"],
            blocked_until=row["blocked_until"],
        )
        for row in rows
    }

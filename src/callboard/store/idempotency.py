"""Answers to requests that may be sent again, kept for a day (Idempotency-Key, an IETF draft of that name)."""

import datetime as dt
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("idempotency")

KEPT = dt.timedelta(days=1)
"""Longer than any client tries again."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request, by its fingerprint, and what was answered (JSON)."""

    request: bytes
    answer: str


async def find(tx: Transaction, provider: str, key: str) -> Answered | None:
    """What was answered under this key; call it under the provider's lock."""
    row = await tx.row(_SQL["find"], provider=provider, key=key, since=tx.now - KEPT)
    return Answered(row["request"], row["answer"]) if row else None


async def remove(tx: Transaction, provider: str) -> None:
    """Forget all that a provider was answered."""
    await tx.run(_SQL["remove"], provider=provider)


async def save(tx: Transaction, provider: str, key: str, answered: Answered) -> None:
    """Keep an answer, and drop some that are too old."""
    await tx.run(_SQL["save"], provider=provider, key=key, request=answered.request, answer=answered.answer, now=tx.now)
    await tx.run(_SQL["forget"], until=tx.now - KEPT)

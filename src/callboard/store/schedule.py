"""The schedule: which entities are due for processing, and who works on them."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from callboard.model.causes import CHANGED, Because, Reason
from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("schedule")
REMOVE = _SQL["remove"]

_NONE: Mapping[str, Reason] = MappingProxyType({})

CHANNEL = "callboard_schedule"
"""Notified when entities become due."""


class Outcome(enum.StrEnum):
    """What a run came to."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class Priority(enum.IntEnum):
    """Who goes first."""

    ASKED = 0
    CHANGED = 1
    PERIODIC = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An entity that a worker has claimed."""

    ref: str
    ticket: int
    lease: int
    attempts: int
    priority: Priority
    because: str | None
    """Why it was due."""
    by: str | None = None
    """Who asked for that, if somebody did."""
    content: str
    """Unprocessed, as JSON."""
    result_hash: bytes | None
    state: str | None
    source: str | None
    waited: float = 0.0
    """Seconds for which it had been due when it was claimed."""
    line: int | None = None
    """Where the content begins in the file that it was read from."""

    @property
    def reason(self) -> Reason:
        """What led to the run, and so leads to all that comes of it."""
        return Reason(self.because or Because.CHANGED, self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A piece of work that is done. *due_at* None means that nothing but a request makes the entity due again."""

    ref: str
    ticket: int
    due_at: dt.datetime | None
    attempts: int
    because: str | None
    outcome: Outcome


async def request(
    tx: Transaction,
    refs: Sequence[str],
    priority: Priority = Priority.CHANGED,
    *,
    reason: Reason = CHANGED,
    reasons: Mapping[str, Reason] = _NONE,
    due_at: dt.datetime | None = None,
) -> None:
    """Ask for these entities to be processed at *due_at* (default: now), and say why: *reason*, but for *reasons*."""
    if not refs:
        return
    each = [reasons.get(ref, reason) for ref in refs]
    await tx.rows(
        _SQL["request"],
        refs=list(refs),
        priority=priority.value,
        reasons=[why.because for why in each],
        askers=[why.by for why in each],
        due_at=due_at or tx.now,
    )


async def claim(tx: Transaction, *, batch: int, lease: dt.timedelta) -> list[Due]:
    """Take up to *batch* due entities, most urgent first. They are this worker's until the lease runs out."""
    rows = await tx.rows(_SQL["claim"], now=tx.now, until=tx.now + lease, batch=batch)
    return [
        Due(
            ref=row["ref"],
            ticket=row["ticket"],
            lease=row["lease"],
            attempts=row["attempts"],
            priority=Priority(row["priority"]),
            because=row["because"],
            by=row["asked_by"],
            content=row["content"],
            result_hash=row["result_hash"],
            state=row["state"],
            source=row["source"],
            waited=max(0.0, (tx.now - row["due_at"]).total_seconds()),
            line=row["line"],
        )
        for row in rows
    ]


async def holding(
    tx: Transaction, work: Sequence[tuple[str, int]], *, lock: bool = False
) -> dict[tuple[str, int], int]:
    """What of *work* (ref, lease) is still held, and the present ticket; with *lock* it is so until the end."""
    query = _SQL["lock_holding" if lock else "holding"]
    rows = await tx.rows(query, refs=[ref for ref, _ in work], leases=[lease for _, lease in work])
    return {(row["ref"], row["lease"]): row["ticket"] for row in rows}


async def extend(tx: Transaction, work: Sequence[tuple[str, int]], lease: dt.timedelta) -> None:
    """Hold *work* (ref, lease) longer: until *lease* from now."""
    await tx.run(
        _SQL["extend"],
        refs=[ref for ref, _ in work],
        leases=[number for _, number in work],
        until=tx.now + lease,
    )


async def release(tx: Transaction, work: Sequence[tuple[str, int]]) -> None:
    """Give *work* (ref, lease) back undone."""
    await tx.run(_SQL["release"], refs=[ref for ref, _ in work], leases=[lease for _, lease in work])


async def settle(tx: Transaction, work: Sequence[Settled]) -> None:
    """Finish *work*; what was asked for again meanwhile stays due."""
    await tx.run(
        _SQL["settle"],
        refs=[item.ref for item in work],
        tickets=[item.ticket for item in work],
        dues=[item.due_at for item in work],
        attempts=[item.attempts for item in work],
        reasons=[item.because for item in work],
        outcomes=[item.outcome for item in work],
        now=tx.now,
    )


async def drop(tx: Transaction, refs: Sequence[str]) -> None:
    """Forget that *refs* were due. What is being made of them now is not stored any more: its lease is gone."""
    await tx.run(REMOVE, refs=list(refs))


async def next_due(tx: Transaction) -> dt.datetime | None:
    """When the next entity becomes due; None when none will."""
    row = await tx.row(_SQL["next_due"])
    return row[0] if row else None

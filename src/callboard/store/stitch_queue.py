"""The stitch queue: which entities are to be assembled again."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from callboard.model.causes import CHANGED, Because, Reason
from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("stitch_queue")

CHANNEL = "callboard_stitch"
"""Notified when entities are marked."""

SOON = dt.timedelta(milliseconds=200)
"""How long a mark from somebody else's relation waits for more of its kind: a group whose thousand members arrive one
by one is stitched five times a second and not a thousand times."""

_NONE: Mapping[str, Reason] = MappingProxyType({})
_NOBODY: Mapping[str, str] = MappingProxyType({})

LATER = dt.timedelta(seconds=1)
"""The same while there is a backlog, when more of its kind are sure to come."""

_LARGE: Mapping[str, object] = MappingProxyType(
    {"small": 16_384, "a_byte": dt.timedelta(microseconds=10), "longest": dt.timedelta(seconds=5)}
)
"""What has grown beyond so many bytes waits longer for relations of others, by so much for each byte: for the sake of
its neighbours one entity is written at 100 kB a second, however many they are."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A claimed request to stitch one entity."""

    ref: str
    ticket: int
    lease: int
    waited: float = 0.0
    """Seconds for which it had been due when it was claimed."""


async def mark(
    tx: Transaction,
    refs: Sequence[str],
    *,
    reason: Reason = CHANGED,
    reasons: Mapping[str, Reason] = _NONE,
    neighbours: Mapping[str, str] = _NOBODY,
    delay: dt.timedelta = SOON,
) -> None:
    """Ask for *refs* to be stitched now, for a *reason*, but for *reasons*; and for *neighbours* after the *delay*.

    Each of the *neighbours* has got other relations, by an entity whose ref is given.
    """
    if not refs and not neighbours:
        return
    later = tx.now + delay
    texts = {why: str(why) for why in {reason, *reasons.values()}}
    related = {by: str(Reason(Because.RELATIONS, neighbour=by)) for by in set(neighbours.values())}
    await tx.rows(
        _SQL["mark"],
        refs=[*refs, *neighbours],
        dues=[tx.now for _ in refs] + [later for _ in neighbours],
        reasons=[texts[reasons.get(ref, reason)] for ref in refs] + [related[by] for by in neighbours.values()],
        now=tx.now,
        **_LARGE,
    )


async def claim(tx: Transaction, *, batch: int, lease: dt.timedelta) -> list[Ticket]:
    """Take up to *batch* requests, oldest first."""
    rows = await tx.rows(_SQL["claim"], now=tx.now, until=tx.now + lease, batch=batch)
    return [
        Ticket(row["ref"], row["ticket"], row["lease"], max(0.0, (tx.now - row["due_at"]).total_seconds()))
        for row in rows
    ]


async def lock_holding(tx: Transaction, tickets: Sequence[Ticket]) -> set[str]:
    """Lock the requests that are still held under their lease, and return their refs."""
    refs, leases = [ticket.ref for ticket in tickets], [ticket.lease for ticket in tickets]
    return set(await tx.refs(_SQL["lock_holding"], refs=refs, leases=leases))


async def settle(tx: Transaction, tickets: Sequence[Ticket]) -> None:
    """Drop finished requests; what was marked again meanwhile stays."""
    await tx.run(
        _SQL["settle"],
        refs=[ticket.ref for ticket in tickets],
        tickets=[ticket.ticket for ticket in tickets],
        leases=[ticket.lease for ticket in tickets],
        again_at=tx.now + SOON,
        **_LARGE,
    )


async def watermark(tx: Transaction) -> int:
    """A ticket at or above those of all requests that are committed now."""
    row = await tx.row(_SQL["watermark"])
    assert row is not None
    return int(row[0])


async def fulfilled(tx: Transaction, watermark: int) -> bool:
    """Whether all requests up to *watermark* have been stitched and published, however often they were repeated."""
    row = await tx.row(_SQL["fulfilled"], ticket=watermark)
    assert row is not None
    return bool(row[0])


async def next_due(tx: Transaction) -> dt.datetime | None:
    """When the next request becomes due; None when there is none."""
    row = await tx.row(_SQL["next_due"])
    return row[0] if row else None

"""Epochs: what offsets belong to, and when those of earlier times mean nothing any more.

An epoch belongs to one line of the database's life, one server and one timeline of it. On another line changes that
readers know may be missing, and their offsets would be given out again. So whoever takes the counter looks where the
database is, and begins another epoch in the same transaction: no offset is given out twice in one epoch.
"""

import datetime as dt
import enum
from dataclasses import dataclass

import structlog

from callboard.store import queries
from callboard.store.database import Transaction

_log = structlog.get_logger(__name__)
_SQL = queries.load("epochs")


class Because(enum.StrEnum):
    """Why an epoch has begun."""

    MADE = "made"
    """The database is new."""
    RESTORED = "restored"
    """It was restored on another server."""
    PROMOTED = "promoted"
    """A standby was promoted, or the server was restored to a point in time."""
    LOST = "lost"
    """A process has seen changes that are not there any more."""
    ASKED = "asked"
    """Somebody asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """An epoch of the stream."""

    epoch: str
    began_at: dt.datetime
    because: Because


async def current(tx: Transaction) -> Epoch:
    """The present epoch."""
    row = await tx.row(_SQL["current"])
    assert row is not None
    return Epoch(epoch=row["epoch"], began_at=row["began_at"], because=Because(row["because"]))


@dataclass(frozen=True, slots=True)
class Counter:
    """The counter row, in the hands of whoever has taken it."""

    head: int
    history_until: int
    """From this offset on the history has no partition yet."""
    epoch: str


async def hold_counter(tx: Transaction) -> Counter:
    """Take the counter row until the end of *tx*, and begin another epoch if the database is elsewhere by now."""
    row = await tx.row(_SQL["hold"])
    assert row is not None
    epoch = row["epoch"]
    if row["restored"] or row["promoted"]:
        epoch = (await begin(tx, Because.RESTORED if row["restored"] else Because.PROMOTED)).epoch
    return Counter(row["head"], row["history_until"], epoch)


async def elsewhere(tx: Transaction) -> bool:
    """Whether the database is on another line than the one that the epoch belongs to."""
    row = await tx.row(_SQL["elsewhere"])
    return bool(row and row["elsewhere"])


async def behind(tx: Transaction, *, seen: int, epoch: str) -> bool:
    """Whether the head is before an offset that was *seen* in this *epoch*."""
    row = await tx.row(_SQL["behind"], seen=seen, epoch=epoch)
    return bool(row and row["behind"])


async def begin_if_behind(tx: Transaction, *, seen: int, epoch: str) -> None:
    """Begin another epoch if changes are gone that were *seen* in *epoch*."""
    held = await hold_counter(tx)
    if held.epoch == epoch and held.head < seen:
        await begin(tx, Because.LOST)


async def begin(tx: Transaction, because: Because) -> Epoch:
    """Begin another epoch: positions of the present one are refused from the commit on."""
    row = await tx.row(_SQL["begin"], because=because, now=tx.now)
    assert row is not None
    _log.warning("stream.epoch_began", epoch=row["epoch"], because=str(because))
    return Epoch(epoch=row["epoch"], began_at=row["began_at"], because=because)

"""The feed: pages of the stream, for any reader at any offset."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.errors import OffsetExpired, OffsetInTheFuture
from callboard.model.changes import Change
from callboard.store import changes
from callboard.stream.following import Follower


class Mode(enum.StrEnum):
    """How the past is told."""

    LOG = "log"
    """Every change above the history floor; below it each entity once."""
    COMPACTED = "compacted"
    """Each entity once, at its last offset, whatever the age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A piece of the stream."""

    changes: Sequence[Change]
    head: int
    next_offset: int
    """Where to go on: it moves even when nothing is delivered."""
    epoch: str

    @property
    def caught_up(self) -> bool:
        """Whether the reader has everything up to the head."""
        return self.next_offset >= self.head


async def read(
    follower: Follower, *, offset: int, limit: int, wait: float, mode: Mode = Mode.LOG, epoch: str | None = None
) -> Page:
    """The changes after *offset*, at most *limit*; waits up to *wait* seconds for the first one.

    Raises OffsetExpired when the reader would miss removals, or reads another epoch, and OffsetInTheFuture.
    """
    view = follower.view
    _check_epoch(epoch, view.epoch)
    if offset > view.offset:
        # Another process, a moment ahead of this one, may have handed out the offset.
        head = (await changes.now(follower.database)).head
        if offset > head:
            raise OffsetInTheFuture(f"Offset {offset} is beyond the head of the stream, {head}")
        await follower.wait_beyond(offset - 1, wait)
    if offset == view.offset and wait > 0:
        await follower.wait_beyond(offset, wait)
        _check_epoch(epoch, view.epoch)
    recent = follower.recent(offset, limit) if mode is Mode.LOG and offset <= view.offset else None
    if recent is not None:
        next_offset = recent[-1].offset if recent else view.offset
        return Page(changes=recent, head=view.offset, next_offset=next_offset, epoch=view.epoch)
    return await _from_database(follower, offset, limit, mode, epoch)


def _check_epoch(asked: str | None, current: str) -> None:
    if asked is not None and asked != current:
        raise OffsetExpired(f"The stream has begun a new epoch, {current}; offsets of epoch {asked} mean nothing now")


async def _from_database(follower: Follower, offset: int, limit: int, mode: Mode, epoch: str | None) -> Page:
    async with follower.database.transaction(snapshot=True) as tx:
        position = await changes.position(tx)
        _check_epoch(epoch, position.epoch)
        if 0 < offset < position.tombstone_floor:
            raise OffsetExpired(
                f"Removals at or below offset {position.tombstone_floor} are forgotten, so going on from {offset}"
                " could miss some"
            )
        compact_until = position.head if mode is Mode.COMPACTED else position.history_floor
        found: list[Change] = []
        if offset < compact_until:
            found = await changes.compacted(tx, offset, until=compact_until, limit=limit)
        if len(found) < limit:
            after = max(offset, compact_until)
            found += await changes.history(tx, after, limit=limit - len(found))
    full = len(found) == limit
    return Page(
        changes=found,
        head=position.head,
        next_offset=found[-1].offset if full else position.head,
        epoch=position.epoch,
    )

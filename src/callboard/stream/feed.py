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
    if epoch is not None and epoch != view.epoch:
        raise OffsetExpired(
            f"The stream has begun a new epoch, {view.epoch}; offsets of epoch {epoch} mean nothing now"
        )
    if offset > view.offset and not await follower.wait_beyond(offset - 1, min(wait, 1.0)):
        raise OffsetInTheFuture(f"Offset {offset} is beyond the head of the stream, {view.offset}")
    if offset == follower.view.offset and wait > 0:
        await follower.wait_beyond(offset, wait)
    recent = follower.recent(offset, limit) if mode is Mode.LOG else None
    if recent is not None:
        head = follower.view.offset
        return Page(
            changes=recent, head=head, next_offset=recent[-1].offset if recent else head, epoch=follower.view.epoch
        )
    return await _from_database(follower, offset, limit, mode)


async def _from_database(follower: Follower, offset: int, limit: int, mode: Mode) -> Page:
    async with follower.database.transaction(snapshot=True) as tx:
        position = await changes.position(tx)
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

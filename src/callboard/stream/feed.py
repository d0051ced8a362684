"""The feed: pages of the stream, for any reader at any offset."""

import contextlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from callboard.errors import OffsetExpired, OffsetInTheFuture
from callboard.model.changes import Change
from callboard.model.predicates import Predicate
from callboard.store import changes
from callboard.store.changes import Position
from callboard.store.database import Transaction
from callboard.stream.following import Follower
from callboard.stream.pages import Mode, Page, Way
from callboard.stream.readers import Reader
from callboard.stream.sight import Sight, told_of_changes, told_of_steps

_PIECE = 500
"""Changes that are looked through at a time, so that others get their turn."""

_MOMENT = 1.0
"""Seconds that memory may take to be where the database is; it takes a few milliseconds."""

_LOOKED_THROUGH = 10_000
"""Changes after which an answer goes out with what was found in them, be it nothing."""

_EVERYTHING = Sight()


async def read(
    follower: Follower,
    *,
    offset: int,
    limit: int,
    wait: float,
    mode: Mode = Mode.LOG,
    epoch: str | None = None,
    began: int | None = None,
    predicate: Predicate | None = None,
    visible: Predicate | None = None,
    attending: Reader | None = None,
) -> Page:
    """The changes after *offset*, at most *limit*; waits up to *wait* seconds for the first one.

    *began* comes from the page before, if that had one (see Page). Without it the reader counts as one that has read
    everything up to *offset*, and is refused where the difference could matter.

    Only entities are told for which *predicate* holds, the reader's own filter, and *visible*, what the reader may see
    (see `sight`). Whoever is *attending* already is not counted once more.

    Raises OffsetExpired when the reader would miss removals, or reads another epoch, and OffsetInTheFuture.
    """
    view = follower.view
    _check_epoch(epoch, view.epoch)
    limited = predicate is not None or visible is not None
    sight = Sight(predicate, visible, view.shows(visible)) if limited else _EVERYTHING
    reading = _Reading(follower, limit, mode, epoch, sight)
    with follower.readers.attending(offset) if attending is None else contextlib.nullcontext(attending) as reader:
        until = follower.clock.monotonic() + wait
        if offset > view.offset:
            await _wait_for_this_process(follower, offset, wait)
        elif wait and offset < view.offset:
            await follower.turns.take()
        began = began if offset else None
        page = reading.recent(offset, began) or await reading.page(offset, began)
        while not page.changes and page.caught_up and (left := until - follower.clock.monotonic()) > 0:
            reader.offset, reader.waiting = page.next_offset, True
            moved = await reading.wait(reader, left)
            reader.waiting = False
            _check_epoch(page.epoch, view.epoch)
            if not moved:
                return replace(page, head=reader.offset, next_offset=reader.offset)
            page = reading.recent(reader.offset) or await reading.page(reader.offset)
        return page


def remembered(
    follower: Follower, *, offset: int, limit: int, epoch: str | None, sight: Sight = _EVERYTHING
) -> Page | None:
    """What `read` gives to a reader of the log without waiting; None where memory can't tell.

    Thousands may ask this at once.
    """
    view = follower.view
    if follower.position is None or offset > view.offset:
        return None
    if (meant := sight.seen) is None:
        page = follower.page(offset, limit)
    elif (steps := follower.steps(offset, limit)) is not None:
        told = told_of_steps(list(follower.digests.about(meant, steps)), sight, follower.parse) if steps else ()
        page = follower.page_of(steps, told)
    else:
        page = None
    if page is not None:
        _check_epoch(epoch, view.epoch)
    return page


async def stored(
    follower: Follower,
    *,
    offset: int,
    limit: int,
    mode: Mode,
    epoch: str,
    began: int | None,
    predicate: Predicate | None = None,
    visible: Predicate | None = None,
) -> Page:
    """As `read`, for a process whose follower has never loaded its view, and without waiting."""
    head = (await changes.now(follower.database)).head
    if offset > head:
        raise OffsetInTheFuture(f"Offset {offset} is beyond the head of the stream, {head}")
    reading = _Reading(follower, limit, mode, epoch, Sight(predicate, visible))
    return await reading.page(offset, began if offset else None)


def _check_epoch(asked: str | None, current: str) -> None:
    if asked is not None and asked != current:
        raise OffsetExpired(f"The stream has begun a new epoch, {current}; offsets of epoch {asked} mean nothing now")


async def _wait_for_this_process(follower: Follower, offset: int, wait: float) -> None:
    """Wait for *offset*, which another process, a moment ahead of this one, may have handed out.

    Raises OffsetInTheFuture if there is no such offset.
    """
    head = (await changes.now(follower.database)).head
    if offset > head:
        raise OffsetInTheFuture(f"Offset {offset} is beyond the head of the stream, {head}")
    await follower.wait_beyond(offset - 1, wait)


@dataclass(slots=True)
class _Reading:
    """A reader's request. There are ten thousand in a second, and a frozen one takes three times as long to make."""

    follower: Follower
    limit: int
    mode: Mode
    epoch: str | None
    sight: Sight

    def wait(self, reader: Reader, seconds: float) -> Awaitable[bool]:
        """Wait for something that may be in sight, and move *reader* on past what is not. False when there is none."""
        if (meant := self.sight.seen) is not None:
            return self.follower.wait_for(meant, reader, seconds)
        return self.follower.wait_beyond(reader.offset, seconds)

    def recent(self, offset: int, began: int | None = None) -> Page | None:
        """As `page`, for who sees everything, where memory has it: most answers, which need no coroutine for that."""
        return None if self.sight.limited else self._from_memory(offset, began, self.limit)

    async def page(self, offset: int, began: int | None = None) -> Page:
        """What comes after *offset* and is in sight, for whom `recent` has nothing."""
        if not self.sight.limited:
            return await self._from_database(offset, began, self.limit)
        page = await self._piece(offset, began, min(self.limit, _PIECE))
        looked_through = _PIECE
        while len(page.changes) < self.limit and not page.caught_up and looked_through < _LOOKED_THROUGH:
            await self.follower.clock.sleep(0)
            more = await self._piece(page.next_offset, page.began, _PIECE)
            _check_epoch(page.epoch, more.epoch)
            page = _joined(page, more, self.limit)
            looked_through += _PIECE
        return page

    async def _piece(self, offset: int, began: int | None, size: int) -> Page:
        recent = self._from_memory(offset, began, size)
        return await self._from_database(offset, began, size) if recent is None else recent

    def _from_memory(self, offset: int, began: int | None, size: int) -> Page | None:
        if not self._tells_each(offset) or (began is not None and self.sight.limited):
            return None
        return remembered(self.follower, offset=offset, limit=size, epoch=self.epoch, sight=self.sight)

    async def _from_database(self, offset: int, began: int | None, size: int) -> Page:
        async def work(tx: Transaction, position: Position) -> tuple[Position, int, list[Change], Sequence[Change]]:
            _check_epoch(self.epoch, position.epoch)
            self._check_floors(offset, began, position)
            compact_until = self._compact_until(offset, began, position)
            found = await _changes(tx, offset, compact_until=compact_until, limit=size)
            if not self.sight.limited:
                return position, compact_until, found, found
            passed_over = offset < compact_until or began is not None
            told = await told_of_changes(tx, found, self.sight, after=offset, compacted=passed_over, began=began)
            return position, compact_until, found, told

        # The others wait, instead of all connections being theirs.
        async with self.follower.behind:
            view = self.follower.view
            position, compact_until, found, told = await self.follower.read_from.read(
                work, epoch=view.epoch, needed=max(offset, began or 0, view.offset)
            )
        if offset < compact_until and self._tells_each(position.head):
            await self._let_memory_come(position.head)
        # Who reads from 0 holds nothing yet, so nothing that is obsolete by now.
        start = position.head if offset == 0 else offset if began is None else began
        is_long = offset < compact_until or began is not None
        return Page(
            changes=told,
            head=position.head,
            next_offset=found[-1].offset if len(found) == size else position.head,
            epoch=position.epoch,
            way=Way(start, compact_until, is_long=is_long and start < position.history_floor),
        )

    def _compact_until(self, offset: int, began: int | None, position: Position) -> int:
        """Up to where versions are passed over."""
        if not self._tells_each(offset):
            return position.head
        # On its way from 0 a reader holds nothing that was obsolete where it began, and so nothing before that.
        return max(position.history_floor, began or 0) if self.mode is Mode.COMPACTED else position.history_floor

    def _tells_each(self, offset: int) -> bool:
        """Whether a reader at *offset* is told each single change, as far as these are kept.

        Callers with conditions always are, but for a first load. So at each of its offsets such a reader holds what was
        there then, or less, whether or not it gives back `began`. If versions were passed over it could hold an older
        one; and once that is forgotten, nobody could tell it of the removal without telling others what they must not
        know.
        """
        return self.mode is Mode.LOG or (self.sight.permitted is not None and offset > 0)

    async def _let_memory_come(self, head: int) -> None:
        """Wait a moment until memory is where this page was read.

        What has changed up to there was passed over. A reader of the log may go on in memory, and would have caught up
        there without it.
        """
        if self.follower.position is not None:
            await self.follower.wait_beyond(head - 1, _MOMENT)

    def _check_floors(self, offset: int, began: int | None, position: Position) -> None:
        """Raises OffsetExpired if the reader could miss a removal, and OffsetInTheFuture."""
        if offset == 0:
            return
        if began is not None and began > position.head:
            raise OffsetInTheFuture(f"Offset {began} is beyond the head of the stream, {position.head}")
        if max(offset, began or 0) < position.tombstone_floor:
            raise OffsetExpired(
                f"Removals at or below offset {position.tombstone_floor} are forgotten, so going on from {offset}"
                " could miss some"
            )
        start = offset if began is None else began
        if self.sight.permitted is not None and start < position.history_floor:
            raise OffsetExpired(
                f"What was there below offset {position.history_floor} is not known any more, so nobody can say what"
                f" the caller was permitted to see at {start}"
            )


async def _changes(tx: Transaction, offset: int, *, compact_until: int, limit: int) -> list[Change]:
    found: list[Change] = []
    if offset < compact_until:
        found = await changes.compacted(tx, offset, until=compact_until, limit=limit)
    if len(found) < limit:
        found += await changes.history(tx, max(offset, compact_until), limit=limit - len(found))
    return found


def _joined(page: Page, more: Page, limit: int) -> Page:
    told = [*page.changes, *more.changes]
    next_offset = more.next_offset if len(told) <= limit else told[limit - 1].offset
    return replace(more, changes=told[:limit], next_offset=next_offset)

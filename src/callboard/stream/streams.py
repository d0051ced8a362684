"""Streams: what is told to a reader who stays, page after page."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from callboard.errors import OffsetExpired, OffsetInTheFuture, Unauthenticated, Unavailable
from callboard.model.predicates import Predicate
from callboard.stream import feed
from callboard.stream.audience import Ending
from callboard.stream.following import Follower
from callboard.stream.pages import Mode, Page
from callboard.stream.readers import Reader

_PAGE = 200
"""Changes that are told at a time: those who catch up hold them in memory while they are sent."""

_FRESH = 5.0
"""Seconds for which a permission counts. Nothing is told on an older one."""

_PAUSE = 1.0
"""Seconds after which it is tried again to read what could not be read."""


@dataclass(slots=True, kw_only=True)
class Stream:
    """The way of one reader through the stream: `begin`, and then `advance` until there is an `ending`."""

    follower: Follower
    offset: int
    """Where the reader is: all up to there was told, or is none of its business."""
    epoch: str | None
    """What the offset belongs to; None until the stream has said it."""
    began: int | None = None
    """The second half of the position, until everything was told."""
    mode: Mode
    """How the past is told; what comes after it is told change by change."""
    predicate: Predicate | None
    permitted: Callable[[], Awaitable[Predicate | None]]
    """What the reader may see at this moment. Raises Unauthenticated when it is not known any more who that is."""
    heartbeat: float
    limit: int | None = None
    """How many events are still to be told; None: all that there will ever be."""
    seconds: float = math.inf
    """How long it goes on at the head."""
    caught_up: bool = field(default=False, init=False)
    """Whether everything was told up to the head, as it was a moment ago."""
    ending: Ending | None = field(default=None, init=False)
    failure: OffsetExpired | OffsetInTheFuture | None = field(default=None, init=False)
    """Why the position means nothing any more, when that is the ending."""
    _until: float = field(default=math.inf, init=False)
    _told_at: float = field(default=0.0, init=False)
    _decided_at: float = field(default=0.0, init=False)
    _visible: Predicate | None = field(default=None, init=False)

    @property
    def limited(self) -> bool:
        """Whether something may be hidden from the reader."""
        return self.predicate is not None or self._visible is not None

    async def begin(self) -> Page:
        """The first page. Raises what `feed.read` and `permitted` do."""
        await self._decide()
        page = await self._read()
        self._told_at = self._now
        self._until = self._now + self.seconds
        return page

    async def advance(self, reader: Reader | None = None) -> Page | None:
        """The next page; None when a heartbeat is due, or the stream has ended.

        Meanwhile *reader* is kept at where it has been told everything.
        """
        page = await self._something(reader or Reader(self.offset))
        self._told_at = self._now
        return page

    async def _something(self, reader: Reader) -> Page | None:
        while self.ending is None:
            silence, rest = self._told_at + self.heartbeat - self._now, self._until - self._now
            if self._is_over(rest):
                break
            moved = not self.caught_up or await self._moved(reader, min(silence, rest))
            if not moved and self.follower.view.epoch == self.epoch:
                return await self._stay(over=rest <= silence)
            if not self.caught_up:
                # What is in memory is read without waiting for anything; others want their turn.
                await self.follower.clock.sleep(0)
            knew_all = self.caught_up
            page = await self._look()
            if page is not None and (page.changes or page.caught_up > knew_all):
                return page
            if self._now - self._told_at >= self.heartbeat:
                break
        return None

    async def _moved(self, reader: Reader, seconds: float) -> bool:
        # What a reader may see is to be looked at again every few seconds, so nothing is passed over for long.
        if self.predicate is None or self._visible is not None:
            return await self.follower.wait_beyond(self.offset, seconds)
        reader.offset = self.offset
        moved = await self.follower.wait_for(self.predicate, reader, seconds)
        self.offset = reader.offset
        return moved

    def _is_over(self, rest: float) -> bool:
        if self.follower.closed:
            self.ending = Ending.SHUTDOWN
        elif self.limit == 0 or (self.caught_up and rest <= 0):
            self.ending = Ending.COMPLETE
        return self.ending is not None

    async def _stay(self, *, over: bool) -> Page | None:
        """Nothing has happened here. See who still listens; what comes of that when there is something to tell."""
        if self.follower.closed:
            self.ending = Ending.SHUTDOWN
            return None
        if over:
            self.ending = Ending.COMPLETE
            return None
        # A database that was restored may have begun to give out the same offsets again. Or this process is behind the
        # one where the reader was before, and what it reads then has to be told: the position has moved behind it.
        page = await self._look(only_decide=self.follower.view.offset >= self.offset)
        return page if page is not None and page.changes else None

    async def _look(self, *, only_decide: bool = False) -> Page | None:
        """The next page. None when there is none now, which may be the end."""
        try:
            if only_decide or self._now - self._decided_at >= _FRESH:
                await self._decide()
            return None if only_decide else await self._read()
        except Unavailable:
            # A client that comes back would be turned away, and some give up then. Here it only waits.
            await self.follower.clock.sleep(_PAUSE)
        except Unauthenticated:
            self.ending = Ending.REFUSED
        except (OffsetExpired, OffsetInTheFuture) as error:
            self.ending, self.failure = Ending.GONE, error
        return None

    async def _decide(self) -> None:
        self._visible = await self.permitted()
        self._decided_at = self._now

    async def _read(self) -> Page:
        size = _PAGE if self.limit is None else min(_PAGE, self.limit)
        page = None
        if self.mode is Mode.LOG and not self.limited:
            page = feed.remembered(self.follower, offset=self.offset, limit=size, epoch=self.epoch)
        if page is None:
            page = await feed.read(
                self.follower,
                offset=self.offset,
                limit=size,
                wait=0,
                mode=self.mode,
                epoch=self.epoch,
                began=self.began,
                predicate=self.predicate,
                visible=self._visible,
            )
        self.offset, self.epoch, self.began = page.next_offset, page.epoch, page.began
        self.caught_up = page.caught_up
        if page.caught_up:
            self.mode = Mode.LOG
        if self.limit is not None:
            self.limit -= len(page.changes)
        return page

    @property
    def _now(self) -> float:
        return self.follower.clock.monotonic()

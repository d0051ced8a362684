"""The follower: this process's one reader of the log."""

import asyncio
import contextlib
import ctypes
import functools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog

from callboard.clock import Clock
from callboard.loop import Loop
from callboard.metrics import Metrics, Stage
from callboard.model.changes import Change
from callboard.model.predicates import Predicate
from callboard.store import changes, epochs
from callboard.store.changes import Position
from callboard.store.database import Database, Transaction
from callboard.store.sources import Source
from callboard.stream.digests import Digests
from callboard.stream.pages import Page
from callboard.stream.readers import Reader, Readers
from callboard.stream.sight import Parse, Step, facts_in
from callboard.stream.turns import Turns
from callboard.stream.waiters import Crowd, Waiters
from callboard.view.contents import Contents
from callboard.view.views import View

_log = structlog.get_logger(__name__)

# Without a notification (a lost connection, a transaction pooler) a change is seen this many seconds later at most.
_TICK = 0.5
# A replica gets what PostgreSQL has told of a moment later, and tells nobody.
_MOMENT = 0.02
_PAGE = 1_000
# Bodies whose facts are remembered for all readers with a filter. Those who follow closely need the latest few.
_PARSED = 1_000
# Pages that are there for all who ask for the same. Those who follow closely are at a few offsets.
_SAME = 64
# Readers far behind that are served at once. There are connections left for the follower itself, and for writes.
_BEHIND = 3


@dataclass(slots=True)
class Follower:
    """Keeps a view at the head of the stream, and lets others wait for it."""

    database: Database
    clock: Clock
    keep: int = 10_000
    """How many recent changes are kept in memory for readers near the head."""
    source: Source | None = None
    """What the stream is read from, if that is not the *database*."""
    view: View = field(default_factory=View)
    position: Position | None = None
    """Where the stream stood at the last look; None before the first one."""
    seen_at: float = 0.0
    """When that was, on the monotonic clock."""
    read_from: Source = field(init=False)
    loop: Loop = field(init=False)
    parse: Parse = field(init=False)
    """Finds the facts of recent bodies, once for all readers."""
    behind: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_BEHIND))
    """Held while a reader is served from the database."""
    metrics: Metrics = field(default_factory=Metrics)
    readers: Readers = field(default_factory=Readers)
    """Who reads from this process."""
    digests: Digests = field(init=False)
    """What recent changes are about."""
    waiters: Waiters = field(init=False)
    """Who waits for changes of some entities."""
    crowd: Crowd = field(init=False)
    """Who waits for whatever comes."""
    turns: Turns = field(default_factory=Turns)
    """Who goes on next, when many have been called."""
    _called_at: tuple[str, int] | None = None
    """The epoch and the offset for which it was called last."""
    _recent: deque[Step] = field(init=False)
    _pages: dict[tuple[int, int], Page] = field(default_factory=dict, init=False)
    """What those who see everything are told at this moment, by offset and limit."""
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.read_from = self.source or Source(self.database, self.clock)
        self.loop = Loop(name="stream.follow", step=self.follow, clock=self.clock)
        self.parse = functools.lru_cache(maxsize=_PARSED)(facts_in)
        self.digests = Digests(self.parse)
        self.waiters = Waiters(self.turns, self.digests)
        self.crowd = Crowd(self.turns)
        self._recent = deque(maxlen=self.keep)

    async def load(self, needed: int = 0) -> None:
        """Build the view anew from one snapshot of the database, which has the offset that is *needed*."""
        started = self.clock.monotonic()
        contents, position = await self.read_from.read(_gathered, epoch="", needed=needed)
        self.view.replace(contents, offset=position.head, epoch=position.epoch)
        _give_memory_back()
        self._recent.clear()
        self._pages.clear()
        self.digests.clear()
        self._looked(self.read_from.latest(position, seen=0))
        self.waiters.call_all()
        _log.info(
            "view.loaded",
            entities=self.view.count,
            offset=self.view.offset,
            ms=round((self.clock.monotonic() - started) * 1000),
        )

    async def follow(self) -> float:
        """Apply a page of changes to the view."""
        await self.read_from.look()
        if self.position is None:
            await self.load()
        offset, epoch = self.view.offset, self.view.epoch
        # Of one moment: between two looks the history floor could rise over what is to be read.
        position, found = await self.read_from.following(offset, epoch=epoch, limit=_PAGE)
        position = self.read_from.latest(position, seen=offset)
        lost = position.head < offset or offset < position.history_floor
        if position.epoch != self.view.epoch or lost:
            _log.warning("view.restarted", offset=self.view.offset, head=position.head, epoch=position.epoch)
            await self._report_a_loss()
            await self.load(needed=offset if position.epoch == epoch and position.head >= offset else 0)
            return 0
        if found:
            self._pages.clear()
            with self.metrics.stage(Stage.FOLLOW, len(found)):
                steps = list(self._steps(found))
                self.view.apply(found)
            self.metrics.view_delay.observe(max(0.0, (self.clock.now() - found[0].at).total_seconds()))
            if self._recent and self._recent[-1].change.offset + 1 != found[0].offset:
                # A page that could not be applied to its end. What follows must not look as if it came next.
                self._recent.clear()
            self._recent.extend(steps)
            self.waiters.tell(steps)
        self._looked(position)
        if position.head <= self.view.offset:
            return _TICK
        return 0 if found else _MOMENT

    async def _report_a_loss(self) -> None:
        """Begin another epoch if what this process has seen is not there any more: others may have seen it as well."""
        seen, epoch = self.view.offset, self.view.epoch
        async with self.database.transaction(snapshot=True) as tx:
            lost = await epochs.behind(tx, seen=seen, epoch=epoch)
        if lost:
            await self.database.run(lambda tx: epochs.begin_if_behind(tx, seen=seen, epoch=epoch))

    @property
    def lag(self) -> int:
        """How many changes the view is known to be behind."""
        return self.position.head - self.view.offset if self.position else 0

    def _steps(self, found: Sequence[Change]) -> Iterator[Step]:
        """*found*, which the view has not seen yet, with what was there before."""
        latest: dict[str, bytes | None] = {}
        for change in found:
            before = latest[change.ref] if change.ref in latest else self.view.by_ref(change.ref)
            latest[change.ref] = change.body
            yield Step(change, before)

    def steps(self, after: int, limit: int) -> Sequence[Step] | None:
        """Up to *limit* changes after *after*, from memory; None when they don't all lie there any more."""
        if after >= self.view.offset:
            return ()
        if not self._recent or self._recent[0].change.offset > after + 1:
            return None
        # Offsets are dense. Most readers want the latest few, and a deque is walked through from either end.
        start = after + 1 - self._recent[0].change.offset
        latest = len(self._recent) - start
        if latest < start:
            found = list(islice(reversed(self._recent), latest))
            found.reverse()
            return found[:limit]
        return list(islice(self._recent, start, start + limit))

    def page(self, after: int, limit: int) -> Page | None:
        """Up to *limit* changes after *after* for who sees everything, from memory; None when they don't all lie there.

        Whoever asks for the same before there is more gets the same page.
        """
        if (page := self._pages.get((after, limit))) is None and (steps := self.steps(after, limit)) is not None:
            if len(self._pages) == _SAME:
                self._pages.clear()
            page = self._pages[after, limit] = self.page_of(steps, [step.change for step in steps])
        return page

    def page_of(self, steps: Sequence[Step], told: Sequence[Change]) -> Page:
        """The page of a reader who is *told* this of *steps*; where there are none it has come to the head."""
        view = self.view
        following = steps[-1].change.offset if steps else view.offset
        return Page(changes=told, head=view.offset, next_offset=following, epoch=view.epoch)

    async def wait_beyond(self, offset: int, seconds: float) -> bool:
        """Wait until the view is beyond *offset*. False when *seconds* went by without that, or the epoch did."""
        epoch, until = self.view.epoch, self.clock.monotonic() + seconds
        while self.view.offset <= offset and self.view.epoch == epoch and not self._closed:
            if not await self.crowd.wait(until - self.clock.monotonic()):
                break
        return self.view.offset > offset

    async def wait_for(self, meant: Predicate, reader: Reader, seconds: float) -> bool:
        """Wait as `wait_beyond`, for a change of an entity that is *meant* or was until then.

        The *reader* waits beyond its offset, and is moved on past all other changes.
        """
        if self.view.offset > reader.offset or self._closed:
            return not self._closed
        return await self.waiters.wait(meant, reader, seconds) and not self._closed

    @property
    def closed(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._closed

    def close(self) -> None:
        """Let go of everybody who waits, now and later: this process is about to end."""
        self._closed = True
        self.crowd.call()
        self.waiters.call_all()

    def _looked(self, position: Position) -> None:
        if self.position is None or self.read_from.knows_the_head:
            self.seen_at = self.clock.monotonic()
        self.position = position
        # Thousands may wait: a look that has found nothing is none of their business.
        if (at := (self.view.epoch, self.view.offset)) != self._called_at:
            self._called_at = at
            self.crowd.call()


async def _gathered(tx: Transaction, _position: Position) -> tuple[Contents, Position]:
    contents = Contents()
    found = await changes.snapshot(tx)
    async for uid, ref, body in found.rows:
        contents.put(uid, ref, body)
    return contents, found.position


def _give_memory_back() -> None:
    """Loading leaves a fifth of what it has used to nobody, and glibc keeps it unless it is told otherwise."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)

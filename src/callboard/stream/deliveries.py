"""Deliveries: the engines bring what subscriptions tell to their sinks.

One engine at a time is at a subscription, under a lease. The cursor moves when the sink has taken a batch, and never
before; so whatever dies, events may come again, and none is left out.
"""

import asyncio
import contextlib
import datetime as dt
import functools
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from callboard import failures
from callboard.clock import Clock
from callboard.errors import CallboardError, DatabaseUnavailable, Gone, InvalidInput, OffsetInTheFuture, Unavailable
from callboard.extend import Event, EventSink, SinkKind, SinkTarget, SmallSteps
from callboard.loop import TICK, Loop
from callboard.metrics import Metrics
from callboard.model import json
from callboard.model.predicates import Predicate, parse_query
from callboard.model.projection import Projection
from callboard.store import subscriptions
from callboard.store.database import Database, Transaction
from callboard.store.subscriptions import Hold, Subscription
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.forms import event_of
from callboard.stream.pages import Mode, Page
from callboard.stream.subscriptions import Wanted

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE = 3_600.0
_LONGEST_WISH = 86_400.0
_FORM = "delivery"
"""As what an engine counts among the readers of the stream while it delivers for a subscription."""

_IN_A_ROW = 20
"""Batches that a subscription gets before others have their turn."""

_IDLE = dt.timedelta(minutes=1)
"""For how long a sink stays open that nothing is delivered to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """How engines deliver."""

    lease: dt.timedelta = dt.timedelta(seconds=15)
    give_up_after: dt.timedelta = dt.timedelta(days=3)
    """A sink that has failed for so long is dead."""
    batch: int = 100
    """Events in a batch, at most."""
    in_flight: int = 20
    """Subscriptions that one engine delivers for at the same time."""


@dataclass(slots=True)
class _Open:
    """A sink, and when it was used last."""

    sink: EventSink
    used: dt.datetime


@dataclass(slots=True, kw_only=True)
class Deliveries:
    """Delivers in one engine."""

    database: Database
    clock: Clock
    metrics: Metrics
    kinds: Mapping[str, SinkKind]
    """By the type that a subscription names."""
    handlers: Sequence[str] = ()
    """The subscriptions that lead to the handlers of this engine's plugins."""
    options: DeliveryOptions = field(default_factory=DeliveryOptions)
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    loop: Loop = field(init=False)
    _renewing: Loop = field(init=False)
    _stored: Follower = field(init=False)
    """Never loaded: what is delivered is read from the database."""
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _sinks: dict[tuple[str, int], _Open] = field(default_factory=dict, init=False)
    """By subscription and generation."""

    def __post_init__(self) -> None:
        self.loop = Loop(name="subscriptions.deliver", step=self.step, clock=self.clock)
        self._renewing = Loop(name="subscriptions.renew", step=self.renew, clock=self.clock)
        self._stored = Follower(self.database, self.clock, keep=0)

    async def run(self) -> None:
        """Deliver until the loop is stopped. What is on its way then is let go of, and comes again elsewhere."""
        renewing = asyncio.create_task(self._renewing.run())
        try:
            await self.loop.run()
        finally:
            held = dict(self._tasks)
            for task in held.values():
                task.cancel()
            await asyncio.gather(*held.values(), return_exceptions=True)
            self._renewing.stop()
            await renewing
            with contextlib.suppress(DatabaseUnavailable):
                for name in held:
                    await self._release(name)
            for each in list(self._sinks.values()):
                await self._close(each.sink)

    async def step(self) -> float:
        """Begin with what is due. Returns the pause after that."""
        free = self.options.in_flight - len(self._tasks)
        if free <= 0:
            return TICK
        claimed = await self.database.run(
            lambda tx: subscriptions.claim(tx, self.holder, self.options.lease, limit=free, handlers=self.handlers)
        )
        for subscription in claimed:
            if subscription.name not in self._tasks:
                task = asyncio.create_task(self.deliver(subscription))
                self._tasks[subscription.name] = task
                self.metrics.stream_readers.labels(_FORM).inc()
                task.add_done_callback(functools.partial(self._ended, subscription.name))
        return TICK

    def _ended(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[name]
        self.metrics.stream_readers.labels(_FORM).dec()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("subscription.interrupted", subscription=name, exc_info=error)
        self.loop.wake()

    async def settle(self) -> None:
        """Wait until everything that has begun has ended."""
        await asyncio.gather(*self._tasks.values())

    async def renew(self) -> float:
        """Hold on to the subscriptions that are delivered for, also while a sink takes long; let go of idle sinks."""
        if self._tasks:
            names = sorted(self._tasks)
            await self.database.run(lambda tx: subscriptions.renew(tx, self.holder, names, self.options.lease))
        # Theirs may be the turn of another engine by now, or nobody's.
        long_ago = self.clock.now() - _IDLE
        for key in [key for key, each in self._sinks.items() if key[0] not in self._tasks and each.used <= long_ago]:
            await self._close(self._sinks.pop(key).sink)
        return self.options.lease.total_seconds() / 3

    async def deliver(self, subscription: Subscription) -> None:
        """Bring batches to the sink of a subscription that is claimed, until it has all or fails."""
        hold = Hold(subscription.name, self.holder, subscription.generation)
        try:
            for _ in range(_IN_A_ROW):
                moved = await self._next_batch(subscription, hold)
                if moved is None:
                    break
                subscription = moved
        except CallboardError as error:
            # The database is away, or the like: the sink has no part in that, and the lease runs out.
            _log.warning("subscription.interrupted", subscription=hold.name, reason=str(error))
            return
        await self._release(hold.name)

    async def _release(self, name: str) -> None:
        await self.database.run(lambda tx: subscriptions.release(tx, name, self.holder))

    async def _next_batch(self, subscription: Subscription, hold: Hold) -> Subscription | None:
        """Deliver one batch. The subscription after it; None when there is no more, or it has failed."""
        try:
            page = await self._page(subscription)
        except (Gone, OffsetInTheFuture) as error:
            await self._fail(subscription, hold, error)
            return None
        if page.changes:
            moved = await self._hand_over(subscription, hold, page)
        elif page.next_offset == subscription.offset:
            return None
        else:
            moved = await self._advance(subscription, hold, page, page.next_offset)
        return None if page.caught_up else moved

    async def _hand_over(self, subscription: Subscription, hold: Hold, page: Page) -> Subscription | None:
        """Bring a page to the sink, in steps as small as it likes. None when it has failed."""
        moved: Subscription | None = subscription
        rest = _events(page, Wanted.parse(subscription.wanted).projection)
        while rest and moved is not None:
            try:
                sink = await self._sink(subscription)
                size = sink.at_once if isinstance(sink, SmallSteps) else len(rest)
                step, rest = rest[:size], rest[size:]
                await sink.deliver(step)
            except Exception as error:  # noqa: BLE001 - a sink may fail in any way; it is shown with its subscription
                await self._fail(moved, hold, error)
                return None
            self.metrics.deliveries.labels("delivered").inc()
            moved = await self._advance(subscription, hold, page, step[-1].offset if rest else page.next_offset)
        return moved

    async def _page(self, subscription: Subscription) -> Page:
        return await feed.stored(
            self._stored,
            offset=subscription.offset,
            limit=self.options.batch,
            mode=Mode.COMPACTED if subscription.compacted else Mode.LOG,
            epoch=subscription.epoch,
            began=subscription.began,
            predicate=Wanted.parse(subscription.wanted).predicate,
            visible=_permitted(subscription),
        )

    async def _advance(self, subscription: Subscription, hold: Hold, page: Page, offset: int) -> Subscription | None:
        """Move the cursor to an *offset* in the page. None when somebody else is at the subscription by now."""
        caught_up = page.caught_up and offset == page.next_offset

        async def work(tx: Transaction) -> Subscription | None:
            return await subscriptions.advance(
                tx,
                hold,
                self.options.lease,
                offset=offset,
                compacted=subscription.compacted and not caught_up,
                began=None if caught_up or page.way is None else page.way.at(offset),
            )

        moved = await self.database.run(work)
        if moved is None:
            _log.info("subscription.overtaken", subscription=hold.name)
        return moved

    async def _sink(self, subscription: Subscription) -> EventSink:
        key = (subscription.name, subscription.generation)
        found = self._sinks.get(key)
        if found is None:
            target = target_of(subscription)
            kind = self.kinds.get(str(target.options.get("type")))
            if kind is None:
                raise InvalidInput(f"there are no sinks of the type {target.options.get('type')}")
            kind.check(target)
            for old in [each for each in self._sinks if each[0] == subscription.name]:
                await self._close(self._sinks.pop(old).sink)
            found = self._sinks[key] = _Open(kind.open(target), self.clock.now())
        found.used = self.clock.now()
        return found.sink

    async def _fail(self, subscription: Subscription, hold: Hold, error: Exception) -> None:
        now, name = self.clock.now(), subscription.name
        attempts = subscription.attempts + 1
        since = subscription.failing_since or now
        described = _described(error)
        hopeless = isinstance(error, Gone | OffsetInTheFuture)
        given_up = now - since >= self.options.give_up_after
        failed = self._sinks.pop((name, subscription.generation), None)
        if failed is not None:
            await self._close(failed.sink)
        if hopeless or given_up:
            await self.database.run(lambda tx: subscriptions.die(tx, hold, described))
            self.metrics.deliveries.labels("gave_up").inc()
            _log.error("subscription.died", subscription=name, error=described, attempts=attempts)
            return
        pause = pause_after(attempts, error)
        next_at = now + dt.timedelta(seconds=pause)
        await self.database.run(lambda tx: subscriptions.fail(tx, hold, described, next_at=next_at))
        self.metrics.deliveries.labels("failed").inc()
        _log.warning("subscription.failed", subscription=name, error=described, attempts=attempts, pause=round(pause))

    async def _close(self, sink: EventSink) -> None:
        try:
            await sink.close()
        except Exception as error:  # noqa: BLE001 - nothing depends on it any more
            _log.warning("subscription.not_closed", error=_described(error))


def pause_after(attempts: int, error: Exception) -> float:
    """Seconds until a sink is tried again that has failed so many times: longer each time, up to an hour, and longer
    still where the receiver asks for it. A part of it is chance, so that receivers are not asked by all at once.
    """
    usual = min(_LONGEST_PAUSE, 2.0 ** min(attempts - 1, 20))
    chosen = usual * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return max(chosen, min(asked or 0.0, _LONGEST_WISH))


def target_of(subscription: Subscription) -> SinkTarget:
    """Where a subscription delivers to."""
    options = json.decode(subscription.sink or "{}")
    secrets = json.decode(subscription.secrets or "[]")
    assert isinstance(options, dict)
    assert isinstance(secrets, list)
    return SinkTarget(
        subscription=subscription.name,
        generation=subscription.generation,
        options=options,
        secrets=[str(secret) for secret in secrets],
    )


def _permitted(subscription: Subscription) -> Predicate | None:
    return None if subscription.permitted is None else parse_query(json.decode(subscription.permitted))


def _events(page: Page, projection: Projection | None) -> Sequence[Event]:
    return [event_of(change, page.epoch, projection) for change in page.changes]


def _described(error: Exception) -> str:
    """The error as it is kept: ours say by themselves what they are."""
    return failures.kept(str(error)) if isinstance(error, CallboardError) else failures.described(error)

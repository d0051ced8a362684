"""Handlers: functions of plugins that are told of changes. Each has a subscription, which the engines deliver to it.

So a handler has what a webhook has: a cursor that outlives the process, one engine at a time under a lease, pauses that
grow after failures, and a state that everybody can see.
"""

import asyncio
import contextlib
import datetime as dt
import functools
import inspect
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from callboard.clock import Clock
from callboard.errors import InvalidInput
from callboard.extend import Event, EventSink, Plugin, SinkTarget
from callboard.extend.handlers import Handler
from callboard.loop import Loop
from callboard.model import json
from callboard.store import changes, subscriptions
from callboard.store.database import Database, Transaction
from callboard.store.subscriptions import Wish, name_of_handler
from callboard.stream.subscriptions import Wanted, place_of

_log = structlog.get_logger(__name__)

TYPE = "handler"
"""What the sinks of these subscriptions say as their type."""


@dataclass(slots=True, kw_only=True)
class Handlers:
    """The handlers of one engine.

    Engines need not have the same plugins, as while new ones are being rolled out. So each says again and again which
    handlers it has. A subscription whose handler nobody has any more stays where it is, until the handler comes back or
    somebody deletes it.
    """

    database: Database
    clock: Clock
    plugins: Sequence[Plugin]
    lease: dt.timedelta = dt.timedelta(seconds=15)
    attending: Loop = field(init=False)
    _placed: bool = field(default=False, init=False)
    _missed: set[str] = field(default_factory=set, init=False)
    """Subscriptions of which it has been told that nobody has their handler."""

    def __post_init__(self) -> None:
        self.attending = Loop(name="handlers", step=self.attend, clock=self.clock)

    @property
    def names(self) -> Sequence[str]:
        """The subscriptions that lead to them."""
        return [name for name, _, _ in self._all()]

    @property
    def kind(self) -> "HandlerKind":
        """Makes the sinks that call them."""
        return HandlerKind({name: handler for name, _, handler in self._all()})

    def _all(self) -> Iterator[tuple[str, Plugin, Handler]]:
        for plugin in self.plugins:
            for handler in plugin.handlers:
                yield name_of_handler(plugin.name, handler.name), plugin, handler

    async def attend(self) -> float:
        """Say which handlers this engine has, and see to it that each has its subscription."""
        if names := self.names:
            await self.database.run(lambda tx: subscriptions.connect(tx, names, self.lease))
        if not self._placed:
            for name, plugin, handler in self._all():
                await self._place(name, plugin, handler)
            self._placed = True
        await self._look_for_missing()
        return self.lease.total_seconds() / 3

    async def _place(self, name: str, plugin: Plugin, handler: Handler) -> None:
        wanted = Wanted(filters=handler.filters, query=handler.query, fields=handler.fields)
        sink = json.encode({"type": TYPE, "plugin": plugin.name, "handler": handler.name}).decode()
        wish = Wish(wanted=wanted.format(), sink=sink)

        async def work(tx: Transaction) -> str | None:
            position = await changes.position(tx)
            standing = await subscriptions.lock(tx, name)
            if standing is None:
                owner = f"plugin:{plugin.name}"
                added = await subscriptions.add(tx, name, owner, wish, place_of(position, handler.start))
                return "handler.begun" if added is not None else None
            if (standing.wanted, standing.sink) == (wish.wanted, wish.sink):
                return None
            await subscriptions.change(tx, name, wish)
            return "handler.changed"

        done = await self.database.run(work)
        if done is not None:
            _log.info(done, subscription=name, start=handler.start)

    async def _look_for_missing(self) -> None:
        async with self.database.transaction() as tx:
            found = [each.name for each in await subscriptions.every(tx) if each.is_of_plugin]
            missing = set(found) - await subscriptions.connected(tx, found)
        if news := sorted(missing - self._missed):
            _log.warning("handlers.not_connected", subscriptions=news)
        self._missed = missing


@dataclass(frozen=True, slots=True)
class HandlerKind:
    """Makes the sinks that call handlers, which are here by the names of their subscriptions."""

    handlers: dict[str, Handler]
    type: str = TYPE
    options: Sequence[str] = ()

    def check(self, target: SinkTarget) -> None:
        """Raise InvalidInput for a handler that is not here."""
        if target.subscription not in self.handlers:
            raise InvalidInput(f"this engine has no handler for {target.subscription}")

    def open(self, target: SinkTarget) -> EventSink:
        """A sink that calls one handler."""
        handler = self.handlers[target.subscription]
        return CallsForSeveral(handler) if handler.takes_several else CallsForEach(handler)


class CallsForSeveral:
    """Calls a handler with whole batches."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        # One of its own: those that work for a long time must not keep others waiting.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=handler.name)

    async def deliver(self, batch: Sequence[Event]) -> None:
        """Call the handler; whatever it raises is raised."""
        await self._call(batch)

    async def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False)

    async def _call(self, told: Event | Sequence[Event]) -> None:
        if inspect.iscoroutinefunction(self._handler.function):
            await self._handler.function(told)
            return
        working = asyncio.get_running_loop().run_in_executor(
            self._thread, functools.partial(self._handler.function, told)
        )
        try:
            made = await asyncio.shield(working)
        except asyncio.CancelledError:
            # A thread can't be stopped. Until it has ended nobody else may be told the same.
            with contextlib.suppress(Exception):
                await working
            raise
        if inspect.isawaitable(made):
            # A callable object, or a lambda around a function that is async.
            await made


class CallsForEach(CallsForSeveral):
    """Calls a handler with one event at a time, so that one that has been dealt with does not come again."""

    at_once = 1

    async def deliver(self, batch: Sequence[Event]) -> None:
        """Call the handler for each event."""
        for event in batch:
            await self._call(event)

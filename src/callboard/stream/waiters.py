"""Waiters: readers at the head.

Those who want to hear of everything are a crowd, that is called when something has changed. Those who want to hear of
some entities only are left alone until one of these changes: a thousand readers with filters of their own would else be
woken by each change, to find out one by one that it is not theirs.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.model.predicates import Predicate
from callboard.stream.digests import Digests
from callboard.stream.readers import Reader
from callboard.stream.sight import Step
from callboard.stream.turns import Turns

_GRAIN = 0.02
"""Seconds by which a wait may be longer than it was meant to be."""


@dataclass(slots=True)
class _Deadlines:
    """When those who wait have waited long enough, with one timer for all of them.

    One for each would be made and cancelled with every answer; and `asyncio.timeout` would have to cancel a task and to
    catch that again.
    """

    turns: Turns
    _until: dict["asyncio.Future[bool]", float] = field(default_factory=dict)
    _next: float = math.inf
    _timer: asyncio.TimerHandle | None = None

    def add(self, called: "asyncio.Future[bool]", seconds: float) -> None:
        """Say False to *called* in so many *seconds*, unless it is removed before."""
        until = self.turns.loop.time() + seconds
        self._until[called] = until
        if until < self._next:
            self._ring_at(until)

    def remove(self, called: "asyncio.Future[bool]") -> None:
        """Who is removed may wait as long as it likes."""
        self._until.pop(called, None)

    def _ring_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = moment
        self._timer = self.turns.loop.call_at(moment, self._ring)

    def _ring(self) -> None:
        now = self.turns.loop.time()
        for called in [called for called, until in self._until.items() if until <= now]:
            del self._until[called]
            if not called.done():
                called.set_result(False)
        self._timer, self._next = None, math.inf
        if self._until:
            self._ring_at(max(now + _GRAIN, min(self._until.values())))


@dataclass(slots=True)
class Crowd:
    """All who wait for the next change in this process, whatever it is about."""

    turns: Turns
    _deadlines: _Deadlines = field(init=False)
    # In the order in which they came.
    _present: dict["asyncio.Future[bool]", None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._deadlines = _Deadlines(self.turns)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._present)

    async def wait(self, seconds: float) -> bool:
        """Wait up to *seconds* until somebody calls, and then for one's turn. False when nobody did."""
        called: asyncio.Future[bool] = self.turns.loop.create_future()
        self._deadlines.add(called, seconds)
        self._present[called] = None
        try:
            return await called
        finally:
            self._deadlines.remove(called)
            self._present.pop(called, None)

    def call(self) -> None:
        """Wake all who wait now; whoever comes later waits for the next call."""
        present, self._present = self._present, {}
        for called in present:
            self.turns.give(called)


@dataclass(slots=True, eq=False)
class _Waiter:
    meant: Predicate
    reader: Reader
    called: "asyncio.Future[bool]"


@dataclass(slots=True)
class Waiters:
    """All who wait for something of their own in this process."""

    turns: Turns
    digests: Digests
    _deadlines: _Deadlines = field(init=False)
    _present: set[_Waiter] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._deadlines = _Deadlines(self.turns)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._present)

    async def wait(self, meant: Predicate, reader: Reader, seconds: float) -> bool:
        """Wait up to *seconds* for a change of an entity that is *meant*, or was until then, and for one's turn; the
        *reader* is moved on past all others.

        False when there was none. Who is called may still find that it is not told anything.
        """
        waiter = _Waiter(meant, reader, self.turns.loop.create_future())
        self._deadlines.add(waiter.called, seconds)
        self._present.add(waiter)
        try:
            return await waiter.called
        finally:
            self._deadlines.remove(waiter.called)
            self._present.discard(waiter)

    def tell(self, steps: Sequence[Step]) -> None:
        """Call those whom *steps* concern, which follow each other; for the others they are over."""
        if not self._present or not steps:
            return
        before, last = steps[0].change.offset - 1, steps[-1].change.offset
        concerns = self.digests.question(steps)
        for waiter in list(self._present):
            # Who is elsewhere in the stream has to look for itself.
            if waiter.reader.offset != before or concerns(waiter.meant):
                self._call(waiter)
            else:
                waiter.reader.offset = last

    def call_all(self) -> None:
        """Let everybody look for itself."""
        for waiter in list(self._present):
            self._call(waiter)

    def _call(self, waiter: _Waiter) -> None:
        self._present.discard(waiter)
        self.turns.give(waiter.called)

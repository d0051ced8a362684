"""Waiters: readers at the head.

Those who want to hear of everything are a crowd, that is called when something has changed. Those who want to hear of
some entities only are left alone until one of these changes: a thousand readers with filters of their own would else be
woken by each change, to find out one by one that it is not theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.model.predicates import Predicate
from callboard.stream.digests import Digests
from callboard.stream.readers import Reader
from callboard.stream.sight import Step
from callboard.stream.turns import Turns


def _is_over(called: "asyncio.Future[bool]") -> None:
    # Not `asyncio.timeout`: to cancel a task and to catch that again costs each of thousands more than to wait.
    if not called.done():
        called.set_result(False)


@dataclass(slots=True)
class Crowd:
    """All who wait for the next change in this process, whatever it is about."""

    turns: Turns
    # In the order in which they came.
    _present: dict["asyncio.Future[bool]", None] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._present)

    async def wait(self, seconds: float) -> bool:
        """Wait up to *seconds* until somebody calls, and then for one's turn. False when nobody did."""
        loop = self.turns.loop
        called: asyncio.Future[bool] = loop.create_future()
        over = loop.call_later(seconds, _is_over, called)
        self._present[called] = None
        try:
            return await called
        finally:
            over.cancel()
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
    _present: set[_Waiter] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._present)

    async def wait(self, meant: Predicate, reader: Reader, seconds: float) -> bool:
        """Wait up to *seconds* for a change of an entity that is *meant*, or was until then, and for one's turn; the
        *reader* is moved on past all others.

        False when there was none. Who is called may still find that it is not told anything.
        """
        loop = self.turns.loop
        waiter = _Waiter(meant, reader, loop.create_future())
        over = loop.call_later(seconds, _is_over, waiter.called)
        self._present.add(waiter)
        try:
            return await waiter.called
        finally:
            over.cancel()
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

"""Waiters: readers at the head.

Those who want to hear of everything are a crowd, that is called when something has changed. Those who want to hear of
some entities only are left alone until one of these changes: a thousand readers with filters of their own would else be
woken by each change, to find out one by one that it is not theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from callboard.model.predicates import Predicate
from callboard.stream.digests import Digests
from callboard.stream.readers import Reader
from callboard.stream.sight import Step


@dataclass(slots=True)
class Crowd:
    """All who wait for the next change in this process, whatever it is about."""

    # In the order in which they came.
    _present: dict["asyncio.Future[bool]", None] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None
    """Where they wait. To find that out asks the kernel which process this is."""

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._present)

    async def wait(self, seconds: float) -> bool:
        """Wait up to *seconds* until somebody calls. False when nobody did."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        called = self._loop.create_future()
        self._present[called] = None
        try:
            return await _within(called, seconds)
        finally:
            self._present.pop(called, None)

    def call(self) -> None:
        """Wake all who wait now; whoever comes later waits for the next call."""
        present, self._present = self._present, {}
        for called in present:
            _say(called, heard=True)


@dataclass(slots=True, eq=False)
class _Waiter:
    meant: Predicate
    reader: Reader
    called: "asyncio.Future[bool]"


@dataclass(slots=True)
class Waiters:
    """All who wait for something of their own in this process."""

    digests: Digests
    _present: set[_Waiter] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._present)

    async def wait(self, meant: Predicate, reader: Reader, seconds: float) -> bool:
        """Wait up to *seconds* for a change of an entity that is *meant*, or was until then; the *reader* is moved on
        past all others.

        False when there was none. Who is called may still find that it is not told anything.
        """
        waiter = _Waiter(meant, reader, asyncio.get_running_loop().create_future())
        self._present.add(waiter)
        try:
            return await _within(waiter.called, seconds)
        finally:
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
        _say(waiter.called, heard=True)


async def _within(called: "asyncio.Future[bool]", seconds: float) -> bool:
    """What *called* says, or False after *seconds*.

    Not `asyncio.timeout`: to cancel a task and to catch that again costs each of thousands more than to wait.
    """
    over = called.get_loop().call_later(seconds, partial(_say, called, heard=False))
    try:
        return await called
    finally:
        over.cancel()


def _say(called: "asyncio.Future[bool]", *, heard: bool) -> None:
    # It may have been said already, or nobody may wait any more.
    if not called.done():
        called.set_result(heard)

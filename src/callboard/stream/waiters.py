"""Waiters: readers at the head who want to hear of some entities only, and are left alone until one of them changes.

A thousand readers with filters of their own would else be woken by each change, to find out one by one that it is not
theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.model.predicates import Predicate
from callboard.stream.digests import Digests
from callboard.stream.readers import Reader
from callboard.stream.sight import Step


@dataclass(slots=True, eq=False)
class _Waiter:
    meant: Predicate
    reader: Reader
    called: "asyncio.Future[None]"


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
            async with asyncio.timeout(seconds):
                await waiter.called
        except TimeoutError:
            return False
        finally:
            self._present.discard(waiter)
        return True

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
        if not waiter.called.done():
            waiter.called.set_result(None)

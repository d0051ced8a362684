"""Waiters: readers at the head who want to hear of some entities only, and are left alone until one of them changes.

A thousand readers with filters of their own would else be woken by each change, to find out one by one that it is not
theirs. Here each filter is asked once for all changes that come together, as a list of the catalog asks its index.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from callboard.model.facts import Facts
from callboard.model.predicates import Predicate, matches
from callboard.stream.readers import Reader
from callboard.stream.sight import Parse, Step
from callboard.view.index import Index

_ONE_BY_ONE = 500
"""Comparisons of an entity with a filter that cost less than making an index for them."""


@dataclass(slots=True, eq=False)
class _Waiter:
    meant: Predicate
    reader: Reader
    called: "asyncio.Future[None]"


@dataclass(slots=True)
class Waiters:
    """All who wait for something of their own in this process."""

    parse: Parse
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
        concerns = self._question(steps)
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

    def _question(self, steps: Sequence[Step]) -> Callable[[Predicate], bool]:
        bodies = (body for step in steps for body in (step.before, step.change.body))
        found: list[Facts] = [self.parse(body) for body in bodies if body is not None]
        if len(found) * len(self._present) <= _ONE_BY_ONE:
            return lambda meant: any(matches(meant, facts) for facts in found)
        index = Index()
        for member, facts in enumerate(found):
            index.add(member, facts)
        return lambda meant: bool(index.evaluate(meant))

"""Settledness: has everything that a change caused been processed, stitched and published?

Two things have to be waited for. What hangs below the changed entities must not be due any more: since a run and the
children that it emits are stored together, there is no moment in which nothing of it is due and more is to come. Then,
what had been marked for stitching by that time must have been published, neighbours outside of the tree included.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from callboard.clock import Clock
from callboard.store import changes, progress, stitch_queue
from callboard.store.database import Database, Transaction
from callboard.store.progress import Failure, Part, Progress

Pause = Callable[[float], Awaitable[object]]
"""Lets seconds pass."""

_SHORTEST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
_RESPITE = 4.0
"""How much longer than a look the pause after it is."""
_NAMED = 100
"""So many failures are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a part of the catalog has come, and what went wrong there."""

    settled: bool
    """Everything that the part had been asked for is visible, at *offset* or before, or has failed."""
    progress: Progress
    offset: int
    failures: Sequence[Failure]


async def status(database: Database, clock: Clock, part: Part, *, wait: float, pause: Pause) -> Status:
    """How far *part* has come, as soon as it has settled; some *wait* seconds at most are spent on that.

    *pause* lets a number of seconds pass, or fewer when this process is about to end.
    """
    until, left, step = clock.monotonic() + wait, wait, _SHORTEST_PAUSE
    waiting = _Waiting(part)
    found = await database.run(waiting.look)
    while not found.settled and left > 0:
        await pause(min(step, left))
        left = min(left - step, until - clock.monotonic())
        looked_at = clock.monotonic()
        found = await database.run(waiting.look)
        # A look at a large part costs the database something: most of the time it should have for the work itself.
        step = max(min(_LONGEST_PAUSE, step * 1.5), _RESPITE * (clock.monotonic() - looked_at))
    return found


@dataclass(slots=True)
class _Waiting:
    """One wait, and the marks that it waits for."""

    part: Part
    watermark: int | None = None

    async def look(self, tx: Transaction) -> Status:
        """How far the part is now."""
        found = await progress.look(tx, self.part, named=_NAMED)
        if found.due:
            self.watermark = None
        elif self.watermark is None:
            self.watermark = await stitch_queue.watermark(tx)
        settled = self.watermark is not None and await stitch_queue.fulfilled(tx, self.watermark)
        if settled and found.pending:
            # Somebody was stitched between the two looks, or is marked once more by others.
            found = await progress.look(tx, self.part, named=_NAMED)
        return await _status(tx, found, settled=settled, offset=(await changes.position(tx)).head)


async def glance(tx: Transaction, refs: Sequence[str], *, named: int) -> list[Status]:
    """How far each of *refs* has come with all that hangs below it, now; of its failures *named* at most are told."""
    found = await progress.look_at_each(tx, refs, named=named)
    fulfilled = await stitch_queue.fulfilled(tx, await stitch_queue.watermark(tx))
    settled = [fulfilled and not each.due for each in found]
    if any(is_settled and each.pending for is_settled, each in zip(settled, found, strict=True)):
        found = await progress.look_at_each(tx, refs, named=named)
    offset = (await changes.position(tx)).head
    each_found = zip(found, settled, strict=True)
    return [await _status(tx, each, settled=is_settled, offset=offset) for each, is_settled in each_found]


async def _status(tx: Transaction, found: Progress, *, settled: bool, offset: int) -> Status:
    failures = await progress.failures(tx, found.failing) if found.failed else ()
    return Status(settled=settled, progress=found, offset=offset, failures=failures)

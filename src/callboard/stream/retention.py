"""Retention: an engine forgets what is older than it is to be kept, step by step, while everybody else works on.

Each step is a transaction of its own, of some thousand rows. It takes what it deletes in the order of the offsets,
waits for no publisher while it holds what a publisher may want, and holds the counter row only to raise a floor.
"""

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from callboard.clock import Clock
from callboard.loop import Loop
from callboard.store import leases, retention
from callboard.store.database import Database, Transaction
from callboard.store.retention import Emptying, Run

_log = structlog.get_logger(__name__)

_JOB = "retention"
_PAUSE = 60.0
_SHORTEST_PAUSE = 0.2
_PARTS = 10
"""What has a short life is looked for this often in the course of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """For how long the stream remembers."""

    history: dt.timedelta = dt.timedelta(days=7)
    """Each single change."""
    tombstones: dt.timedelta = dt.timedelta(days=30)
    """Removals. They are kept as long as their history, if that is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    more: bool
    """Whether something was done, so that there may be more to do."""
    versions: int = 0
    tombstones: int = 0


_Forget = Callable[[Transaction], Awaitable[_Step]]


@dataclass(slots=True)
class _Tally:
    versions: int = 0
    tombstones: int = 0
    steps: int = 0
    longest: float = 0.0

    def count(self, step: _Step, seconds: float) -> None:
        self.versions += step.versions
        self.tombstones += step.tombstones
        if step.more:
            self.steps += 1
            self.longest = max(self.longest, seconds)


@dataclass(slots=True, kw_only=True)
class Retention:
    """Forgets what is old. One engine does so at a time."""

    database: Database
    clock: Clock
    keep: Keep = field(default_factory=Keep)
    batch: int = 2_000
    """Changes, or tombstones, in one step: a tenth of a second as a rule."""
    lease: dt.timedelta = dt.timedelta(seconds=15)
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name="retention", step=self.run, clock=self.clock)

    @property
    def pause(self) -> float:
        """Seconds from one run to the next."""
        shortest = min(self.keep.history, self.keep.tombstones).total_seconds()
        return min(_PAUSE, max(_SHORTEST_PAUSE, shortest / _PARTS))

    async def run(self) -> float:
        """Forget all that is old by now, unless another engine is at it."""
        if not await self.database.run(lambda tx: leases.take(tx, _JOB, self.owner, self.lease)):
            return self.pause
        started_at, tally = self.clock.now(), _Tally()
        for forget in (self._forget_versions, self._empty_partitions, self._forget_tombstones):
            if not await self._to_the_end(forget, tally):
                return self.pause
        await self.database.run(lambda tx: self._close(tx, started_at, tally))
        if tally.steps:
            _log.info(
                "stream.compacted",
                versions=tally.versions,
                tombstones=tally.tombstones,
                steps=tally.steps,
                longest_ms=round(tally.longest * 1000),
            )
        return self.pause

    async def _to_the_end(self, forget: _Forget, tally: _Tally) -> bool:
        """Take one step after the other. False: another engine has the job by now, or this one is to stop."""
        more = True
        while more:
            if self.loop.stopping:
                await self.database.run(lambda tx: leases.release(tx, _JOB, self.owner))
                return False
            begun = self.clock.monotonic()
            step = await self.database.run(lambda tx: self._step(tx, forget))
            if step is None:
                return False
            more = step.more
            tally.count(step, self.clock.monotonic() - begun)
            # Others get their turn.
            await self.clock.sleep(0)
        return True

    async def _step(self, tx: Transaction, forget: _Forget) -> _Step | None:
        if not await leases.keep(tx, _JOB, self.owner, self.lease):
            return None
        return await forget(tx)

    async def _forget_versions(self, tx: Transaction) -> _Step:
        floor = await retention.next_history_floor(tx, older_than=tx.now - self.keep.history, limit=self.batch)
        if floor is None:
            return _Step(more=False)
        return _Step(more=True, versions=await retention.forget_versions(tx, floor))

    async def _empty_partitions(self, tx: Transaction) -> _Step:
        emptied = await retention.empty_partition(tx, limit=self.batch)
        return _Step(more=emptied is not Emptying.NOTHING_TO_DO)

    async def _forget_tombstones(self, tx: Transaction) -> _Step:
        # Also those that an engine has left behind which was killed.
        dropped = await retention.drop_tombstones(tx, limit=self.batch)
        if dropped:
            return _Step(more=True, tombstones=dropped)
        floor = await retention.next_tombstone_floor(tx, older_than=tx.now - self.keep.tombstones, limit=self.batch)
        if floor is None:
            return _Step(more=False)
        await retention.raise_tombstone_floor(tx, floor)
        return _Step(more=True)

    async def _close(self, tx: Transaction, started_at: dt.datetime, tally: _Tally) -> None:
        run = Run(
            started_at=started_at,
            ended_at=tx.now,
            versions=tally.versions,
            tombstones=tally.tombstones,
            steps=tally.steps,
            longest_ms=tally.longest * 1000,
        )
        if await leases.keep(tx, _JOB, self.owner, self.lease):
            await retention.write_down(tx, run)
            await leases.release(tx, _JOB, self.owner)

"""The worker: claims due entities, runs them concurrently, and settles what is finished in batches.

Three loops share one set of work in flight. While a batch is being settled the next one is already running; a run that
waits for a slow host holds up nobody else.
"""

import asyncio
import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from callboard.clock import Clock
from callboard.errors import InvalidInput
from callboard.loop import TICK, Loop, pause_until
from callboard.metrics import Metrics, Stage
from callboard.model.causes import Because, Reason
from callboard.processing import results, settling
from callboard.processing.pipeline import Broken, Pipeline, parse_unprocessed
from callboard.processing.results import Bad, Good, Result
from callboard.store import claims, entities, schedule
from callboard.store.database import Database, Transaction
from callboard.store.schedule import Due, Outcome, Settled

_log = structlog.get_logger(__name__)

_MOST_PATIENT = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run came to, when it began, and how many seconds its processors took."""

    result: Result
    began: float
    took: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingOptions:
    """How a worker works."""

    interval: tuple[float, float] = (100.0, 150.0)
    """Seconds after which an entity that depends on the outside is due again; drawn anew each time."""
    batch: int = 200
    """Entities that are claimed, and settled, in one transaction."""
    in_flight: int = 600
    """Entities that are held at once, so that slow hosts don't stop the fast ones."""
    lease: dt.timedelta = dt.timedelta(seconds=15)
    """How long a claim holds without being renewed: what a killed worker held is free again after that."""
    delete_orphans: bool = False


@dataclass(slots=True)
class Tally:
    """What the worker has done since it started."""

    unchanged: int = 0
    changed: int = 0
    errors: int = 0


@dataclass(slots=True)
class Worker:
    """Processes what is due until it is stopped."""

    database: Database
    pipeline: Pipeline
    clock: Clock
    options: ProcessingOptions = field(default_factory=ProcessingOptions)
    chance: random.Random = field(default_factory=random.Random)
    tally: Tally = field(default_factory=Tally)
    metrics: Metrics = field(default_factory=Metrics)
    _running: dict[str, Due] = field(default_factory=dict)
    _finished: list[_Run] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    claiming: Loop = field(init=False)
    settling: Loop = field(init=False)
    renewing: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.claiming = Loop(name="processing.claim", step=self.claim, clock=self.clock)
        self.settling = Loop(name="processing.settle", step=self.settle, clock=self.clock)
        self.renewing = Loop(name="processing.renew", step=self.renew, clock=self.clock)

    def wake(self) -> None:
        """Look for due entities now."""
        self.claiming.wake()

    async def run(self) -> None:
        """Process until `stop`; what can be finished is settled then, and the rest given back."""
        await self.database.run(self._after_a_deploy)
        background = [asyncio.create_task(loop.run()) for loop in (self.settling, self.renewing)]
        await self.claiming.run()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        for task in self._tasks:
            task.cancel()
        self.settling.stop()
        self.renewing.stop()
        await asyncio.gather(*background)
        while self._finished:
            await self.settle()
        await self._release()

    def stop(self) -> None:
        """Take no more work and let `run` return."""
        self.claiming.stop()

    async def claim(self) -> float:
        """Claim a batch and start a run for each entity of it."""
        room = self.options.in_flight - len(self._running)
        if room < min(self.options.batch, self.options.in_flight) // 2:
            return TICK
        batch = min(room, self.options.batch)

        async def work(tx: Transaction) -> tuple[list[Due], float]:
            found = await schedule.claim(tx, batch=batch, lease=self.options.lease)
            return found, TICK if found else pause_until(await schedule.next_due(tx), tx.now)

        claimed, pause = await self.database.run(work)
        self.metrics.processing_delay.observe_all(due.waited for due in claimed)
        for due in claimed:
            self._running[due.ref] = due
            task = asyncio.create_task(self._run(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return 0 if len(claimed) == batch else pause

    async def settle(self) -> float:
        """Store a batch of finished runs."""
        runs = self._finished[: self.options.batch]
        if not runs:
            return TICK
        batch = [run.result for run in runs]
        with self.metrics.stage(Stage.SETTLE, len(batch)):
            await self._store(batch, backlog=len(batch) == self.options.batch)
        del self._finished[: len(batch)]
        for result in batch:
            self._let_go(result.due)
            self._tell(result)
        self._measure(runs)
        self.claiming.wake()
        return 0

    async def _store(self, batch: Sequence[Result], *, backlog: bool) -> None:
        try:
            await self.database.run(
                lambda tx: settling.settle(
                    tx,
                    batch,
                    next_due=self._next_due,
                    fingerprint=self.pipeline.fingerprint,
                    delete_orphans=self.options.delete_orphans,
                    backlog=backlog,
                )
            )
        except InvalidInput as error:
            # One of them emits what no table can hold. The search for it spares all others.
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._store(batch[:middle], backlog=backlog)
                await self._store(batch[middle:], backlog=backlog)
            elif isinstance(batch[0], Good):
                broken = results.of(Broken([error], outside=False), batch[0].due, self.pipeline.fingerprint)
                await self._store([broken], backlog=backlog)
            else:
                raise

    def _let_go(self, due: Due) -> None:
        # Another run of the same entity may have begun, if the lease of this one was lost.
        if self._running.get(due.ref) is due:
            del self._running[due.ref]

    async def renew(self) -> float:
        """Hold on to everything in flight."""
        work = [(due.ref, due.lease) for due in self._running.values()]
        if work:
            await self.database.run(lambda tx: schedule.extend(tx, work, self.options.lease))
        return self.options.lease.total_seconds() / 3

    async def _run(self, due: Due) -> None:
        fingerprint = self.pipeline.fingerprint
        began = self.clock.monotonic()
        with self.metrics.span(Stage.PROCESS, entity=due.ref, because=due.because or ""):
            outcome = await self.pipeline.process(parse_unprocessed(due.content), results.known(due, fingerprint))
        try:
            result = results.of(outcome, due, fingerprint)
        except (TypeError, ValueError) as error:
            # What a processor made can't be written as JSON.
            result = results.of(Broken([error], outside=False), due, fingerprint)
        self._finished.append(_Run(result, began, self.clock.monotonic() - began))
        self.settling.wake()

    def _measure(self, runs: Sequence[_Run]) -> None:
        """Put into the metrics, all at once, how long *runs* took that have just been stored."""
        now = self.clock.monotonic()
        metrics = self.metrics
        metrics.stages.labels(Stage.PROCESS.value).observe_all(run.took for run in runs)
        for kind, name in ((Good, "ok"), (Bad, "failed")):
            metrics.processors.labels(name).observe_all(run.took for run in runs if isinstance(run.result, kind))
        for outcome, name in _RESULTS.items():
            ended = (now - run.began for run in runs if _outcome(run.result) is outcome)
            metrics.processing.labels(name).observe_all(ended)

    async def _release(self) -> None:
        work = [(due.ref, due.lease) for due in self._running.values()]
        if work:
            await self.database.run(lambda tx: schedule.release(tx, work))

    async def _after_a_deploy(self, tx: Transaction) -> None:
        refs = list(await claims.lock_targets(tx, await entities.processed_by_others(tx, self.pipeline.fingerprint)))
        await schedule.request(tx, refs, schedule.Priority.PERIODIC, reason=Reason(Because.DEPLOY))
        if refs:
            _log.info("processing.deployed", entities=len(refs), fingerprint=self.pipeline.fingerprint)

    def _next_due(self, result: Result, now: dt.datetime) -> Settled:
        due = result.due
        if not result.outside:
            return _settled(result, due_at=None, attempts=0)
        wait = dt.timedelta(seconds=self.chance.uniform(*self.options.interval))
        attempts = due.attempts + 1 if isinstance(result, Bad) else 0
        if attempts > 1:
            # A failure that repeats is tried less and less often; a success resets it.
            wait = max(wait, min(wait * 2 ** min(attempts - 1, 10), _MOST_PATIENT))
        return _settled(result, due_at=now + wait, attempts=attempts)

    def _tell(self, result: Result) -> None:
        match result:
            case Good(changed=True):
                self.tally.changed += 1
            case Good():
                self.tally.unchanged += 1
            case Bad(due=due, messages=messages, changed=changed):
                self.tally.errors += 1
                if changed:
                    _log.warning("processing.failed", ref=due.ref, errors=list(messages))


def _settled(result: Result, *, due_at: dt.datetime | None, attempts: int) -> Settled:
    due = result.due
    return Settled(
        ref=due.ref,
        ticket=due.ticket,
        due_at=due_at,
        attempts=attempts,
        because=due.because,
        outcome=_outcome(result),
    )


_RESULTS: Final = {Outcome.CHANGED: "changed", Outcome.UNCHANGED: "unchanged", Outcome.FAILED: "errors"}
"""What the metrics call them, as Backstage's do."""


def _outcome(result: Result) -> Outcome:
    match result:
        case Bad():
            return Outcome.FAILED
        case Good(changed=True):
            return Outcome.CHANGED
        case Good():
            return Outcome.UNCHANGED

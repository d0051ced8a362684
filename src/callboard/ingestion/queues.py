"""Queues that providers read: one engine at a time, for as long as it lives."""

import asyncio
import contextlib
import datetime as dt
import uuid
from dataclasses import dataclass, field

import structlog

from callboard.clock import Clock
from callboard.errors import DatabaseUnavailable
from callboard.extend import ProviderConnection, ReadsQueue
from callboard.failures import described, kept, pause_after
from callboard.loop import Loop
from callboard.metrics import Metrics
from callboard.store import leases
from callboard.store.database import Database

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class QueueReading:
    """Lets a provider read its queue, unless another engine does."""

    database: Database
    clock: Clock
    provider: ReadsQueue
    connection: ProviderConnection
    metrics: Metrics = field(default_factory=Metrics)
    lease: dt.timedelta = dt.timedelta(seconds=15)
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    loop: Loop = field(init=False)
    _failures: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name=f"queue.{self.provider.name}", step=self.step, clock=self.clock)

    @property
    def job(self) -> str:
        """The name of the lease under which one engine at a time reads."""
        return f"queue:{self.provider.name}"

    async def run(self) -> None:
        """Read until this is cancelled; the next engine can go on at once then."""
        try:
            await self.loop.run()
        finally:
            await self.release()

    async def release(self) -> None:
        """Leave the queue to another engine."""
        with contextlib.suppress(DatabaseUnavailable):
            await self.database.run(lambda tx: leases.release(tx, self.job, self.owner))

    async def step(self) -> float:
        """Take what waits, if nobody else is at it. Returns the pause after that."""
        if not await self._ours():
            return self._patience
        holding = asyncio.create_task(self._hold())
        counts = self.metrics.webhooks
        system = self.provider.queue_system
        try:
            heard = await self.provider.read_queue(self.connection)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a provider may fail in any way; the messages are still there
            counts.labels(system, "failed").inc()
            return self._fail(error)
        finally:
            holding.cancel()
            # Waiting for it raises what happens to us, and not what happened to it.
            await asyncio.wait({holding})
        self._failures = 0
        for outcome, count in (("applied", heard.applied), ("ignored", heard.ignored), ("invalid", len(heard.refused))):
            if count:
                counts.labels(system, outcome).inc(count)
        for reason in heard.refused:
            _log.warning("queue.message_refused", provider=self.provider.name, reason=kept(reason))
        return heard.pause

    @property
    def _patience(self) -> float:
        return self.lease.total_seconds() / 3

    async def _ours(self) -> bool:
        return await self.database.run(lambda tx: leases.take(tx, self.job, self.owner, self.lease))

    async def _hold(self) -> None:
        """Hold on to the queue: to wait for a message takes longer than a lease."""
        renewing = Loop(name=f"queue.{self.provider.name}.renew", step=self._renew, clock=self.clock)
        await renewing.run()

    async def _renew(self) -> float:
        await self.database.run(lambda tx: leases.renew(tx, self.job, self.owner, self.lease))
        return self._patience

    def _fail(self, error: Exception) -> float:
        """Tell of the failure. Returns the pause, which grows from one second to five minutes."""
        self._failures += 1
        name, pause = self.provider.name, pause_after(self._failures)
        _log.warning("queue.failed", provider=name, error=described(error), failures=self._failures, pause=pause)
        return pause

"""The one background loop: do a step, then wait for a wake-up or a tick."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from callboard.clock import Clock
from callboard.errors import DatabaseUnavailable

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE = 30.0
_LONGEST_OUTAGE_PAUSE = 2.0

TICK = 1.0
"""Seconds after which a worker looks for work though nobody woke it: notifications may be lost."""


def pause_until(next_due: dt.datetime | None, now: dt.datetime) -> float:
    """Seconds until the next work is due, a tick at most."""
    if next_due is None:
        return TICK
    return min(TICK, max(0.01, (next_due - now).total_seconds()))


@dataclass(slots=True, kw_only=True)
class Loop:
    """Runs *step* again and again until it is stopped.

    *step* returns how many seconds it is willing to wait: 0 when there is more to do at once. A wake-up ends the wait.
    An exception is logged here and nowhere else, and the next attempt waits longer each time. A database that can't be
    reached is nobody's mistake: the log says when the wait for it begins and when it ends, and no attempt is far off.
    """

    name: str
    step: Callable[[], Awaitable[float]]
    clock: Clock
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def wake(self) -> None:
        """Let the next step begin now."""
        self._wake.set()

    @property
    def stopping(self) -> bool:
        """Whether a long step should end early."""
        return self._stopping

    def stop(self) -> None:
        """Let `run` return after the current step."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Run until `stop`."""
        failures, waited_from = 0, None
        while not self._stopping:
            self._wake.clear()
            try:
                pause = await self.step()
                if waited_from is not None:
                    waited = self.clock.monotonic() - waited_from
                    _log.info("loop.goes_on", loop=self.name, seconds=round(waited, 1))
                failures, waited_from = 0, None
            except DatabaseUnavailable as error:
                failures += 1
                pause = min(_LONGEST_OUTAGE_PAUSE, 0.1 * 2.0**failures)
                if waited_from is None:
                    waited_from = self.clock.monotonic()
                    _log.warning("loop.waits", loop=self.name, reason=str(error))
            except Exception as error:  # noqa: BLE001 - the one place where a worker survives what it did not expect
                failures += 1
                pause = min(_LONGEST_PAUSE, 0.1 * 2.0**failures)
                _log.error("loop.failed", loop=self.name, failures=failures, pause=pause, exc_info=error)
            if pause > 0:
                await self._wait(pause)
            else:
                await self.clock.sleep(0)

    async def _wait(self, seconds: float) -> None:
        if self._wake.is_set():
            return
        timer = asyncio.ensure_future(self.clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((timer, waker), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # They end by themselves. To wait for that and to take their end for nothing would take our own for nothing
            # as well, if it came at the same moment.
            timer.cancel()
            waker.cancel()

"""Time, as something that is handed in: the only module that may ask the system for it."""

import asyncio
import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> dt.datetime:
        """The present, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> dt.datetime:
        """The present, in UTC."""
        return dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the one place

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)  # noqa: TID251 - this is the one place


_ASKED_EVERY = 30.0
_SLOW = 1.0
"""Seconds after which an answer about the time says too little."""
_JUMP = 1.0
_JITTER = dt.timedelta(milliseconds=2)


class CommonClock(SystemClock):
    """The time that many processes agree on: that of their database, as soon as it has been asked.

    Between two answers it goes on with the machine's monotonic clock. What the machine takes for the date never counts
    then, whether it is wrong or jumps.
    """

    def __init__(self) -> None:
        self._told: tuple[dt.datetime, float] | None = None
        self._asked: tuple[float, float] | None = None

    def now(self) -> dt.datetime:
        """The present where the answers come from, in UTC."""
        if self._told is None:
            return self.machine()
        told, at = self._told
        return told + dt.timedelta(seconds=self.monotonic() - at)

    def machine(self) -> dt.datetime:
        """What this machine takes for the present."""
        return super().now()

    def is_due(self) -> bool:
        """Whether somebody should be asked: now and then, and at once when the machine's two clocks disagree.

        They do after a sleep of the machine, in which the monotonic one stands still.
        """
        if self._asked is None:
            return True
        at, between = self._asked
        return self.monotonic() - at > _ASKED_EVERY or abs(self._between() - between) > _JUMP

    def set(self, told: dt.datetime, *, asked: float, answered: float) -> None:
        """It was *told* o'clock at some moment between *asked* and *answered* on the monotonic clock.

        That it was the last moment is what is assumed: so what is due now is due for the database as well.
        """
        self._asked = (answered, self._between())
        if self._told is not None:
            took, ahead = answered - asked, self.now() - told
            # What is as good as known is no reason to let the time go back.
            if took > _SLOW or dt.timedelta() <= ahead <= dt.timedelta(seconds=took) + _JITTER:
                return
        self._told = (told, answered)

    def _between(self) -> float:
        return self.machine().timestamp() - self.monotonic()

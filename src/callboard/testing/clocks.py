"""Time that a test moves."""

import asyncio
import datetime as dt
import heapq
import itertools


class FakeClock:
    """A `Clock` that stands still until `advance`. Whoever sleeps wakes when its time has come, in order."""

    def __init__(self, start: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> dt.datetime:
        """The start, and all that was advanced since."""
        return self._start + dt.timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds that were advanced."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by *seconds*; 0 only lets others run."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds <= 0:
            asyncio.get_running_loop().call_soon(_finish, waiting)
        else:
            heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._numbers), waiting))
        await waiting

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _finish(heapq.heappop(self._sleepers)[2])


def _finish(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)

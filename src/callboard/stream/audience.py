"""The audience: who follows the stream in this process at this moment, and how many may."""

import enum
import random
from collections import Counter
from dataclasses import dataclass, field

from callboard.errors import Unavailable
from callboard.loop import TICK
from callboard.metrics import Metrics

_chance = random.SystemRandom()

_COME_BACK = (2.0, 10.0)
"""Seconds after which those come back who are too many: not all at once."""

_RECONNECT = (1.0, 5.0)
"""Seconds after which a reader comes back whose stream has ended, which may be one of thousands."""


class Ending(enum.StrEnum):
    """Why a stream has ended."""

    COMPLETE = "complete"
    """All was told that was asked for: so many events, for so long, or up to the head."""
    LEFT = "left"
    """The reader has closed the connection."""
    SLOW = "slow"
    """The reader has not read what was sent."""
    GONE = "gone"
    """Its position means nothing any more."""
    REFUSED = "refused"
    """The proof of who the reader is has expired, or was taken back."""
    SHUTDOWN = "shutdown"
    """The process ends."""


@dataclass(slots=True)
class Audience:
    """All who listen to a process: who wait for the next change, or have a stream open."""

    most: int
    metrics: Metrics
    _present: Counter[str] = field(default_factory=Counter)
    """How many there are, by form."""

    def admit(self, form: str) -> None:
        """Count one reader more, until it leaves. Raises Unavailable when there are as many as there may be."""
        if self._present.total() >= self.most:
            error = Unavailable(f"This process has {self.most} readers of the stream, and takes no more")
            error.retry_after = _chance.uniform(*_COME_BACK)
            raise error
        self._present[form] += 1

    def leave(self, form: str) -> None:
        """Forget a reader who has gone."""
        self._present[form] -= 1

    async def show(self) -> float:
        """Let the metrics tell how many there are. Returns the seconds after which they should be told again.

        To tell them of each who comes and goes would take a thirtieth of an answer.
        """
        for form, count in self._present.items():
            self.metrics.stream_readers.labels(form).set(count)
        return TICK

    def ended(self, ending: Ending) -> None:
        """Count a stream that has ended."""
        self.metrics.stream_readers_closed.labels(ending).inc()


def reconnect_after() -> float:
    """Seconds after which the reader of a stream that has ended should come back; other ones for each."""
    return _chance.uniform(*_RECONNECT)

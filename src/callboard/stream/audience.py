"""The audience: who follows the stream in this process at this moment, and how many may."""

import enum
import random
from dataclasses import dataclass, field

from prometheus_client import Gauge

from callboard.errors import Unavailable
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


@dataclass(slots=True, eq=False)
class Listener:
    """Somebody who waits for the next change, or has a stream open."""

    shown: Gauge
    """Where it counts."""


@dataclass(slots=True)
class Audience:
    """All who listen to a process."""

    most: int
    metrics: Metrics
    _present: set[Listener] = field(default_factory=set)
    # Kept here, since looking for one among the labels takes longer than counting.
    _gauges: dict[str, Gauge] = field(default_factory=dict)

    def admit(self, form: str) -> Listener:
        """A reader among the others, until it leaves. Raises Unavailable when there are as many as there may be."""
        if len(self._present) >= self.most:
            error = Unavailable(f"This process has {self.most} readers of the stream, and takes no more")
            error.retry_after = _chance.uniform(*_COME_BACK)
            raise error
        shown = self._gauges.get(form)
        if shown is None:
            shown = self._gauges[form] = self.metrics.stream_readers.labels(form)
        shown.inc()
        reader = Listener(shown)
        self._present.add(reader)
        return reader

    def leave(self, reader: Listener) -> None:
        """Forget a reader who has gone."""
        self._present.remove(reader)
        reader.shown.dec()

    def ended(self, ending: Ending) -> None:
        """Count a stream that has ended."""
        self.metrics.stream_readers_closed.labels(ending).inc()


def reconnect_after() -> float:
    """Seconds after which the reader of a stream that has ended should come back; other ones for each."""
    return _chance.uniform(*_RECONNECT)

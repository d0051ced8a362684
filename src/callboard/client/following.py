"""Following: where a reader of the stream stands, what it asks for next, and how long it waits after a failure. No I/O.

The past comes compacted, each entity once. From the head on the reader waits for each change. Its position is an
offset, so nothing is lost or told twice over a broken connection.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from callboard.client import changes, retries
from callboard.client.changes import EventSelection, Mode
from callboard.client.core import Call
from callboard.client.filters import Filters, Query
from callboard.client.results import Bookmark, Event, EventPage
from callboard.errors import CallboardError, OffsetInTheFuture, Unavailable, Unreadable

_LONGEST_PAUSE = 15.0
_PATIENCE_WITH_A_REPLICA = 10
"""Failures in a row after which a server that lags behind the one before it counts as one that has lost changes."""

News = Event | Bookmark
"""What a reader of the stream gets: events, and after each page of them how far it has come."""


class FollowOptions(EventSelection, total=False):
    """How to read the stream."""

    epoch: str | None
    """The epoch that the offset belongs to. The stream is refused as OffsetExpired if it has begun another one."""
    began: int | None
    """What the bookmark said under this name that the offset is from."""
    mode: Mode
    """How the past is told until the head is reached: `compacted`, unless `log` asks for each change."""
    wait: float
    """How many seconds the server holds a request at the head; 30 as a rule, and 60 at most."""
    limit: int
    """Events in one answer; 500 as a rule."""
    until_caught_up: bool
    """End at the head of the stream rather than go on live."""
    on_retry: Callable[[CallboardError, float], None]
    """Told of each failure that will pass, and of the seconds until the next attempt."""


def _ignore(error: CallboardError, pause: float) -> None:
    return None


@dataclass(slots=True)
class Following:
    """One reader of the stream, at *offset*."""

    offset: int = 0
    epoch: str | None = None
    began: int | None = None
    mode: Mode = "compacted"
    wait: float = 30.0
    limit: int = 500
    filters: Filters = ()
    query: Query | None = None
    fields: Sequence[str] = ()
    until_caught_up: bool = False
    on_retry: Callable[[CallboardError, float], None] = _ignore
    chance: Callable[[], float] = retries.chance
    """A number from 0 to 1 that spreads the attempts of many readers."""
    known: bool = False
    """Whether a server has said the offset, so that another one will come to know it."""
    done: bool = False
    """Whether there is nothing more to ask for."""
    _live: bool = False
    _failures: int = 0

    def next_call(self) -> Call[EventPage]:
        """What to ask the server now."""
        # Whoever is behind the head has nothing to wait for; and an empty catalog, or a server that is back, should say
        # so at once.
        waits = self._live and not self._failures
        return changes.events(
            self.offset,
            limit=self.limit,
            wait=self.wait if waits else 0.0,
            mode="log" if self._live else self.mode,
            epoch=self.epoch,
            began=self.began,
            filters=self.filters,
            query=self.query,
            fields=self.fields,
        )

    def take(self, page: EventPage) -> list[News]:
        """The news in an answer; the position moves behind them."""
        arrived = page.caught_up and not self._live
        tells = bool(page.events) or page.next_offset != self.offset or arrived or self._failures > 0
        self.offset, self.epoch, self.began = page.next_offset, page.epoch, page.began
        self._live = self._live or page.caught_up
        self.known, self._failures = True, 0
        self.done = self.until_caught_up and page.caught_up
        if not tells:
            return []
        bookmark = Bookmark(offset=page.next_offset, epoch=page.epoch, caught_up=page.caught_up, began=page.began)
        return [*page.events, bookmark]

    def pause_after(self, error: CallboardError) -> float:
        """How many seconds to wait before the next attempt. Raises *error* if no attempt could end otherwise."""
        if not self._may_pass(error):
            raise error
        self._failures += 1
        pause = retries.pause(self._failures, ceiling=_LONGEST_PAUSE, chance=self.chance)
        if isinstance(error, Unavailable):
            # Whoever follows waits for ever, but never so long that it misses the server's coming back.
            pause = max(pause, min(error.retry_after or 0.0, _LONGEST_PAUSE))
        self.on_retry(error, pause)
        return pause

    def _may_pass(self, error: CallboardError) -> bool:
        if isinstance(error, OffsetInTheFuture):
            return self.known and self._failures < _PATIENCE_WITH_A_REPLICA
        return isinstance(error, Unavailable | Unreadable) or type(error) is CallboardError

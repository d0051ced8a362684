"""Replicating: what keeps a copy equal to the catalog, step by step. No I/O.

A `conversation` says what is to be done next, a face does it and hands back what came of it. So the order of things is
written once: take over, read, store, give signs of life, and begin again where that is the only way.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from callboard.client import retries
from callboard.client.changes import EventSelection
from callboard.client.core import Call
from callboard.client.filters import Filters, Query
from callboard.client.following import Following
from callboard.client.replicas.batches import Applied, Batch
from callboard.client.replicas.positions import Patience, Position, Stored, fingerprint
from callboard.client.results import EventPage
from callboard.clock import SystemClock
from callboard.errors import CallboardError, InvalidInput, LeaseLost, OffsetExpired, OffsetInTheFuture, Unavailable

_LOOK = 1.0
"""Seconds between two looks at whether the one who has the copy has given it back."""

_LONGEST_PAUSE = 15.0


class ReplicaOptions(EventSelection, total=False):
    """What to copy, and how."""

    version: str
    """What the consumer makes of the entities; under another version the copy is made anew."""
    lease: float | None
    """Several consumers share the store: one works, and another takes over when it has been silent for so many
    seconds. Without it, whoever begins last takes over at once."""
    anew: bool
    """Read everything again, wherever the copy stands."""
    wait: float
    """How many seconds the server holds a request at the head; 30 as a rule, and 60 at most."""
    limit: int
    """Events in one transaction; 500 as a rule."""
    on_retry: Callable[[CallboardError, float], None]
    """Told of each failure that will pass, and of the seconds until the next attempt."""


@dataclass(frozen=True, slots=True)
class Load:
    """Ask the store what it has; answered by `Stored`."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Make the store ours; answered by whether that has worked."""

    seen: Stored
    held_for: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the server; answered by a page of events."""

    call: Call[EventPage]


@dataclass(frozen=True, slots=True)
class Apply:
    """Store a batch; answered by `Applied`."""

    token: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Beat:
    """Give a sign of life."""

    token: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Let so many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the consumer of what has been stored."""

    applied: Applied


Step: TypeAlias = Load | TakeOver | Ask | Apply | Beat | Pause | Tell
Outcome: TypeAlias = Stored | EventPage | Applied | bool | None
Conversation: TypeAlias = Generator[Step, Outcome, None]


def _ignore(error: CallboardError, pause: float) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class Replicating:
    """One consumer that keeps a copy."""

    filters: Filters = ()
    query: Query | None = None
    fields: Sequence[str] = ()
    version: str = ""
    lease: float | None = None
    anew: bool = False
    wait: float = 30.0
    limit: int = 500
    on_retry: Callable[[CallboardError, float], None] = _ignore
    monotonic: Callable[[], float] = SystemClock().monotonic
    chance: Callable[[], float] = retries.chance
    token: int | None = field(default=None, init=False)
    """Under which the store is ours; None while it is not."""
    _position: Position = field(init=False)
    _heard: float = field(default=0.0, init=False)
    """When the last sign of life was given."""
    _failures: int = field(default=0, init=False)
    """Of the store, in a row."""

    def __post_init__(self) -> None:
        if self.lease is not None and self.lease <= 0:
            raise InvalidInput(f"a lease of {self.lease:g} seconds can't be held; expected more than 0")

    def conversation(self, *, until_caught_up: bool = False) -> Conversation:
        """What is to be done, for ever or until the copy is equal to the catalog."""
        while True:
            try:
                stored = yield from self._taken_over()
                yield from self._kept_up(stored, until_caught_up=until_caught_up)
                return
            except LeaseLost as error:
                self.token = None
                if self.lease is None:
                    raise
                self.on_retry(error, 0.0)
            except Unavailable as error:
                # The store's; what the catalog fails to do is waited out where it is asked. Nobody knows what has
                # become of the last transaction, so the store has to be asked.
                self.token = None
                self._failures += 1
                pause = retries.pause(self._failures, ceiling=_LONGEST_PAUSE, chance=self.chance)
                self.on_retry(error, pause)
                yield Pause(pause)

    def _taken_over(self) -> Generator[Step, Outcome, Stored]:
        """The store is ours."""
        patience = Patience()
        while True:
            stored = yield Load()
            assert isinstance(stored, Stored)
            left = 0.0 if self.lease is None else patience.left(stored, self.monotonic())
            if left > 0:
                yield Pause(min(left, _LOOK))
            elif (yield TakeOver(stored, self.lease or 0.0)):
                self.token = stored.token + 1
                self._heard = self.monotonic()
                return stored

    def _kept_up(self, stored: Stored, *, until_caught_up: bool) -> Conversation:
        """The copy follows the catalog."""
        following = self._begun(stored.position, until_caught_up=until_caught_up)
        while not following.done:
            try:
                # Whether to ask again, and when, is decided here.
                page = yield Ask(replace(following.next_call(), repeatable=False))
            except CallboardError as error:
                try:
                    pause = following.pause_after(error)
                except (OffsetExpired, OffsetInTheFuture):
                    if self._position.epoch is None:
                        raise
                    following = self._begun(None, until_caught_up=until_caught_up)
                else:
                    yield from self._paused(pause)
                continue
            assert isinstance(page, EventPage)
            batch = self._batch(following, page)
            if batch is None:
                yield from self._alive()
                continue
            applied = yield Apply(self._token, batch)
            assert isinstance(applied, Applied)
            self._position, self._heard, self._failures = batch.position, self.monotonic(), 0
            yield Tell(applied)

    def _begun(self, position: Position | None, *, until_caught_up: bool) -> Following:
        """A reader at *position*, or at the beginning, if that is of another selection."""
        selection = fingerprint(
            EventSelection(filters=self.filters, query=self.query, fields=self.fields), self.version
        )
        fits = position is not None and position.selection == selection and not self.anew
        self._position = position if fits and position is not None else Position.first(selection)
        self.anew = False
        return Following(
            self._position.offset,
            epoch=self._position.epoch,
            began=self._position.began,
            wait=self.wait if self.lease is None else min(self.wait, self.lease / 3),
            limit=self.limit,
            filters=self.filters,
            query=self.query,
            fields=self.fields,
            until_caught_up=until_caught_up,
            on_retry=self.on_retry,
            chance=self.chance,
            known=self._position.epoch is not None,
        )

    def _batch(self, following: Following, page: EventPage) -> Batch | None:
        """What a page means to the store; None if there is nothing to store."""
        if not following.take(page):
            return None
        before = self._position
        after = msgspec.structs.replace(
            before,
            offset=page.next_offset,
            epoch=page.epoch,
            began=page.began,
            whole=before.whole or page.caught_up,
            caught_up=page.caught_up,
        )
        return Batch(events=page.events, position=after, sweep=after.whole and not before.whole)

    @property
    def _token(self) -> int:
        assert self.token is not None
        return self.token

    def _paused(self, seconds: float) -> Conversation:
        """So much time has passed, not in silence."""
        while seconds > 0:
            piece = seconds if self.lease is None else min(seconds, self.lease / 3)
            yield Pause(piece)
            yield from self._alive()
            seconds -= piece

    def _alive(self) -> Conversation:
        """There has been a sign of life within a third of the lease."""
        if self.lease is not None and self.monotonic() >= self._heard + self.lease / 3:
            yield Beat(self._token)
            self._heard = self.monotonic()

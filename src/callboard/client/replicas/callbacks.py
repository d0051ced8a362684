"""A copy in whatever the consumer has: functions in the place of a database."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from callboard.client.replicas.batches import Applied, Batch
from callboard.client.replicas.positions import Stored, position_of, text_of
from callboard.client.results import Event
from callboard.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be done to a copy, in this order: put, remove, and save the position."""

    put: Iterable[Event]
    """What is to be there afterwards. An entity with another uid is another entity."""
    removed: Iterable[str]
    """The refs of what is to be gone; some may never have been there."""
    events: Iterable[Event]
    """All that was told, each change that is kept, in the order of the offsets."""
    position: str
    """What `load` is to return from now on."""


@dataclass(slots=True)
class _Told:
    """What has been told of a generation that is not whole yet: it is not stored, and lost in a crash."""

    generation: int | None = None
    refs: set[str] = field(default_factory=set)

    def before(self, batch: Batch) -> Changes | None:
        """What has to be done before a batch that begins a generation: from now on the copy is of no position."""
        position = batch.position
        if (position.whole and not batch.sweep) or position.generation == self.generation:
            return None
        self.generation, self.refs = position.generation, set()
        return Changes(put=(), removed=(), events=(), position=text_of(replace(position, whole=False)))

    def changes(self, batch: Batch, held: Iterable[str]) -> Changes:
        """What a batch means; *held* is all that the copy has, where that is needed."""
        put = batch.plan({}).put
        there = {event.ref for event in put}
        gone = [ref for ref in batch.refs if ref not in there]
        if batch.sweep or not batch.position.whole:
            self.refs = (self.refs | there).difference(gone)
        if batch.sweep:
            gone += [ref for ref in held if ref not in self.refs and ref not in batch.refs]
            self.generation, self.refs = None, set()
        return Changes(put=put, removed=gone, events=batch.events, position=text_of(batch.position))


def _loaded(text: str | None) -> Stored:
    position = position_of(text)
    # What was told before the copy was whole is known to nobody any more.
    return Stored(position=position if position is not None and position.whole else None)


def _must_be_single(held_for: float) -> None:
    if held_for > 0:
        raise InvalidInput("functions can't hold a lease; several consumers can share a store in a database only")


def _applied(changes: Changes, batch: Batch) -> Applied:
    return Applied(put=list(changes.put), removed=list(changes.removed), events=batch.events, position=batch.position)


class Callbacks:
    """A copy that functions keep.

    *load* returns the position that *apply* got last, or None. *apply* does what `Changes` say and saves the position
    last, so that what a crash has cut off is done again. *refs* returns the refs of all that the copy has: when
    everything has been read anew, what was not told any more is removed.
    """

    def __init__(
        self,
        *,
        apply: Callable[[Changes], None],
        load: Callable[[], str | None],
        refs: Callable[[], Iterable[str]],
    ) -> None:
        self._apply = apply
        self._load = load
        self._refs = refs
        self._told = _Told()

    def load(self) -> Stored:
        """What there is."""
        return _loaded(self._load())

    def take_over(self, seen: Stored, held_for: float) -> bool:
        """There is nobody to take it from."""
        _must_be_single(held_for)
        return True

    def beat(self, token: int) -> None:
        """There is nobody to see it."""

    def release(self, token: int) -> None:
        """There is nobody to wait for it."""

    def apply(self, token: int, batch: Batch) -> Applied:
        """Hand over a batch."""
        if (before := self._told.before(batch)) is not None:
            self._apply(before)
        changes = self._told.changes(batch, self._refs() if batch.sweep else ())
        self._apply(changes)
        return _applied(changes, batch)


class AsyncCallbacks:
    """The same with functions that are awaited."""

    def __init__(
        self,
        *,
        apply: Callable[[Changes], Awaitable[None]],
        load: Callable[[], Awaitable[str | None]],
        refs: Callable[[], Awaitable[Iterable[str]]],
    ) -> None:
        self._apply = apply
        self._load = load
        self._refs = refs
        self._told = _Told()

    async def load(self) -> Stored:
        """What there is."""
        return _loaded(await self._load())

    async def take_over(self, seen: Stored, held_for: float) -> bool:
        """There is nobody to take it from."""
        _must_be_single(held_for)
        return True

    async def beat(self, token: int) -> None:
        """There is nobody to see it."""

    async def release(self, token: int) -> None:
        """There is nobody to wait for it."""

    async def apply(self, token: int, batch: Batch) -> Applied:
        """Hand over a batch."""
        if (before := self._told.before(batch)) is not None:
            await self._apply(before)
        changes = self._told.changes(batch, await self._refs() if batch.sweep else ())
        await self._apply(changes)
        return _applied(changes, batch)

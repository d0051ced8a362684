"""Specifications: the counter row, its variant with early release, and forgetting, as models to be explored whole.

Each has its mutants: the same model with one thing left out that somebody might leave out.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace


class Phase(enum.Enum):
    """Where a writer stands."""

    IDLE = "idle"
    HOLDING = "holding"
    """Its changes are written, and it is about to commit."""
    COMMITTED = "committed"
    """The others see its changes."""
    DONE = "done"
    """It was told so."""


class CounterMutant(enum.Enum):
    """What may be left out of the counter."""

    NONE = "none"
    NO_LOCK = "the counter is not held until the commit"
    NUMBERS_BURN = "a rollback does not give the numbers back"
    READ_UNFLUSHED = "readers are told what is not on disk yet"
    ACKNOWLEDGE_UNFLUSHED = "writers are told of a commit that is not on disk yet"


@dataclass(frozen=True, slots=True)
class Writer:
    """A transaction with so many changes."""

    size: int
    phase: Phase = Phase.IDLE
    last: int = 0
    """Its last offset."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Writers that take offsets, a log that becomes visible, and a reader."""

    writers: tuple[Writer, ...]
    head: int = 0
    visible: tuple[int, ...] = ()
    """The offsets in the log, in the order in which they became visible."""
    flushed: int = 0
    """How many of them are on disk."""
    position: int = 0
    told: tuple[int, ...] = ()
    acknowledged: frozenset[int] = frozenset()
    crashes: int = 0
    gone: frozenset[int] = frozenset()
    """What a crash has taken of what somebody knows. What nobody knows may be given out again."""


def counter_steps(*, early: bool, mutant: CounterMutant) -> "_CounterSteps":
    """What can happen to a counter. With *early* it is released before the commit is on disk, as in (a+)."""
    return _CounterSteps(early, mutant)


@dataclass(frozen=True, slots=True)
class _CounterSteps:
    early: bool
    mutant: CounterMutant

    def __call__(self, state: Counter) -> Iterator[tuple[str, Counter]]:
        for number, writer in enumerate(state.writers):
            yield from self._of_writer(state, number, writer)
        readable = self._readable(state)
        if news := tuple(offset for offset in sorted(readable) if offset > state.position):
            yield "read", replace(state, position=news[-1], told=state.told + news)
        if state.flushed < len(state.visible):
            yield "flush", replace(state, flushed=len(state.visible))
        if state.crashes == 0 and any(writer.phase is not Phase.IDLE for writer in state.writers):
            yield "crash", self._crashed(state)

    def _of_writer(self, state: Counter, number: int, writer: Writer) -> Iterator[tuple[str, Counter]]:
        held = any(other.phase is Phase.HOLDING for other in state.writers)
        match writer.phase:
            case Phase.IDLE if not held or self.mutant is CounterMutant.NO_LOCK:
                last = state.head + writer.size
                taken = replace(writer, phase=Phase.HOLDING, last=last)
                yield f"{number} takes {last}", self._with(replace(state, head=last), number, taken)
            case Phase.HOLDING:
                mine = tuple(range(writer.last - writer.size + 1, writer.last + 1))
                seen = replace(state, visible=state.visible + mine)
                if not self.early:
                    # The commit is on disk before the counter is free, and before anybody sees it.
                    seen = replace(seen, flushed=len(seen.visible))
                yield f"{number} commits", self._with(seen, number, replace(writer, phase=Phase.COMMITTED))
                head = state.head if self.mutant is CounterMutant.NUMBERS_BURN else state.head - writer.size
                back = replace(state, head=head)
                yield f"{number} rolls back", self._with(back, number, replace(writer, phase=Phase.DONE, last=0))
            case Phase.COMMITTED:
                on_disk = writer.last in state.visible[: state.flushed]
                if on_disk or self.mutant is CounterMutant.ACKNOWLEDGE_UNFLUSHED:
                    known = replace(state, acknowledged=state.acknowledged | {writer.last})
                    yield f"{number} is told", self._with(known, number, replace(writer, phase=Phase.DONE))
            case _:
                pass

    def _readable(self, state: Counter) -> tuple[int, ...]:
        if self.mutant is CounterMutant.READ_UNFLUSHED:
            return state.visible
        return state.visible[: state.flushed]

    def _crashed(self, state: Counter) -> Counter:
        left = state.visible[: state.flushed]
        return replace(
            state,
            visible=left,
            head=max(left, default=0),
            gone=(state.acknowledged | set(state.told)) - frozenset(left),
            writers=tuple(
                replace(writer, phase=Phase.DONE) if writer.phase is not Phase.IDLE else writer
                for writer in state.writers
            ),
            crashes=1,
        )

    def _with(self, state: Counter, number: int, writer: Writer) -> Counter:
        writers = (*state.writers[:number], writer, *state.writers[number + 1 :])
        return replace(state, writers=writers)


def counter_wrong(state: Counter) -> str | None:
    """I1, I2, I5, I6 and I7 of a counter."""
    if list(state.visible) != sorted(set(state.visible)):
        return "I2"
    if state.visible != tuple(range(1, len(state.visible) + 1)):
        return "I1"
    if any(offset <= state.position and offset not in state.told for offset in state.visible):
        return "I5"
    if any(offset not in state.visible for offset in state.told) or state.gone & set(state.told):
        return "I6"
    return "I7" if state.acknowledged - set(state.visible) or state.gone & state.acknowledged else None


class ForgettingMutant(enum.Enum):
    """What may be left out of forgetting."""

    NONE = "none"
    DROPS_FIRST = "tombstones go before their floor is raised"
    SERVES_BELOW = "readers below the floor are not refused"
    PAGES_PASS = "a page says that it has come further than it has told"
    FORGETS_BEGAN = "a reader from 0 is believed to have begun where it stands"


@dataclass(frozen=True, slots=True)
class Stored:
    """A reader's store: where it is, where it began, what it holds, and whether it has caught up."""

    offset: int = 0
    began: int = 0
    holds: frozenset[str] = frozenset()
    caught_up: bool = False


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Entities and tombstones by the offset of their last change, the floor, and readers."""

    head: int = 0
    rows: tuple[tuple[int, str, bool], ...] = ()
    """(offset, ref, whether it was removed), in the order of the offsets."""
    floor: int = 0
    readers: tuple[Stored, ...] = (Stored(),)


@dataclass(frozen=True, slots=True)
class ForgettingSteps:
    """What can happen to a stream that forgets its tombstones, while somebody reads it page by page."""

    refs: tuple[str, ...]
    changes: int
    mutant: ForgettingMutant = ForgettingMutant.NONE

    def __call__(self, state: Forgetting) -> Iterator[tuple[str, Forgetting]]:
        if state.head < self.changes:
            for ref in self.refs:
                yield f"publish {ref}", self._changed(state, ref, removed=False)
                if any(row[1:] == (ref, False) for row in state.rows):
                    yield f"remove {ref}", self._changed(state, ref, removed=True)
        removed = [offset for offset, _, is_removed in state.rows if is_removed]
        for offset in removed:
            if offset > state.floor:
                yield f"raise to {offset}", replace(state, floor=offset)
            if offset <= state.floor or self.mutant is ForgettingMutant.DROPS_FIRST:
                rows = tuple(row for row in state.rows if row[0] != offset)
                yield f"drop {offset}", replace(state, rows=rows)
        for number, reader in enumerate(state.readers):
            readers = state.readers
            after = self._read(state, reader)
            yield f"{number} reads", replace(state, readers=(*readers[:number], after, *readers[number + 1 :]))

    def _changed(self, state: Forgetting, ref: str, *, removed: bool) -> Forgetting:
        head = state.head + 1
        rows = (*(row for row in state.rows if row[1] != ref), (head, ref, removed))
        readers = tuple(replace(reader, caught_up=False) for reader in state.readers)
        return replace(state, head=head, rows=rows, readers=readers)

    def _read(self, state: Forgetting, reader: Stored) -> Stored:
        """A page of one row. Who is refused begins again, with an empty store."""
        began = state.head if reader.offset == 0 else reader.began
        start = reader.offset if self.mutant is ForgettingMutant.FORGETS_BEGAN else max(reader.offset, began)
        refused = reader.offset > 0 and start < state.floor
        if refused and self.mutant is not ForgettingMutant.SERVES_BELOW:
            return Stored()
        found = next((row for row in state.rows if row[0] > reader.offset), None)
        if found is None:
            return Stored(state.head, state.head, reader.holds, caught_up=True)
        offset, ref, removed = found
        holds = reader.holds - {ref} if removed else reader.holds | {ref}
        if self.mutant is ForgettingMutant.PAGES_PASS and offset < state.head:
            offset += 1
        caught_up = offset >= state.head
        return Stored(offset, offset if caught_up else began, holds, caught_up)


def forgetting_wrong(state: Forgetting) -> str | None:
    """I9 and I10 of a stream that forgets: who has caught up holds what is there."""
    there = {ref for _, ref, removed in state.rows if not removed}
    for reader in state.readers:
        if reader.caught_up and reader.holds - there:
            return "I10"
        if reader.caught_up and there - reader.holds:
            return "I9"
    return None

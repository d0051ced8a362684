"""The checker: what must hold in every history of the stream, judged when all is over.

It is a pure function and knows nothing of how the stream is made. `test_checker.py` shows that it finds each violation,
`test_planted.py` that it finds those of streams that are built wrong.
"""

import bisect
import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.history.histories import NEVER, Event, History, Outcome, Read

INVARIANTS = {
    "I1": "offsets are dense",
    "I2": "their order respects real time",
    "I3": "the revisions of an entity rise",
    "I4": "a transaction is in one piece",
    "I5": "who sees an offset has seen all before it",
    "I6": "what was told never changes and never vanishes",
    "I7": "what was acknowledged is there, what was rolled back is not",
    "I8": "a list and what comes after it make a fresh list",
    "I9": "the compacted stream leads to the same",
    "I10": "a removal above the floor is told to all who hold what was removed",
    "I11": "below the floor there is an error, and only there",
    "I12": "the bookmark is not ahead of what was told",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, and what shows it."""

    invariant: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.invariant} ({INVARIANTS[self.invariant]}): {self.evidence}"


def check(history: History) -> list[Violation]:
    """All violations in *history*."""
    log = _Log.known_in(history)
    return [
        *_what_was_told_stays(history),
        *_offsets_are_dense(history, log),
        *_real_time_is_respected(history, log),
        *_revisions_rise(log),
        *_transactions_are_whole(history, log),
        *_what_was_acknowledged_is_there(history, log),
        *_floors_are_kept(history),
        *_pages_are_complete(history, log),
        *_states_are_right(history, log),
    ]


@dataclass(slots=True)
class _Log:
    """All events that anybody was told, in their order."""

    events: dict[int, Event]
    of_ref: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    of_tx: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    offsets: list[int] = field(default_factory=list)
    whole_until: int = 0
    """Up to where every single event is known. Some may have been forgotten before anybody read them."""

    @classmethod
    def known_in(cls, history: History) -> "_Log":
        known = {event.offset: event for event in history.end.log}
        for read in history.reads:
            if read.epoch == history.end.epoch:
                for event in read.events:
                    if not event.left:
                        known.setdefault(event.offset, event)
        log = cls(dict(sorted(known.items())))
        log.offsets = list(log.events)
        holes = (before for before, offset in enumerate(log.offsets) if offset != before + 1)
        log.whole_until = next(holes, len(log.offsets))
        for offset, event in log.events.items():
            log.of_ref[event.ref].append(offset)
            log.of_tx[event.tx].append(offset)
        return log

    def after(self, ref: str, offset: int) -> float:
        """The offset of the next change of *ref*."""
        offsets = self.of_ref[ref]
        index = bisect.bisect_right(offsets, offset)
        return offsets[index] if index < len(offsets) else NEVER

    def at(self, ref: str, offset: int) -> Event | None:
        """The last change of *ref* up to *offset*."""
        offsets = self.of_ref[ref]
        index = bisect.bisect_right(offsets, offset)
        return self.events[offsets[index - 1]] if index else None

    def between(self, after: int, until: int) -> Iterator[Event]:
        """The events in (*after*, *until*]."""
        first = bisect.bisect_right(self.offsets, after)
        for offset in self.offsets[first : bisect.bisect_right(self.offsets, until)]:
            yield self.events[offset]


def _what_was_told_stays(history: History) -> Iterator[Violation]:
    told: dict[tuple[str, int], Event] = {(history.end.epoch, event.offset): event for event in history.end.log}
    there = set(told)
    for read in history.reads:
        for event in read.events:
            if event.left:
                continue
            known = told.setdefault((read.epoch, event.offset), event)
            if known != event:
                yield Violation("I6", f"{read.who} was told {event}, and others {known}")
            is_kept = read.epoch == history.end.epoch and event.offset > history.end.history_floor
            if is_kept and (read.epoch, event.offset) not in there:
                yield Violation("I6", f"{read.who} was told {event}, which is not there any more")


def _offsets_are_dense(history: History, log: _Log) -> Iterator[Violation]:
    expected = history.end.history_floor + 1
    for event in history.end.log:
        if event.offset > history.end.history_floor:
            if event.offset != expected:
                yield Violation("I1", f"{event} comes where {expected} was to come")
            expected = event.offset + 1
    if expected != history.end.head + 1:
        yield Violation("I1", f"the log ends before {expected}, and the head is {history.end.head}")


def _real_time_is_respected(history: History, log: _Log) -> Iterator[Violation]:
    ended: list[tuple[float, int, str]] = []
    highest, by = 0, ""
    for write in sorted(history.writes, key=lambda write: write.call):
        while ended and ended[0][0] < write.call:
            _, last, tx = heapq.heappop(ended)
            if last > highest:
                highest, by = last, tx
        offsets = log.of_tx.get(write.tx)
        if offsets and write.outcome is not Outcome.ACCEPTED:
            if offsets[0] <= highest:
                yield Violation("I2", f"{write.tx} began after the end of {by}, at {highest}, and is at {offsets[0]}")
            if write.outcome is Outcome.ACKNOWLEDGED:
                heapq.heappush(ended, (write.returned, offsets[-1], write.tx))


def _revisions_rise(log: _Log) -> Iterator[Violation]:
    for ref, offsets in log.of_ref.items():
        revisions = [log.events[offset].revision for offset in offsets]
        for before, after in itertools.pairwise(revisions):
            if after <= before:
                yield Violation("I3", f"{ref} has the revisions {revisions[:20]} in this order")
                break


def _transactions_are_whole(history: History, log: _Log) -> Iterator[Violation]:
    accepted = {write.tx for write in history.writes if write.outcome is Outcome.ACCEPTED}
    for tx, offsets in log.of_tx.items():
        if tx not in accepted and offsets[-1] - offsets[0] >= len(offsets):
            others = sorted({event.tx for event in log.between(offsets[0], offsets[-1])} - {tx})
            if others:
                yield Violation("I4", f"{tx} is at {offsets}, and {others} between")


def _what_was_acknowledged_is_there(history: History, log: _Log) -> Iterator[Violation]:
    kept = {event.offset for event in history.end.log}
    for write in history.writes:
        known = log.of_tx.get(write.tx, ())
        offsets = [offset for offset in known if offset <= history.end.history_floor or offset in kept]
        if write.outcome is Outcome.ROLLED_BACK and offsets:
            yield Violation("I7", f"{write.tx} was rolled back, and is at {offsets}")
        elif write.outcome is Outcome.ACCEPTED:
            for change in write.changes:
                latest = log.at(change.ref, history.end.head)
                if latest is None or latest.revision < change.revision:
                    yield Violation("I7", f"{change} of {write.tx} was accepted, and what is there is {latest}")
        elif write.outcome is Outcome.ACKNOWLEDGED:
            there = {(log.events[offset].ref, log.events[offset].revision) for offset in offsets}
            for change in write.changes:
                forgotten = log.whole_until < (write.last or 0) <= history.end.history_floor
                if (change.ref, change.revision) not in there and not forgotten:
                    yield Violation("I7", f"{change} of {write.tx} was acknowledged, and is not there")
            if write.last is not None and offsets and offsets[-1] != write.last:
                yield Violation("I7", f"{write.tx} was told {write.last}, and is at {offsets}")


def _floors_are_kept(history: History) -> Iterator[Violation]:
    floors = _Floors.of(history)
    for read in history.reads:
        if read.epoch != history.end.epoch or read.offset == 0 or not (read.cold or read.expired):
            continue
        start = max(read.offset, read.began or 0)
        if read.expired and start >= floors.tombstones_at_most(read.returned):
            yield Violation("I11", f"{read.who} was refused at {start}, and nobody had raised the floor so far")
        if not read.expired and start < floors.tombstones_at_least(read.call):
            yield Violation("I11", f"{read.who} was served at {start}, below the floor")


@dataclass(frozen=True, slots=True)
class _Floors:
    """Where the floors were, as far as that is known from outside."""

    calls: Sequence[float]
    called: Sequence[tuple[int, int]]
    returns: Sequence[float]
    returned: Sequence[int]

    @classmethod
    def of(cls, history: History) -> "_Floors":
        by_call = sorted(history.forgettings, key=lambda each: each.call)
        by_return = sorted(history.forgettings, key=lambda each: each.returned)
        called, returned = [(0, 0)], [0]
        for each in by_call:
            called.append((max(called[-1][0], each.history_floor), max(called[-1][1], each.tombstone_floor)))
        for each in by_return:
            returned.append(max(returned[-1], each.tombstone_floor))
        return cls([each.call for each in by_call], called, [each.returned for each in by_return], returned)

    def history_at_most(self, moment: float) -> int:
        return self.called[bisect.bisect_right(self.calls, moment)][0]

    def tombstones_at_most(self, moment: float) -> int:
        return self.called[bisect.bisect_right(self.calls, moment)][1]

    def tombstones_at_least(self, moment: float) -> int:
        return self.returned[bisect.bisect_left(self.returns, moment)]


def _pages_are_complete(history: History, log: _Log) -> Iterator[Violation]:
    floors = _Floors.of(history)
    for read in history.reads:
        if read.expired or read.epoch != history.end.epoch:
            continue
        told = [event.offset for event in read.events]
        if told != sorted(set(told)) or (told and not read.offset < told[0] <= told[-1] <= read.next):
            yield Violation("I5", f"{read.who} was told {told} between {read.offset} and {read.next}")
        # What the floor may have risen over meanwhile is told as compacted.
        single_from = read.head if read.compacted else floors.history_at_most(read.returned)
        there, last = set(told), told[-1] if told else read.offset
        for event in log.between(read.offset, read.next):
            if event.offset not in there and _is_due(event, read, log, single_from):
                invariant = _missed(event, read, last)
                yield Violation(invariant, f"{read.who} read from {read.offset} to {read.next} and missed {event}")


def _is_due(event: Event, read: Read, log: _Log, single_from: int) -> bool:
    """Whether the page has to tell of *event*."""
    if event.offset > single_from:
        before = log.at(event.ref, event.offset - 1)
        if not read.filtered or event.matches or before is None or not before.matches:
            return not read.filtered or event.matches
        return before.offset > single_from or _is_held(event.ref, read, log)
    if log.after(event.ref, event.offset) <= read.head:
        return False
    wanted = event.matches if read.filtered else not event.removed
    return wanted or _is_held(event.ref, read, log)


def _is_held(ref: str, read: Read, log: _Log) -> bool:
    """Whether the reader holds the entity, and must hear that it is gone. Who reads from 0 holds nothing yet."""
    held = log.at(ref, max(read.offset, read.began or 0)) if read.offset else None
    if held is None or held.offset > read.offset:
        return False
    return held.matches if read.filtered else not held.removed


def _missed(event: Event, read: Read, last: int) -> str:
    if read.compacted and event.removed:
        return "I10"
    if event.offset > last:
        return "I12"
    return "I9" if read.compacted else "I5"


def _states_are_right(history: History, log: _Log) -> Iterator[Violation]:
    claimed: list[tuple[int, str, bool, Mapping[str, int], str]] = [
        (read.next, "I9" if read.compacted else "I8", read.filtered, read.kept, read.who)
        for read in history.reads
        if read.kept is not None and read.epoch == history.end.epoch
    ]
    claimed += [(listing.offset, "I8", False, listing.state, listing.who) for listing in history.listings]
    claimed.append((history.end.head, "I8", False, history.end.state, "the end"))
    state: dict[str, Event] = {}
    position = 0
    until = log.whole_until
    for offset, invariant, filtered, kept, who in sorted(claimed, key=lambda each: each[0]):
        if offset > until:
            break
        for event in log.between(position, offset):
            state[event.ref] = event
        position = max(position, offset)
        expected = {
            ref: event.revision for ref, event in state.items() if (event.matches if filtered else not event.removed)
        }
        if kept != expected:
            different = {
                ref: (kept.get(ref), expected.get(ref))
                for ref in kept.keys() | expected.keys()
                if kept.get(ref) != expected.get(ref)
            }
            few = dict(sorted(different.items())[:5])
            yield Violation(invariant, f"{who} at {offset} has other revisions than the log says: {few}")

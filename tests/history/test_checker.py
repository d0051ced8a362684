"""The checker finds each kind of violation in a history that has nothing else wrong with it."""

import pytest

from tests.history import checker
from tests.history.histories import (
    Change,
    End,
    Event,
    Forgetting,
    History,
    Listing,
    Outcome,
    Read,
    Record,
    Write,
    of,
)

A1, B1, B2, C1 = Event(1, "a", 1, "t1"), Event(2, "b", 1, "t1"), Event(3, "b", 2, "t2"), Event(4, "c", 1, "t3")
GONE = Event(5, "a", 2, "t4", removed=True)
LOG = (A1, B1, B2, C1, GONE)
STATE = {"b": 2, "c": 1}


def wrote(tx: str, at: float, *events: Event, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Write:
    changes = [Change(event.ref, event.revision, event.removed) for event in events]
    last = events[-1].offset if events and outcome is Outcome.ACKNOWLEDGED else None
    return Write(who="w", tx=tx, call=at, returned=at + 0.5, outcome=outcome, changes=changes, last=last)


def page(after: int, until: int, *events: Event, compacted: bool = False, filtered: bool = False) -> Read:
    return Read(
        who="r",
        call=9,
        returned=9.5,
        offset=after,
        epoch="e",
        compacted=compacted,
        filtered=filtered,
        cold=True,
        events=events,
        next=until,
        head=5,
        caught_up=until == 5,
    )


def refused(after: int) -> Read:
    return Read(who="r", call=9, returned=9.5, offset=after, epoch="e", expired=True)


END = End(epoch="e", head=5, log=LOG, state=STATE)
WRITES: tuple[Record, ...] = (
    wrote("t1", 1, A1, B1),
    wrote("t2", 2, B2),
    wrote("t3", 3, C1),
    wrote("t4", 4, GONE),
)
FORGOTTEN = Forgetting(who="f", call=8, returned=8.5, history_floor=5, tombstone_floor=4)


def found(*records: Record, end: End = END) -> set[str]:
    return {violation.invariant for violation in checker.check(of([*records, end]))}


def test_a_history_in_which_all_is_right_has_no_violation() -> None:
    history: History = of(
        [
            *WRITES,
            wrote("t9", 6, outcome=Outcome.ROLLED_BACK),
            page(0, 3, A1, B1, B2),
            page(3, 5, C1, GONE),
            page(0, 5, B2, C1, compacted=True),
            page(1, 5, B2, C1, GONE, compacted=True),
            page(1, 3, B2, filtered=True),
            page(3, 5, filtered=True),
            Listing(who="l", call=9, returned=9.5, offset=3, state={"a": 1, "b": 2}),
            END,
        ]
    )

    assert checker.check(history) == []


def ended(*log: Event, head: int = 5, state: dict[str, int] | None = None) -> End:
    return End(epoch="e", head=head, log=log, state=STATE if state is None else state)


@pytest.mark.parametrize(
    ("invariant", "records", "end"),
    [
        ("I1", [], ended(A1, B1, C1, GONE)),
        ("I1", [], ended(*LOG, head=6)),
        ("I2", [wrote("t2", 0, B2), wrote("t1", 1, A1, B1)], END),
        ("I3", [], ended(A1, Event(2, "b", 2, "t2"), Event(3, "b", 1, "t1"))),
        ("I4", [], ended(Event(1, "a", 1, "t1"), Event(2, "b", 1, "t2"), Event(3, "c", 1, "t1"))),
        ("I5", [page(0, 3, A1, B2)], END),
        ("I5", [page(1, 3, A1, B1, B2)], END),
        ("I5", [page(1, 3, B2, B1)], END),
        ("I6", [page(0, 1, Event(1, "a", 7, "t1"))], END),
        ("I6", [page(5, 6, Event(6, "d", 1, "t8"))], END),
        ("I7", [wrote("t8", 1, Event(6, "d", 1, "t8"))], END),
        ("I7", [wrote("t3", 3, C1, outcome=Outcome.ROLLED_BACK)], END),
        ("I7", [wrote("t8", 1, Event(6, "b", 3, "t8"), outcome=Outcome.ACCEPTED)], END),
        ("I7", [wrote("t3", 3, Event(3, "c", 1, "t3"))], END),
        ("I8", [Listing(who="l", call=9, returned=9.5, offset=3, state={"a": 1, "b": 1})], END),
        ("I8", [], ended(*LOG, state={"a": 1, **STATE})),
        ("I9", [page(1, 5, C1, GONE, compacted=True)], END),
        ("I10", [page(1, 5, B2, C1, compacted=True)], END),
        ("I11", [FORGOTTEN, page(3, 5, C1, GONE)], END),
        ("I11", [refused(3)], END),
        ("I12", [page(0, 3, A1, B1)], END),
        ("I12", [page(1, 3, filtered=True)], END),
    ],
)
def test_each_violation_is_found_by_its_name(invariant: str, records: list[Record], end: End) -> None:
    assert invariant in found(*records, end=end)


def test_a_compacted_reader_need_not_be_told_what_it_can_not_hold() -> None:
    assert found(page(0, 5, B2, C1, compacted=True)) == set()


def test_what_leaves_the_filter_must_be_told() -> None:
    even, odd = Event(1, "a", 2, "t1"), Event(2, "a", 3, "t2")
    end = End(epoch="e", head=2, log=(even, odd), state={"a": 3})
    blind = Read(who="r", call=1, returned=2, offset=1, epoch="e", filtered=True, next=2, head=2, caught_up=True)

    assert found(blind, end=end) == {"I12"}


def test_the_evidence_says_who_missed_what() -> None:
    (violation,) = checker.check(of([page(0, 3, A1, B2), END]))

    assert str(violation) == (
        "I5 (who sees an offset has seen all before it): r read from 0 to 3 and missed"
        " Event(offset=2, ref='b', revision=1, tx='t1', removed=False, left=False)"
    )


def test_two_epochs_are_not_compared_with_one_another() -> None:
    other = Read(who="r", call=9, returned=9.5, offset=0, epoch="d", events=(Event(1, "z", 1, "t0"),), next=1, head=1)

    assert found(other) == set()

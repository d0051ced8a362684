"""The ledger sees each kind of mistake that a stream could make, and none where there is none."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from callboard.model.changes import Change, ChangeType
from tests.soak.ledger import Account, Ledger, Mark, cause_of

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def changed(offset: int, ref: str, mark: Mark, type_: ChangeType = ChangeType.ADDED) -> Change:
    return Change(offset=offset, type=type_, ref=ref, uid="u", body=b"{}", at=NOW, cause=str(cause_of(mark)))


def stream() -> list[Change]:
    """Two writers, three transactions: 0 writes a and b at once, then 1 writes c, then 0 removes a."""
    return [
        changed(1, "a", Mark(0, 1, 0, 2, began=10, acknowledged=0)),
        changed(2, "b", Mark(0, 1, 1, 2, began=10, acknowledged=0)),
        changed(3, "c", Mark(1, 1, 0, 1, began=15, acknowledged=0)),
        changed(4, "a", Mark(0, 3, 0, 1, began=30, acknowledged=20), ChangeType.REMOVED),
    ]


def accounts() -> dict[int, Account]:
    found = {0: Account(), 1: Account()}
    for writer, tx in ((0, 1), (1, 1), (0, 3)):
        found[writer].add(tx)
    return found


LISTED = {"a": (4, False), "b": (2, True), "c": (3, True)}


def judged(told: list[Change]) -> list[str]:
    """The invariants that are violated."""
    ledger = Ledger()
    ledger.take(told)
    ledger.close(accounts())
    ledger.compare(LISTED, floor=0, what="the list")
    return [violation.partition(":")[0] for violation in ledger.violations]


def test_a_stream_that_is_right_is_right() -> None:
    assert judged(stream()) == []


def lose(told: list[Change]) -> None:
    del told[2]
    told[2] = replace(told[2], offset=3)


def leave_a_hole(told: list[Change]) -> None:
    told[3] = replace(told[3], offset=5)


def repeat(told: list[Change]) -> None:
    told[3:] = [replace(told[2], offset=4, type=ChangeType.UPDATED), replace(told[3], offset=5)]


def tear_apart(told: list[Change]) -> None:
    told[1], told[2] = replace(told[2], offset=2), replace(told[1], offset=3)


def cut_off(told: list[Change]) -> None:
    told[:] = told[:1]


def invert(told: list[Change]) -> None:
    """Writer 1 began after the first transaction was acknowledged, and has lower offsets."""
    late = changed(1, "c", Mark(1, 1, 0, 1, began=25, acknowledged=0))
    told[:] = [late, replace(told[0], offset=2), replace(told[1], offset=3), told[3]]


def remove_twice(told: list[Change]) -> None:
    told[2] = replace(told[2], type=ChangeType.REMOVED)


def keep_what_has_gone(told: list[Change]) -> None:
    told[3] = replace(told[3], type=ChangeType.UPDATED)


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (lose, "I7"),
        (leave_a_hole, "I1"),
        (repeat, "I3"),
        (tear_apart, "I4"),
        (cut_off, "I4"),
        (invert, "I2"),
        (remove_twice, "I8"),
        (keep_what_has_gone, "I8, I9, I10"),
    ],
)
def test_a_mistake_is_seen(spoil: Callable[[list[Change]], None], invariant: str) -> None:
    told = stream()
    spoil(told)

    assert invariant in judged(told)


def test_a_removal_below_the_floor_may_be_forgotten() -> None:
    ledger = Ledger()
    ledger.take(stream())

    ledger.compare({"b": (2, True), "c": (3, True)}, floor=4, what="the list")

    assert ledger.violations == []

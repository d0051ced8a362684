"""A ledger: what one reader checks of a stream of any length, event by event, and remembers little of.

The numbers are those of the invariants in docs/contributing/testing.md. Each event says in its cause which transaction
wrote it, and when that began and the writer's last one had been acknowledged.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from callboard.model import json
from callboard.model.causes import Reason
from callboard.model.changes import Change, ChangeType


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an event comes from."""

    writer: int
    tx: int
    """The writer's transactions count from 1 on; those that are rolled back are never seen."""
    index: int
    """Which event of the transaction it is, from 0 on."""
    count: int
    """How many there are."""
    began: int
    """When the transaction began, on the machine's monotonic clock, in nanoseconds."""
    acknowledged: int
    """When the writer's last one had been acknowledged; 0 before the first."""

    def format(self) -> str:
        """As text."""
        return f"{self.writer}.{self.tx}.{self.index}.{self.count}.{self.began}.{self.acknowledged}"


def cause_of(mark: Mark) -> Reason:
    """The cause of the event with this *mark*."""
    return Reason(by=mark.format())


def _mark_in(cause: str | None) -> Mark:
    told = json.decode(cause or "")
    assert isinstance(told, dict)
    return Mark(*map(int, str(told["by"]).split(".")))


@dataclass(slots=True)
class Account:
    """What is known of one writer: by itself, or by whoever reads what it wrote."""

    transactions: int = 0
    last: int = 0
    """The last of its transactions."""
    digest: int = 0
    """Of the numbers of all of them, in their order."""

    def add(self, tx: int) -> None:
        """Count one more."""
        self.transactions += 1
        self.last = tx
        self.digest = zlib.crc32(tx.to_bytes(8, "big"), self.digest)


@dataclass(slots=True)
class _Seen(Account):
    began_before: int = 0
    """When the last of all those transactions began that have lower offsets than its last one."""


@dataclass(slots=True)
class Ledger:
    """What a reader has been told from offset 0 on, one change after the other."""

    offset: int = 0
    events: int = 0
    removals: int = 0
    violations: list[str] = field(default_factory=list)
    last: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """By ref, the offset of its last change, and whether it is there."""
    _writers: dict[int, _Seen] = field(default_factory=dict)
    _open: Mark | None = None
    """The last event of a transaction that goes on."""
    _began: int = 0

    def take(self, changes: Iterable[Change]) -> None:
        """Look at what comes next."""
        for change in changes:
            mark = _mark_in(change.cause)
            self._check_offset(change)
            self._check_transaction(change, mark)
            self._check_entity(change)
            self.events += 1

    def _check_offset(self, change: Change) -> None:
        if change.offset != self.offset + 1:
            self._violated("I1: offsets are dense", f"{change.offset} comes after {self.offset}")
        self.offset = change.offset

    def _check_transaction(self, change: Change, mark: Mark) -> None:
        before = self._open
        follows = before is not None and (mark.writer, mark.tx, mark.index) == (
            before.writer,
            before.tx,
            before.index + 1,
        )
        if follows != (mark.index > 0):
            self._violated("I4: transactions are whole", f"{mark.format()} at {change.offset} comes after {before}")
        if mark.index == 0:
            self._begin(change, mark)
        self._open = mark if mark.index + 1 < mark.count else None

    def _begin(self, change: Change, mark: Mark) -> None:
        seen = self._writers.setdefault(mark.writer, _Seen())
        if mark.tx <= seen.last:
            self._violated("I3: revisions rise", f"{mark.format()} at {change.offset} comes after {seen.last}")
        if seen.last and seen.began_before > mark.acknowledged:
            late = f"one that began after {seen.last} of {mark.writer} was acknowledged comes before it"
            self._violated("I2: offsets follow real time", late)
        seen.add(mark.tx)
        seen.began_before = self._began
        self._began = max(self._began, mark.began)

    def _check_entity(self, change: Change) -> None:
        there = self.last.get(change.ref, (0, False))[1]
        expected = {ChangeType.ADDED: False, ChangeType.UPDATED: True, ChangeType.REMOVED: True}[change.type]
        if there != expected:
            self._violated("I8: changes fit together", f"{change.ref} is {change.type} at {change.offset}")
        removed = change.type is ChangeType.REMOVED
        self.removals += removed
        self.last[change.ref] = change.offset, not removed

    def close(self, accounts: Mapping[int, Account]) -> None:
        """Compare with what writers say that was acknowledged."""
        if self._open is not None:
            self._violated("I4: transactions are whole", f"nothing comes after {self._open.format()}")
        for writer, account in accounts.items():
            seen = self._writers.get(writer, _Seen())
            if (seen.transactions, seen.digest) != (account.transactions, account.digest):
                told = (
                    f"{seen.transactions} of {account.transactions} transactions of {writer} were told, or other ones"
                )
                self._violated("I7: what is acknowledged is told", told)

    def compare(self, listed: Mapping[str, tuple[int, bool]], *, floor: int, what: str) -> None:
        """Compare with a list: by ref, the offset of the last change, and whether it is there.

        Removals at or below *floor* are forgotten.
        """
        known = {ref: at for ref, at in self.last.items() if at[1] or at[0] > floor}
        if known != {ref: at for ref, at in listed.items() if at[1] or at[0] > floor}:
            differing = [ref for ref in known.keys() | listed.keys() if known.get(ref) != listed.get(ref)]
            self._violated("I8, I9, I10: replayed, the stream is the list", f"{what}: {differing[:3]}")

    def _violated(self, invariant: str, what: str) -> None:
        if len(self.violations) < 20:
            self.violations.append(f"{invariant}: {what}")

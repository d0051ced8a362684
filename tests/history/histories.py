"""Histories: who wrote and read what between which two moments, line by line, in one file for each process.

Moments are those of the machine's monotonic clock, which all processes of it share.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

NEVER = 1e300


class Event(msgspec.Struct, frozen=True, array_like=True):
    """A change, as a reader is told of it. Who wrote it and how often its entity had changed goes with it."""

    offset: int
    ref: str
    revision: int
    tx: str
    removed: bool = False
    left: bool = False
    """It is there, and out of the reader's sight."""

    @property
    def matches(self) -> bool:
        """Whether it is one that the filter of a history wants: those with an even revision."""
        return not self.removed and self.revision % 2 == 0


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What a writer wants to be told."""

    ref: str
    revision: int
    removed: bool = False


class Outcome(enum.StrEnum):
    """What a writer knows of its transaction."""

    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    """It is stored, and somebody else will publish it, or what comes after it."""
    ROLLED_BACK = "rolled back"
    UNKNOWN = "unknown"
    """The writer was killed or cut off."""


class Write(msgspec.Struct, frozen=True, kw_only=True, tag="write"):
    """A transaction that publishes."""

    who: str
    tx: str
    call: float
    returned: float = NEVER
    outcome: Outcome = Outcome.UNKNOWN
    changes: Sequence[Change] = ()
    last: int | None = None
    """The offset of its last change, as the writer was told."""


class Read(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """A page, or the refusal of one."""

    who: str
    call: float
    returned: float
    offset: int
    epoch: str
    began: int | None = None
    compacted: bool = False
    filtered: bool = False
    cold: bool = False
    """It was read from the database: memory may know more than the floors promise."""
    events: Sequence[Event] = ()
    next: int = 0
    head: int = 0
    caught_up: bool = False
    expired: bool = False
    kept: Mapping[str, int] | None = None
    """What the reader holds when it has caught up: the revision of each ref."""


class Listing(msgspec.Struct, frozen=True, kw_only=True, tag="listing"):
    """All entities at one offset."""

    who: str
    call: float
    returned: float
    offset: int
    state: Mapping[str, int]


class Forgetting(msgspec.Struct, frozen=True, kw_only=True, tag="forgetting"):
    """The floors were raised to here."""

    who: str
    call: float
    returned: float
    history_floor: int = 0
    tombstone_floor: int = 0


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """What is there when everybody has stopped."""

    epoch: str
    head: int
    history_floor: int = 0
    tombstone_floor: int = 0
    log: Sequence[Event] = ()
    state: Mapping[str, int] = {}


Record = Write | Read | Listing | Forgetting | End

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class History:
    """All that was written down."""

    end: End
    writes: Sequence[Write] = ()
    reads: Sequence[Read] = ()
    listings: Sequence[Listing] = ()
    forgettings: Sequence[Forgetting] = ()

    @property
    def figures(self) -> str:
        """How much there is of everything, for people."""
        return (
            f"{self.end.head} events, {len(self.writes)} transactions, {len(self.reads)} pages with"
            f" {sum(len(read.events) for read in self.reads)} events, {len(self.listings)} listings,"
            f" {len(self.forgettings)} times forgotten"
        )


class Notebook(Protocol):
    """Where a process writes down what it does and sees."""

    def add(self, record: Record) -> None:
        """Write a record down."""
        ...


@dataclass(slots=True)
class Notes:
    """A part of a history in memory."""

    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Write a record down."""
        self.records.append(record)


@dataclass(slots=True)
class Recorder:
    """Writes a process's part of a history down. Each record is in the file before the process goes on."""

    path: Path
    _encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)

    def add(self, record: Record) -> None:
        """Write a record down."""
        with self.path.open("ab", buffering=0) as file:
            file.write(self._encoder.encode(record) + b"\n")


def load(paths: Iterable[Path]) -> History:
    """The whole history of several processes. Of two records of one transaction the later one counts."""
    decoder = msgspec.json.Decoder(Record)
    found = [decoder.decode(line) for path in paths for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    return of(found)


def of(records: Iterable[Record]) -> History:
    """A history of these records."""
    found = list(records)
    (end,) = _only(found, End)
    writes = {write.tx: write for write in _only(found, Write)}
    return History(end, list(writes.values()), _only(found, Read), _only(found, Listing), _only(found, Forgetting))


def _only(records: Iterable[Record], kind: type[R]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]

"""Readers: who reads the stream from this process just now, and how far they have come."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(slots=True, eq=False)
class Reader:
    """Somebody whom this process owes an answer."""

    offset: int
    """Up to where it has been told everything."""
    waiting: bool = False
    """It is at the head, and waits for news."""


@dataclass(slots=True)
class _Attendance:
    """A reader who is counted for a while. There are thousands, and a generator would be five times as large."""

    _present: set[Reader]
    _reader: Reader

    def __enter__(self) -> Reader:
        self._present.add(self._reader)
        return self._reader

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._present.discard(self._reader)


@dataclass(slots=True)
class Readers:
    """All readers of one process."""

    _present: set[Reader] = field(default_factory=set)

    def attending(self, offset: int) -> AbstractContextManager[Reader]:
        """Count somebody until the end of the block, who keeps its offset up to date."""
        return _Attendance(self._present, Reader(offset))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._present)

    @property
    def waiting(self) -> int:
        """How many of them wait for news."""
        return sum(reader.waiting for reader in self._present)

    def furthest_lag(self, head: int) -> int:
        """How many changes the last of them is behind."""
        return max((max(0, head - reader.offset) for reader in self._present), default=0)

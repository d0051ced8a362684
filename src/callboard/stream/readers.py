"""Readers: who reads the stream from this process just now, and how far they have come."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Reader:
    """Somebody whom this process owes an answer."""

    offset: int
    """Up to where it has been told everything."""
    waiting: bool = False
    """It is at the head, and waits for news."""


@dataclass(slots=True)
class Readers:
    """All readers of one process."""

    _present: set[Reader] = field(default_factory=set)

    @contextlib.contextmanager
    def attending(self, offset: int) -> Iterator[Reader]:
        """Count somebody until the end of the block, who keeps its offset up to date."""
        reader = Reader(offset)
        self._present.add(reader)
        try:
            yield reader
        finally:
            self._present.discard(reader)

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

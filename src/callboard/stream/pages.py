"""Pages: pieces of the stream, and how a reader has come to one."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.model.changes import Change


class Mode(enum.StrEnum):
    """How the past is told."""

    LOG = "log"
    """Every change above the history floor; below it each entity once."""
    COMPACTED = "compacted"
    """Each entity once, at its last offset, whatever the age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A piece of the stream."""

    changes: Sequence[Change]
    head: int
    next_offset: int
    """Where to go on: it moves even when nothing is delivered."""
    epoch: str
    way: "Way | None" = None
    """How the reader has come here; None when it holds exactly what was there at its offset."""

    @property
    def caught_up(self) -> bool:
        """Whether the reader has everything up to the head."""
        return self.next_offset >= self.head

    @property
    def began(self) -> int | None:
        """The second half of the bookmark, for who is not there yet: nothing that it holds was obsolete here."""
        return None if self.way is None or self.caught_up else self.way.at(self.next_offset)


@dataclass(frozen=True, slots=True)
class Way:
    """Through the compacted stream, where versions are passed over."""

    began: int
    """What the reader holds was there at this offset, or came later: the head, when it read from 0, or where it was."""
    compact_until: int
    """From here on each single change is told."""
    is_long: bool
    """The history has forgotten where it began. So versions of the way are forgotten as well, of which it may hold one
    until it has caught up."""

    def at(self, offset: int) -> int | None:
        """The second half of the bookmark at an offset on the way."""
        return self.began if offset < self.compact_until or self.is_long else None

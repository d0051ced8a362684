"""Readers: how the content of a location is fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Content:
    """What a target held when it was read.

    *target* is the one concrete target that was read (a glob expands to many). *version* is whatever tells one state
    of the content from the next (an ETag, a modification time); None when the source has no such thing.
    """

    target: str
    data: bytes
    version: str | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The target still has the version that the caller knows."""

    target: str
    version: str


class Reader(Protocol):
    """Fetches targets of one location type, for example `url` or `file`."""

    type: str

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """The content of one target; NotModified when it still is at *version*.

        Raises LocationNotFound when nothing is there, NotAllowed when the configuration forbids to read it, and
        Unreadable for everything that may work later.
        """
        ...

    async def expand(self, target: str) -> Sequence[str]:
        """The concrete targets that *target* stands for: itself, or what its wildcards match, sorted."""
        ...

    def resolve(self, base: str, relative: str) -> str:
        """The target that *relative* names when it is written in the file at *base*. Raises InvalidRef."""
        ...

    def contains(self, base: str, target: str) -> bool:
        """Whether *target* belongs to the same repository or folder tree as *base*, so that *base* may embed it."""
        ...

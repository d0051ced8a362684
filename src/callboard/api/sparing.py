"""Sparing: what is looked up in the database once for all who ask at about the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from callboard.clock import Clock

T = TypeVar("T")

_SHARE = 20
"""Looking takes at most one part in so many of the time, however often somebody asks."""
_LONGEST = 10.0


@dataclass(slots=True)
class Sparing(Generic[T]):
    """What *look* finds, as it is now or was a moment ago.

    In a small catalog an answer is good for a few milliseconds, in one with a million entities for ten seconds.
    """

    look: Callable[[], Awaitable[T]]
    clock: Clock
    _found: T | None = None
    _good_until: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self) -> T:
        """What was found last, if that is still good. Raises what *look* raises."""
        async with self._looking:
            started = self.clock.monotonic()
            if self._found is None or started >= self._good_until:
                self._found = await self.look()
                ended = self.clock.monotonic()
                self._good_until = ended + min(_LONGEST, _SHARE * (ended - started))
            return self._found

"""Retries: which failures another attempt may cure, and how long to wait for it. No I/O."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from callboard.errors import CallboardError, Unavailable

_SHORTEST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
"""A server that asks for more patience than this gets none: whoever called should hear of it."""

chance = random.SystemRandom().random


def pause(failures: int, *, ceiling: float, chance: Callable[[], float] = chance) -> float:
    """Seconds to wait after so many failures in a row: growing up to *ceiling*, and spread over many callers."""
    return min(ceiling, _SHORTEST_PAUSE * 2.0 ** min(failures, 16)) * (0.5 + 0.5 * chance())


@dataclass(slots=True)
class Attempts:
    """How often a call may still be sent again."""

    left: int
    chance: Callable[[], float] = chance
    """A number from 0 to 1 that spreads the attempts of many callers."""
    _failures: int = 0

    def pause_after(self, error: CallboardError) -> float:
        """Seconds to wait before the next attempt. Raises *error* if that would end no otherwise."""
        if not isinstance(error, Unavailable):
            raise error
        asked = error.retry_after or 0.0
        if asked > _LONGEST_PAUSE:
            raise error
        self.left -= 1
        self._failures += 1
        return max(asked, pause(self._failures, ceiling=_LONGEST_PAUSE, chance=self.chance))

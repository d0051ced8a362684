"""Incremental providers: sources that are too large for one set, read page by page."""

import abc
import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from callboard.extend.providers import Offered
from callboard.extend.schedules import Schedule
from callboard.model.json import JsonValue


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what the source has.

    *cursor* says where the next page begins, in whatever words the provider likes; it is kept in the database, so it
    must be JSON. With *done* it is not needed: the round is over, and what it has not brought is withdrawn.
    """

    entities: Sequence[Offered]
    cursor: JsonValue = None
    done: bool = False


class IncrementalEntityProvider(abc.ABC):
    """Base of all incremental providers. One engine at a time goes through the source, round after round.

    Each page is stored together with its cursor, so that a round goes on where it was whatever happens to the engine.
    A page may be asked for again, so reading must change nothing.
    """

    name: str
    """Identifies the provider, for ever: it is stored with everything that it provides."""

    rest_seconds: float = 3600.0
    """The pause between two rounds, unless there is a *schedule*."""

    schedule: Schedule | None = None
    """When rounds begin."""

    max_removal_percent: float | None = None
    """Percent of what the provider holds that one round may withdraw, where the configuration says nothing; None: as
    `callboard.removalGuard` says for all."""

    page_pause: float = 0.0
    """Seconds between two pages, to be easy on the source."""

    @abc.abstractmethod
    async def next(self, cursor: JsonValue) -> Page:
        """The page that begins at *cursor*, which is None for the first one of a round.

        Whatever it raises is shown with the provider, and the same page is asked for again, after a pause that grows.
        """

    def around(self) -> AbstractAsyncContextManager[object]:
        """What `next` needs, a client session for example: entered before a run of pages, and left after it.

        It is left at the end of a round, after a failure, and when the engine stops.
        """
        return contextlib.nullcontext()

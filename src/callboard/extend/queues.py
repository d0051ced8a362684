"""Queues: what a system tells by messages that wait until somebody fetches them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from callboard.extend.providers import ProviderConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What has become of the messages that were fetched."""

    applied: int = 0
    ignored: int = 0
    """Those that mean nothing to the provider."""
    refused: Sequence[str] = ()
    """Why each of the others could not be used; it is logged."""
    pause: float = 0.0
    """Seconds before the next ones are fetched."""


@runtime_checkable
class ReadsQueue(Protocol):
    """A provider, incremental or not, that turns the messages of a queue into deltas."""

    name: str
    queue_system: str
    """Who fills the queue, under its name in the configuration; metrics count by it."""

    async def read_queue(self, connection: ProviderConnection) -> Heard:
        """Fetch what waits, for at most half a minute, apply it, and only then tell the queue that it is done.

        One engine at a time calls this, again and again. A message may come twice, and out of order. Whatever this
        raises is logged, and the next call comes after a pause that grows.
        """
        ...

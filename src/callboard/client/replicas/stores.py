"""What a store of a copy has to do. Each is one transaction."""

from typing import Protocol

from callboard.client.replicas.batches import Applied, Batch
from callboard.client.replicas.positions import Stored


class Store(Protocol):
    """Keeps a copy and its position. Raises Unavailable when it can't now, and may later."""

    def load(self) -> Stored:
        """What there is."""
        ...

    def take_over(self, seen: Stored, held_for: float) -> bool:
        """Make it ours, under the token after that of *seen*. False if there was a sign of life since then."""
        ...

    def apply(self, token: int, batch: Batch) -> Applied:
        """Store a batch and its position. Raises LeaseLost, and stores nothing, unless it is ours under *token*."""
        ...

    def beat(self, token: int) -> None:
        """Give a sign of life. Raises LeaseLost."""
        ...

    def release(self, token: int) -> None:
        """Let the next one take over at once, if it is still ours."""
        ...


class AsyncStore(Protocol):
    """The same, to be awaited."""

    async def load(self) -> Stored:
        """What there is."""
        ...

    async def take_over(self, seen: Stored, held_for: float) -> bool:
        """Make it ours, under the token after that of *seen*. False if there was a sign of life since then."""
        ...

    async def apply(self, token: int, batch: Batch) -> Applied:
        """Store a batch and its position. Raises LeaseLost, and stores nothing, unless it is ours under *token*."""
        ...

    async def beat(self, token: int) -> None:
        """Give a sign of life. Raises LeaseLost."""
        ...

    async def release(self, token: int) -> None:
        """Let the next one take over at once, if it is still ours."""
        ...

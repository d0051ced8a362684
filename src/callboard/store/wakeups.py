"""Wake-ups: notifications of the database, turned into calls.

They only save waiting. Everybody who is woken also looks by itself from time to time, so a lost notification or a
transaction pooler, which passes none on, costs a moment and nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from callboard.clock import Clock
from callboard.loop import Loop
from callboard.store.database import Database, Listener

_TICK = 5.0


async def _nothing() -> None:
    pass


@dataclass(slots=True)
class WakeUps:
    """Keeps one connection that listens, and calls whoever the notification is for."""

    database: Database
    clock: Clock
    handlers: Mapping[str, Callable[[], None]]
    """By channel."""
    before: Callable[[], Awaitable[None]] = _nothing
    """Called before it listens, at the beginning and after each loss: the database may be another one by now."""
    loop: Loop = field(init=False)
    _listener: Listener | None = None

    def __post_init__(self) -> None:
        self.loop = Loop(name="wakeups", step=self.listen, clock=self.clock)

    async def listen(self) -> float:
        """Listen, if the connection is new or was lost."""
        if self._listener is None:
            await self.before()
            self._listener = await self.database.listen(list(self.handlers), self._wake, self._lost)
            # Something may have happened while nobody listened.
            for wake in self.handlers.values():
                wake()
        return _TICK

    async def run(self) -> None:
        """Listen until the loop is stopped."""
        await self.loop.run()
        if self._listener is not None:
            await self._listener.close()

    def _wake(self, channel: str) -> None:
        self.handlers[channel]()

    def _lost(self) -> None:
        self._listener = None
        self.loop.wake()

"""Wake-ups: notifications of the database, turned into calls.

They only save waiting. Everybody who is woken also looks by itself from time to time, so a lost notification costs a
moment and nothing else. Where none arrive, behind a transaction pooler, one small question to the database takes their
place, five times a second.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from callboard.clock import Clock
from callboard.loop import Loop
from callboard.store import publication, signs
from callboard.store.database import Database, Listener
from callboard.store.signs import Signs

_TICK = 5.0
_LOOK = 0.2
_LINGER = 3
"""Looks after a new ticket at which its transaction may still have to commit. What takes longer is found without."""


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
    _seen: Signs | None = None
    _lingering: int = 0

    def __post_init__(self) -> None:
        self.loop = Loop(name="wakeups", step=self.listen, clock=self.clock)

    async def listen(self) -> float:
        """Listen, if the connection is new or was lost; look, where nothing would be heard."""
        if not self.database.passes_notifications_on:
            await self._look()
            return _LOOK
        if self._listener is None:
            await self.before()
            self._listener = await self.database.listen(list(self.handlers), self._wake, self._lost)
            # Something may have happened while nobody listened.
            self._wake_all()
        return _TICK

    async def run(self) -> None:
        """Listen until the loop is stopped."""
        await self.loop.run()
        if self._listener is not None:
            await self._listener.close()

    async def _look(self) -> None:
        before, self._seen = self._seen, None
        if before is None:
            await self.before()
        async with self.database.transaction() as tx:
            self._seen = now = await signs.look(tx)
        if before is None:
            self._wake_all()
            return
        if now.head != before.head:
            self._wake(publication.CHANNEL)
        self._lingering = _LINGER if now.tickets != before.tickets else max(0, self._lingering - 1)
        if self._lingering:
            for channel in self.handlers.keys() - {publication.CHANNEL}:
                self._wake(channel)

    def _wake_all(self) -> None:
        for wake in self.handlers.values():
            wake()

    def _wake(self, channel: str) -> None:
        self.handlers[channel]()

    def _lost(self) -> None:
        self._listener = None
        self.loop.wake()

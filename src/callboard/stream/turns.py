"""Turns: of many who have something to do, a few go on each time round the event loop.

To answer a thousand readers takes most of a tenth of a second. If all of them went on together the process would hear
of nothing meanwhile: of no request, and of no change, which the last of them could have been told of as well.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

_AT_ONCE = 8
"""Readers; less than a millisecond."""


@dataclass(slots=True)
class Turns:
    """Those of one process who wait for their turn, in the order in which they came."""

    _waiting: "deque[asyncio.Future[bool]]" = field(default_factory=deque)
    _free: int = _AT_ONCE
    """How many may still go on before the loop looks around."""
    _counting: bool = False
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where everybody waits. To find that out anew would ask the kernel which process this is."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def give(self, called: "asyncio.Future[bool]") -> None:
        """Say True to *called* when it is its turn, unless it has been told something else by then."""
        if not self._is_free():
            self._waiting.append(called)
        elif not called.done():
            called.set_result(True)

    async def take(self) -> None:
        """Wait for one's turn."""
        if not self._is_free():
            called = self.loop.create_future()
            self._waiting.append(called)
            await called

    def _is_free(self) -> bool:
        if self._free == 0:
            return False
        self._free -= 1
        if not self._counting:
            self._counting = True
            self.loop.call_soon(self._go_on)
        return True

    def _go_on(self) -> None:
        self._free = _AT_ONCE
        while self._waiting and self._free:
            called = self._waiting.popleft()
            # Who has gone takes no turn.
            if not called.done():
                self._free -= 1
                called.set_result(True)
        self._counting = self._free < _AT_ONCE
        if self._counting:
            self.loop.call_soon(self._go_on)

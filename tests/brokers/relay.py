"""A relay in front of a receiver, which lets its connection fail in the ways in which connections do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_PIECE = 64 * 1024


@dataclass(slots=True)
class Relay:
    """Passes on what comes to `port`, until it is told to fail."""

    target: int
    port: int = 0
    refusing: bool = False
    _left: int | None = None
    """Bytes that are passed on to the receiver until the connection breaks; None for all."""
    _losing: bool = False
    _passing: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether answers are passed on."""
    _answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether there is an answer that is kept back."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def refuse(self) -> None:
        """Break all connections, and make no new ones."""
        self.refusing = True
        for writer in list(self._writers):
            writer.transport.abort()

    def break_after(self, count: int) -> None:
        """Refuse when *count* bytes more have been passed on to the receiver."""
        self._left = count

    def lose_answers(self) -> None:
        """Refuse as soon as the receiver says anything more."""
        self._losing = True

    def recover(self) -> None:
        """Pass on everything again."""
        self.refusing, self._left, self._losing = False, None, False
        self._passing.set()

    def hold(self) -> None:
        """Keep back what the receiver says."""
        self._passing.clear()
        self._answered.clear()

    async def until_held(self) -> None:
        """Wait until the receiver has said something."""
        await asyncio.wait_for(self._answered.wait(), 30)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, back}
        ways = [asyncio.create_task(self._there(reader, back)), asyncio.create_task(self._back(there, writer))]
        self._tasks |= set(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if self._left == 0:
            # The receiver may finish with what it has been sent, and says it to nobody.
            await asyncio.wait(ways, timeout=1)
        for each in (writer, back):
            each.transport.abort()
            self._writers.discard(each)

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                if self._left is not None:
                    piece, self._left = piece[: self._left], max(0, self._left - len(piece))
                writer.write(piece)
                await writer.drain()
                if self._left == 0:
                    writer.write_eof()
                    self.refusing = True
                    return

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                if self._losing:
                    self.refuse()
                    return
                if self.refusing:
                    continue
                self._answered.set()
                await self._passing.wait()
                writer.write(piece)
                await writer.drain()


@contextlib.asynccontextmanager
async def relay(target: int, port: int = 0) -> AsyncIterator[Relay]:
    """A relay to a port of this machine."""
    made = Relay(target)
    made.recover()
    server = await asyncio.start_server(made._connected, "127.0.0.1", port)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.refuse()
        server.close()
        for task in made._tasks:
            task.cancel()
        await asyncio.gather(*made._tasks, return_exceptions=True)

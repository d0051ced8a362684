"""A proxy between a client and PostgreSQL: it cuts connections, lets them stall, or keeps answers back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from callboard.store.embedded import Embedded

_SOCKET = ".s.PGSQL.5432"


@dataclass(slots=True)
class Proxy:
    """Passes everything on, until it is told otherwise."""

    upstream: Path
    """The socket of the server."""
    folder: Path
    """Where the proxy listens."""
    keep_back_after: bytes | None = None
    """After the client has said this, nothing that the server says arrives any more."""
    kept_back: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when that has happened, and the server has answered."""
    _passing: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """What to connect to."""
        return f"postgresql://callboard@/callboard?host={self.folder}&port=5432"

    def cut(self) -> int:
        """Cut all connections that are open; says how many they were."""
        open_now, self._open = self._open, set()
        for writer in open_now:
            writer.transport.abort()
        return len(open_now) // 2

    def stall(self) -> None:
        """Pass nothing on any more, and close nothing either: packets are lost on their way."""
        self._passing.clear()

    def go_on(self) -> None:
        """Pass everything on, also what has come meanwhile."""
        self._passing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        try:
            theirs, ours = await asyncio.open_unix_connection(str(self.upstream))
        except OSError:
            # Nobody is there now: whoever wants to speak to it has to learn that.
            writer.transport.abort()
            return
        self._open |= {writer, ours}
        said = asyncio.Event()
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(self._ask(reader, ours, said), self._answer(theirs, writer, said))
        for each in (writer, ours):
            self._open.discard(each)
            each.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, said: asyncio.Event) -> None:
        while data := await reader.read(65_536):
            await self._passing.wait()
            if self.keep_back_after is not None and self.keep_back_after in data:
                said.set()
            server.write(data)
            await server.drain()
        server.close()

    async def _answer(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, said: asyncio.Event) -> None:
        while data := await server.read(65_536):
            await self._passing.wait()
            if said.is_set():
                self.kept_back.set()
            else:
                writer.write(data)
                await writer.drain()
        writer.close()


def socket_of(server: Embedded) -> Path:
    """Where *server* listens."""
    return Path(server.url().partition("host=")[2].partition("&")[0]) / _SOCKET


@contextlib.asynccontextmanager
async def before(server: Embedded, folder: Path) -> AsyncIterator[Proxy]:
    """A proxy before a server."""
    folder.mkdir()
    proxy = Proxy(socket_of(server), folder)
    proxy.go_on()
    listening = await asyncio.start_unix_server(proxy.serve, folder / _SOCKET)
    try:
        yield proxy
    finally:
        proxy.go_on()
        proxy.cut()
        listening.close()

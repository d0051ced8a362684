"""HTTP as plainly as it goes: one connection, one request at a time, and microseconds of CPU for each.

A full client would use more CPU than the server, and on a machine that both share its own queue would be measured.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import click
import httptools


class Wire(asyncio.Protocol):
    """A connection that is kept open."""

    def __init__(self, host: str) -> None:
        self._host = host.encode()
        self._answer: asyncio.Future[bytes] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls `on_body` and `on_message_complete`."""
        if self._parser is not None:
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for an answer."""
        self._end(exc or ConnectionResetError("the server has closed the connection"))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand over the whole answer."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        self._end(None if status == 200 else click.ClickException(f"the server answered {status}: {self._body!r}"))

    async def get(self, path: str) -> bytes:
        """The body of the answer to a GET. Raises ClickException unless the status is 200."""
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(
            b"GET %b HTTP/1.1\r\nhost: %b\r\naccept: application/json\r\n\r\n" % (path.encode(), self._host)
        )
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _end(self, error: Exception | None) -> None:
        if self._answer is None or self._answer.done():
            return
        if error is None:
            self._answer.set_result(b"".join(self._body))
        else:
            self._answer.set_exception(error)


@contextlib.asynccontextmanager
async def connected(url: str, count: int) -> AsyncIterator[list[Wire]]:
    """*count* connections to the server at *url*, which must be a plain `http` one."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise click.ClickException(f"{url}: only servers at http://host:port can be measured")
    loop, port = asyncio.get_running_loop(), parts.port or 80
    wires: list[Wire] = []
    try:
        for _ in range(count):
            _, wire = await loop.create_connection(lambda: Wire(f"{parts.hostname}:{port}"), parts.hostname, port)
            wires.append(wire)
        yield wires
    finally:
        for wire in wires:
            wire.close()

"""HTTP as plainly as it goes: one connection, one request at a time, and microseconds of CPU for each.

A full client would use more CPU than the server, and on a machine that both share its own queue would be measured.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import click
import httptools

from callboard.model import json
from callboard.model.json import JsonObject


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: a GET, or a POST of *body* when there is one."""

    path: str
    body: JsonObject | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self, host: str) -> bytes:
        """The request as it goes to *host*."""
        body = b"" if self.body is None else json.encode(self.body)
        headers = {"host": host, "accept": "application/json", **self.headers}
        if self.body is not None:
            headers |= {"content-type": "application/json", "content-length": str(len(body))}
        lines = [f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Unexpected(click.ClickException):
    """An answer with another status than the one that was asked for."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the server answered {status}: {said}")
        self.status = status


class Wire(asyncio.Protocol):
    """A connection that is kept open."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.closed = asyncio.Event()
        self._status = 200
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
        self.closed.set()
        self._end(exc or ConnectionResetError("the server has closed the connection"))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand over the whole answer."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        said = b"".join(self._body)[:500]
        self._end(None if status == self._status else Unexpected(status, said.decode(errors="replace")))

    async def send(self, request: bytes, *, status: int = 200) -> bytes:
        """The body of the answer to an encoded *request*. Raises Unexpected when it has another *status*."""
        if self.closed.is_set():
            raise ConnectionResetError("the server has closed the connection, which was idle")
        self._body = []
        self._status = status
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    async def get(self, path: str) -> bytes:
        """The body of the answer to a GET. Raises Unexpected unless the status is 200."""
        return await self.send(Ask(path).encoded(self.host))

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


W = TypeVar("W", bound=Wire)


@contextlib.asynccontextmanager
async def connected(url: str, count: int, kind: type[W]) -> AsyncIterator[list[W]]:
    """*count* connections of one kind to the server at *url*, which must be a plain `http` one."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise click.ClickException(f"{url}: only servers at http://host:port can be measured")
    loop, port = asyncio.get_running_loop(), parts.port or 80
    wires: list[W] = []
    try:
        for _ in range(count):
            _, wire = await loop.create_connection(lambda: kind(f"{parts.hostname}:{port}"), parts.hostname, port)
            wires.append(wire)
        yield wires
    finally:
        for wire in wires:
            wire.close()

"""Open streams, read as a server would hand them on: message by message."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message, Scope

from callboard.api.context import MOUNT
from callboard.api.event_streams import CONNECTION

SSE, LINES, BATCH = "text/event-stream", "application/x-ndjson", "application/cloudevents-batch+json"


@dataclass(slots=True)
class Frame:
    """One server-sent event, or a comment."""

    fields: dict[str, str]

    @property
    def event(self) -> str:
        return self.fields.get("event", "")

    @property
    def id(self) -> str | None:
        return self.fields.get("id")

    @property
    def data(self) -> Any:
        return json.loads(self.fields["data"])


@dataclass(slots=True)
class Open:
    """A stream that is open."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    aborted: bool = False
    blocked: bool = False
    """Whether the reader takes nothing any more."""
    task: "asyncio.Task[None] | None" = None
    _pieces: "asyncio.Queue[bytes | None]" = field(default_factory=asyncio.Queue)
    _text: bytes = b""
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.blocked:
            await asyncio.Event().wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self._begun.set()
            return
        self._pieces.put_nowait(message.get("body", b""))
        if not message.get("more_body", False):
            self.ended = True
            self._pieces.put_nowait(None)

    def leave(self) -> None:
        """Close the connection, as a reader does."""
        self._gone.set()

    def is_full(self) -> bool:
        """Whether the reader takes nothing."""
        return self.blocked

    def abort(self) -> None:
        """Close the connection, as the server does."""
        self.aborted = True
        self._gone.set()

    async def until(self, separator: bytes) -> bytes:
        """The next part of the answer; nothing at its end."""
        async with asyncio.timeout(10):
            while separator not in self._text:
                piece = await self._pieces.get()
                if piece is None:
                    self._pieces.put_nowait(None)
                    rest, self._text = self._text, b""
                    return rest
                self._text += piece
        part, _, self._text = self._text.partition(separator)
        return part

    async def frame(self) -> Frame:
        """The next server-sent event."""
        text = (await self.until(b"\n\n")).decode()
        parts = (line.partition(": ") for line in text.splitlines())
        return Frame({name: value for name, _, value in parts})

    async def frames(self, number: int) -> list[Frame]:
        return [await self.frame() for _ in range(number)]

    async def line(self) -> Any:
        """The next line; None at the end."""
        text = await self.until(b"\n")
        return json.loads(text) if text else None

    async def lines(self) -> list[Any]:
        """All lines up to the end."""
        found = []
        while (line := await self.line()) is not None:
            found.append(line)
        return found

    async def rest(self) -> bytes:
        """All that comes up to the end."""
        return await self.until(b"\0")

    async def over(self) -> None:
        """Wait until the application has ended the stream by itself."""
        assert self.task is not None
        async with asyncio.timeout(10):
            await asyncio.shield(self.task)


def scope_of(path: str, headers: Mapping[str, str], parameters: Mapping[str, object]) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": MOUNT + path,
        "raw_path": (MOUNT + path).encode(),
        "root_path": "",
        "query_string": urlencode(parameters, doseq=True).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }


@asynccontextmanager
async def opened(
    app: ASGIApp, accept: str = SSE, headers: Mapping[str, str] | None = None, **parameters: object
) -> AsyncIterator[Open]:
    """A stream of events, which the reader leaves at the end."""
    stream = Open()
    scope = scope_of("/events", {"accept": accept, **(headers or {})}, parameters)
    scope["state"] = {CONNECTION: stream}
    stream.task = asyncio.create_task(app(scope, stream.receive, stream.send))  # type: ignore[arg-type]
    begun = asyncio.create_task(stream._begun.wait())
    await asyncio.wait({begun, stream.task}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()
    try:
        if stream.task.done():
            stream.task.result()
        yield stream
    finally:
        stream.blocked = False
        stream.leave()
        await asyncio.wait_for(stream.task, 10)

"""Open streams of events: server-sent events, or a line each.

Plain ASGI: there may be thousands of them in a process, and most of the time nothing happens.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from callboard.app import ReadSide
from callboard.errors import OffsetExpired, OffsetInTheFuture
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.stream.audience import Ending, reconnect_after
from callboard.stream.forms import Encodings, Form, framed, position
from callboard.stream.pages import Page
from callboard.stream.readers import Reader
from callboard.stream.streams import Stream
from callboard.view.views import View

EVENTS = "text/event-stream"

CONNECTION = "callboard.connection"
"""Where the state of a request has its connection, if the server hands that out."""

_HEADERS = [
    # A proxy or a browser that keeps, compresses or collects the events would deliver none for a long time.
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def advice(error: OffsetExpired | OffsetInTheFuture, view: View) -> dict[str, object]:
    """What a program whose position can't be served needs to begin again."""
    resync: JsonObject = {"offset": 0, "mode": "compacted"}
    return {"code": error.code, "head": view.offset, "epoch": view.epoch, "resync": resync}


class Connection(Protocol):
    """What an open stream has to know of the connection below it."""

    def is_full(self) -> bool:
        """Whether it takes nothing now, since the reader has not taken what was sent."""
        ...

    def abort(self) -> None:
        """Close it at once, whatever is still to be sent."""
        ...


class EventStream(Response):
    """An answer that goes on for as long as *stream* does, for a reader who has been admitted as one of a *kind*."""

    def __init__(
        self, *, stream: Stream, first: Page, kind: str, form: Form, media_type: str, read_side: ReadSide
    ) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = [(b"content-type", media_type.encode()), *_HEADERS]
        self._stream = stream
        self._first = first
        self._kind = kind
        self._audience = read_side.audience
        self._patience = read_side.settings.callboard.stream.slow_reader_seconds
        self._connection: Connection | None = None
        self._words: _Words = (_Frames if form.framed else _Lines)(
            stream, form, read_side.encodings, read_side.follower.view
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell everything, until the reader has gone or there is no more to tell."""
        self._connection = scope.get("state", {}).get(CONNECTION)
        leaving = asyncio.create_task(_left(receive))
        try:
            with self._stream.follower.readers.attending(self._stream.offset) as reader:
                ending = await _unless(leaving, self._tell(send, reader))
            self._audience.ended(ending)
            if ending is Ending.SLOW:
                await self._abort(leaving)
        finally:
            self._audience.leave(self._kind)
            leaving.cancel()

    async def _tell(self, send: Send, reader: Reader) -> Ending:
        page: Page | None = self._first
        try:
            await self._within(send({"type": "http.response.start", "status": 200, "headers": self.raw_headers}))
            await self._put(send, self._words.opening())
            while self._stream.ending is None:
                for piece in self._words.told(page):
                    await self._put(send, piece)
                reader.offset, reader.waiting = self._stream.offset, self._stream.caught_up
                # Let go of it: it may be long until the next one.
                page = None
                page = await self._stream.advance(reader)
            await self._put(send, self._words.closing(), more=False)
        except TimeoutError:
            return Ending.SLOW
        return self._stream.ending

    async def _put(self, send: Send, data: bytes, *, more: bool = True) -> None:
        if data or not more:
            await self._within(send({"type": "http.response.body", "body": data, "more_body": more}))

    async def _within(self, sending: Awaitable[None]) -> None:
        if self._connection is not None and not self._connection.is_full():
            # It takes this at once; to watch it would cost as much.
            await sending
            return
        async with asyncio.timeout(self._patience):
            await sending

    async def _abort(self, leaving: "asyncio.Task[None]") -> None:
        """Close the connection. What the reader has not taken would otherwise keep it open for as long as it likes."""
        if self._connection is not None:
            self._connection.abort()
            await leaving


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unless(leaving: "asyncio.Task[None]", telling: Awaitable[Ending]) -> Ending:
    """How *telling* ends, which is given up when the reader leaves."""
    here = asyncio.current_task()
    assert here is not None

    def give_up(_: object) -> None:
        here.cancel()

    leaving.add_done_callback(give_up)
    try:
        return await telling
    except asyncio.CancelledError:
        # It may as well be the server that has no more time.
        if not leaving.done() or here.uncancel():
            raise
        return Ending.LEFT
    finally:
        leaving.remove_done_callback(give_up)


class _Words(Protocol):
    """What is sent beside the events, and when."""

    def opening(self) -> bytes:
        """What comes before everything else."""
        ...

    def told(self, page: Page | None) -> Iterator[bytes]:
        """A page in pieces, or a heartbeat."""
        ...

    def closing(self) -> bytes:
        """What comes after everything else."""
        ...


class _Frames:
    """Server-sent events."""

    __slots__ = ("_encodings", "_form", "_knew_all", "_marked", "_stream", "_view")

    def __init__(self, stream: Stream, form: Form, encodings: Encodings, view: View) -> None:
        self._stream = stream
        self._form = form
        self._encodings = encodings
        self._view = view
        self._marked = stream.offset
        """The last position that the reader knows."""
        self._knew_all = False

    def opening(self) -> bytes:
        """When to come back, should the connection break."""
        return _retry()

    def told(self, page: Page | None) -> Iterator[bytes]:
        """The events, with a bookmark when the past is told for the first time, and in a heartbeat."""
        if page is not None and page.changes:
            form = self._form if page.way is None else replace(self._form, way=page.way)
            yield from self._encodings.pieces(page.changes, form, page.epoch, whole=not self._stream.limited)
            self._marked = page.changes[-1].offset
        if page is None or (page.caught_up and not self._knew_all):
            yield self._bookmark() or b":\n\n"
        self._knew_all = self._knew_all or self._stream.caught_up

    def closing(self) -> bytes:
        """What the reader should know before it comes back."""
        if self._stream.failure is not None:
            return framed(json.encode(_described(self._stream.failure, self._view)), event="gone")
        return self._bookmark() + (_retry() if self._stream.ending is Ending.SHUTDOWN else b"")

    def _bookmark(self) -> bytes:
        stream = self._stream
        if self._knew_all and self._marked == stream.offset:
            return b""
        self._marked = stream.offset
        assert stream.epoch is not None
        return framed(_marked(stream), event="bookmark", at=position(stream.epoch, stream.offset, stream.began))


class _Lines:
    """A line each."""

    __slots__ = ("_encodings", "_form", "_stream", "_view")

    def __init__(self, stream: Stream, form: Form, encodings: Encodings, view: View) -> None:
        self._stream = stream
        self._form = form
        self._encodings = encodings
        self._view = view

    def opening(self) -> bytes:
        """Nothing: every line is an event or a bookmark."""
        return b""

    def told(self, page: Page | None) -> Iterator[bytes]:
        """The events, and behind each page, or as a heartbeat, a bookmark."""
        if page is not None:
            whole = not self._stream.limited
            yield from self._encodings.pieces(page.changes, self._form, page.epoch, between=b"\n", whole=whole)
        yield (b"\n%b\n" if page is not None and page.changes else b"%b\n") % _marked(self._stream)

    def closing(self) -> bytes:
        """Why it ends, where there is more to do than to go on."""
        if self._stream.failure is not None:
            return json.encode({"gone": _described(self._stream.failure, self._view)}) + b"\n"
        if self._stream.ending is Ending.SHUTDOWN:
            return b'{"retry":%d}\n' % round(reconnect_after() * 1000)
        return b""


def _marked(stream: Stream) -> bytes:
    return b'{"bookmark":%d,"epoch":%b,"caughtUp":%b%b}' % (
        stream.offset,
        json.encode(stream.epoch),
        b"true" if stream.caught_up else b"false",
        b"" if stream.began is None else b',"began":%d' % stream.began,
    )


def _retry() -> bytes:
    return b"retry: %d\n\n" % round(reconnect_after() * 1000)


def _described(error: OffsetExpired | OffsetInTheFuture, view: View) -> dict[str, object]:
    return {"message": str(error), **advice(error, view)}

"""What surrounds every request: its offset, its tag, its compression, and its time in the metrics.

Plain ASGI. Everything that a request doesn't ask for costs it nothing, which adds up to a few microseconds.
"""

from collections.abc import Awaitable

from prometheus_client import Histogram
from starlette.middleware.gzip import GZipResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callboard.api import conditional
from callboard.api.context import IN_SCOPE, Context
from callboard.clock import Clock
from callboard.stream.following import Follower

_WORTH_COMPRESSING = 1024
# JSON of a catalog shrinks to a sixth at the lowest level, which costs a third of the usual one.
_COMPRESSION = 1

_OLD = 2.0
"""Seconds. The follower looks twice in each of them as long as the database can be asked."""

_COMPRESSING = "callboard.compressing"
"""Where a request says that its answer will be compressed if that is worth it."""

_LEFT_OUT_OF_304 = frozenset((b"content-type", b"content-length", b"content-encoding"))


class Surroundings:
    """Adds what every answer says of itself to those of *app*, and answers 304 to who holds the answer already."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._clock = context.read_side.clock
        self._follower = context.follower
        self._requests = context.read_side.metrics.requests
        self._tracing = context.read_side.metrics.tracing
        self._timers: dict[tuple[str, int], Histogram] = {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What answers a request: not a coroutine of its own, of which there would be one for each who waits."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        for name, value in scope["headers"]:
            if name == b"accept-encoding" and b"gzip" in value:
                scope[_COMPRESSING] = True
                return _Compressed(self._answer, _WORTH_COMPRESSING, _COMPRESSION)(scope, receive, send)
        return self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # As it was sent: a slash within a parameter stays %2F until its route has been found.
        path = scope["raw_path"].decode("latin-1")
        scope["path"] = path.rstrip("/") if len(path) > 1 else path
        scope[IN_SCOPE] = self._context
        started = self._clock.monotonic()
        answer = _Answer(scope, send, self._follower, self._clock)
        try:
            if self._tracing is None:
                await self._app(scope, receive, answer.send)
            else:
                with self._tracing.request(scope["method"], path, scope["headers"]) as span:
                    await self._app(scope, receive, answer.send)
                    span.with_status(answer.status, _route(scope))
        finally:
            self._timer(_route(scope), answer.status).observe(self._clock.monotonic() - started)

    def _timer(self, path: str, status: int) -> Histogram:
        # Kept here, since looking for it among the labels takes longer than measuring.
        timer = self._timers.get((path, status))
        if timer is None:
            timer = self._timers[path, status] = self._requests.labels(path, str(status))
        return timer


def _route(scope: Scope) -> str:
    path: str = getattr(scope.get("route"), "path", "(none)")
    return path


class _Compressed(GZipResponder):
    """An answer that is compressed unless it says that it should not be: each open stream would cost 256 kB."""

    _as_it_is = False

    async def send_with_compression(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._as_it_is = any(
                name == b"cache-control" and b"no-transform" in value for name, value in message["headers"]
            )
        await (self.send(message) if self._as_it_is else super().send_with_compression(message))


class _Answer:
    """One answer on its way out. Its beginning is held back until the tag is known."""

    __slots__ = (
        "_clock",
        "_compressing",
        "_follower",
        "_held",
        "_if_none_match",
        "_known",
        "_send",
        "_start",
        "_tagged",
        "status",
    )

    def __init__(self, scope: Scope, send: Send, follower: Follower, clock: Clock) -> None:
        self._clock = clock
        self._send = send
        self._follower = follower
        self._compressing = _COMPRESSING in scope
        self._tagged = scope["method"] in ("GET", "HEAD")
        self._if_none_match = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
        self._start: Message | None = None
        self._known: bytes | None = None
        self._held = False
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif not self._held:
            if self._start is not None:
                await self._tag(message)
            if not self._held:
                await self._send(message)

    async def _begin(self, message: Message) -> None:
        self.status = message["status"]
        headers = message["headers"]
        present = dict(headers)
        if b"callboard-offset" not in present:
            headers.append((b"callboard-offset", b"%d" % self._follower.view.offset))
        age = self._clock.monotonic() - self._follower.seen_at
        if age >= _OLD and self._follower.position is not None:
            headers.append((b"callboard-view-age", b"%d" % age))
        # Where the answer is compressed, who does that says so itself.
        if not self._compressing or int(present.get(b"content-length", _WORTH_COMPRESSING)) < _WORTH_COMPRESSING:
            headers.append((b"vary", b"Accept-Encoding"))
        if self._tagged and self.status == 200 and b"no-store" not in present.get(b"cache-control", b""):
            self._start, self._known = message, present.get(b"etag")
        else:
            await self._send(message)

    async def _tag(self, body: Message) -> None:
        start, self._start = self._start, None
        assert start is not None
        tag = None if self._known is None else self._known.decode("latin-1")
        if tag is None and not body.get("more_body", False):
            tag = conditional.tag_of(body.get("body", b""))
            start["headers"].append((b"etag", tag.encode("latin-1")))
        asked = self._if_none_match
        if tag is not None and asked is not None and conditional.is_held(tag, asked.decode("latin-1")):
            self._held = True
            self.status = 304
            kept = [(name, value) for name, value in start["headers"] if name not in _LEFT_OUT_OF_304]
            await self._send({"type": "http.response.start", "status": 304, "headers": kept})
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._send(start)

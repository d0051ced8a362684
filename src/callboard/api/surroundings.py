"""What surrounds every request: its offset, its tag, its compression, and its time in the metrics.

Plain ASGI. Everything that a request doesn't ask for costs it nothing, which adds up to a few microseconds.
"""

from collections.abc import Awaitable

from prometheus_client import Histogram
from starlette.middleware.gzip import GZipResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callboard import compression
from callboard.api import answers, conditional, whole
from callboard.api.context import IN_SCOPE, Context
from callboard.clock import Clock
from callboard.stream.following import Follower

_OLD = 2.0
"""Seconds. The follower looks twice in each of them as long as the database can be asked."""

COMPRESSING = "callboard.compressing"
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
                scope[COMPRESSING] = True
                return _Compressed(self._answer, compression.LEAST, compression.LEVEL)(scope, receive, send)
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
    """One answer on its way out. Its beginning is held back until its tag is known, or its body can go along."""

    __slots__ = (
        "_clock",
        "_compressing",
        "_follower",
        "_held",
        "_may_be_held",
        "_present",
        "_scope",
        "_send",
        "_start",
        "status",
    )

    def __init__(self, scope: Scope, send: Send, follower: Follower, clock: Clock) -> None:
        self._clock = clock
        self._scope = scope
        self._send = send
        self._follower = follower
        self._compressing = COMPRESSING in scope
        self._start: Message | None = None
        self._present: dict[bytes, bytes] = {}
        """The headers that the answer came with."""
        self._may_be_held = False
        self._held = False
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
            if not self._may_be_held and b"content-length" not in self._present:
                await self._send_start()
        elif not self._held:
            await self._go_on(message)

    def _begin(self, message: Message) -> None:
        self.status = message["status"]
        headers = message["headers"]
        present = dict(headers)
        if b"callboard-offset" not in present:
            headers.append((b"callboard-offset", b"%d" % self._follower.view.offset))
        age = self._clock.monotonic() - self._follower.seen_at
        if age >= _OLD and self._follower.position is not None:
            headers.append((b"callboard-view-age", b"%d" % age))
        # Where the answer is compressed on its way, who does that says so itself.
        is_long = int(present.get(b"content-length", compression.LEAST)) >= compression.LEAST
        if not (self._compressing and is_long) or b"content-encoding" in present:
            headers.append((b"vary", b"Accept-Encoding"))
        self._start, self._present = message, present
        self._may_be_held = (
            self.status == 200
            and self._scope["method"] in ("GET", "HEAD")
            and b"no-store" not in present.get(b"cache-control", b"")
        )

    async def _go_on(self, message: Message) -> None:
        start = self._start
        if start is not None:
            body, is_all = message.get("body", b""), not message.get("more_body", False)
            if self._may_be_held:
                self._tag(start, body if is_all else None)
            if self._held:
                await self._say_so(start)
                return
            if is_all and whole.sent(self._send, start, self._present, body):
                self._start = None
                return
            await self._send_start()
        await self._send(message)

    async def _send_start(self) -> None:
        start, self._start = self._start, None
        assert start is not None
        await self._send(start)

    def _tag(self, start: Message, body: bytes | None) -> None:
        """Give an answer its tag, if it has none and all of its *body* is known, and look whether it is held."""
        known = self._present.get(b"etag")
        if known is not None:
            tag = known.decode("latin-1")
        elif body is not None:
            tag = conditional.tag_of(body)
            start["headers"].append((b"etag", tag.encode("latin-1")))
        else:
            return
        asked = answers.header(self._scope, b"if-none-match")
        self._held = asked is not None and conditional.is_held(tag, asked.decode("latin-1"))

    async def _say_so(self, start: Message) -> None:
        """Send no body to who holds it already."""
        self.status = 304
        kept = [(name, value) for name, value in start["headers"] if name not in _LEFT_OUT_OF_304]
        await self._send({"type": "http.response.start", "status": 304, "headers": kept})
        await self._send({"type": "http.response.body", "body": b""})

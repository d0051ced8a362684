"""Answers: JSON that is put together from the JSON that the view holds, without parsing it."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Scope

from callboard.api import conditional
from callboard.model import json
from callboard.model.hashing import digest
from callboard.model.projection import Projection, reduced
from callboard.view.bodies import Selection

JSON = "application/json"

LINES = "application/x-ndjson"
"""The media type for one entity a line, without a list around them."""

_STREAMED_FROM = 500
"""A longer list is never whole in memory."""

_PIECE = 64 * 1024
"""Bytes, or a little more, that are sent at a time."""


def value(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any value as JSON."""
    return Response(json.encode(content), status, media_type=JSON, headers=headers)


class _Ready(Response):
    """An answer without all that Starlette's looks for in content and headers, which is most of a small one's cost."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str] | None) -> None:
        self.status_code = 200
        self.body = body
        self.background = None
        self.raw_headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
        if headers:
            self.raw_headers += [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]


def header(scope: Scope, name: bytes) -> bytes | None:
    """The header of a request that is called *name*, as it was sent. Starlette's way takes five times as long."""
    for known, value in scope["headers"]:
        if known == name:
            found: bytes = value
            return found
    return None


def raw(body: bytes, headers: Mapping[str, str] | None = None, media_type: str = JSON) -> Response:
    """A body that is JSON already."""
    return _Ready(body, media_type, headers)


def empty(status: int) -> Response:
    """Nothing but a status."""
    return Response(status_code=status)


def wants_lines(request: Request) -> bool:
    """Whether the caller asks for one entity a line."""
    return LINES in request.headers.get("accept", "")


def entities(
    request: Request, bodies: Selection, projection: Projection | None, headers: Mapping[str, str] | None = None
) -> Response:
    """The entities as a JSON array, or a line each; a long list is made while it is sent."""
    lines = wants_lines(request)
    media_type = LINES if lines else JSON
    if len(bodies) < _STREAMED_FROM:
        return raw(whole(bodies, projection, lines=lines), headers, media_type)
    # The answer can't be hashed before it is made, so its tag says what it is made of.
    form = repr((lines, projection)).encode()
    tag = conditional.tag_of_digest(digest(bodies.digest, form))
    known = {**(headers or {}), "etag": tag}
    if conditional.is_held(tag, request.headers.get("if-none-match")):
        return Response(b"", media_type=media_type, headers=known)
    return StreamingResponse(_pieces(_parts(bodies, projection, lines=lines)), media_type=media_type, headers=known)


def _parts(bodies: Iterable[bytes], projection: Projection | None, *, lines: bool) -> Iterator[bytes]:
    if projection is not None:
        bodies = (reduced(body, projection) for body in bodies)
    if lines:
        for body in bodies:
            yield body
            yield b"\n"
        return
    separator = b"["
    for body in bodies:
        yield separator
        yield body
        separator = b","
    yield b"]" if separator == b"," else b"[]"


async def _pieces(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
            # Sending waits only for a slow reader; others want an answer meanwhile.
            await checkpoint()
    yield bytes(piece)


def whole(bodies: Iterable[bytes], projection: Projection | None, *, lines: bool = False) -> bytes:
    """The entities as a JSON array, or a line each, reduced to what the projection asks for."""
    return b"".join(_parts(bodies, projection, lines=lines))


def appended(fields: Mapping[str, int]) -> bytes:
    """*fields* at the end of a JSON object that has others."""
    return b"".join(b',"%b":%d' % (name.encode(), number) for name, number in fields.items())

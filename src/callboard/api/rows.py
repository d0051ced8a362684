"""Rows: a body with any number of entities, read while it comes in.

As lines (`application/x-ndjson`), where a line that is no JSON leaves the others as they are, or as one JSON array,
where everything behind a mistake is lost.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator

import ijson
from starlette.requests import ClientDisconnect, Request

from callboard.api.answers import JSON, LINES
from callboard.api.parameters import LARGEST_BODY
from callboard.errors import InvalidInput
from callboard.ingestion.uploads import Row
from callboard.model import json

_SPACE = b" \t\r\n"


class Rows:
    """The rows of one request, and afterwards the digest of its body."""

    def __init__(self, request: Request) -> None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (JSON, LINES):
            raise InvalidInput(f"unsupported media type {kind or '(none)'}, expected {LINES} or {JSON}")
        self._request = request
        self._lines = kind == LINES
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """Tells this body from others, once all of it has been read."""
        return self._digest.digest()

    async def __aiter__(self) -> AsyncIterator[Row]:
        """Each row with its number. Raises InvalidInput where the body as a whole is wrong."""
        pieces = _Lines() if self._lines else _Array()
        try:
            async for piece in self._request.stream():
                self._digest.update(piece)
                for row in pieces.feed(piece):
                    yield row
        except ClientDisconnect:
            raise InvalidInput("request/body ended before it was complete") from None
        for row in pieces.end():
            yield row


class _Lines:
    """Takes a body apart into its lines."""

    def __init__(self) -> None:
        self._left = b""
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[Row]:
        """The rows that are complete with *piece*."""
        *lines, self._left = (self._left + piece).split(b"\n")
        for line in lines:
            yield from self._row(line)
        _check_size(self._number + 1, len(self._left))

    def end(self) -> Iterator[Row]:
        """The last row, which needs no line break."""
        yield from self._row(self._left)

    def _row(self, line: bytes) -> Iterator[Row]:
        if not line.strip(_SPACE):
            return
        self._number += 1
        _check_size(self._number, len(line))
        try:
            yield self._number, json.decode(line)
        except ValueError as error:
            yield self._number, InvalidInput(f"is not valid JSON: {error}")


def _check_size(number: int, size: int) -> None:
    if size > LARGEST_BODY:
        raise InvalidInput(f"row {number} is larger than the {LARGEST_BODY // 2**20} MiB that one may have")


class _Array:
    """Takes a JSON array apart into its elements."""

    def __init__(self) -> None:
        self._found = ijson.sendable_list()
        self._parser = ijson.items_coro(self._found, "item", use_float=True)
        self._begun = False
        self._number = 0
        self._since = 0

    def feed(self, piece: bytes) -> Iterator[Row]:
        """The elements that are complete with *piece*."""
        piece = piece if self._begun else piece.lstrip(_SPACE)
        if not piece:
            # To the parser an empty piece is the end.
            return
        if not self._begun:
            if not piece.startswith(b"["):
                raise InvalidInput("request/body must be array")
            self._begun = True
        try:
            self._parser.send(piece)
        except (ijson.JSONError, UnicodeDecodeError, StopIteration) as error:
            yield from self._complete()
            raise self._broken(error) from None
        self._since = 0 if self._found else self._since + len(piece)
        _check_size(self._number + 1, self._since)
        yield from self._complete()

    def end(self) -> Iterator[Row]:
        """Nothing more, if the array was closed."""
        if not self._begun:
            raise InvalidInput("request/body must be array")
        try:
            self._parser.close()
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise self._broken(error) from None
        yield from self._complete()

    def _complete(self) -> Iterator[Row]:
        for value in self._found:
            self._number += 1
            yield self._number, value
        del self._found[:]

    def _broken(self, error: Exception) -> InvalidInput:
        reason = str(error).partition("\n")[0].strip() or "something follows the array"
        return InvalidInput(f"request/body is not valid JSON, in or behind row {self._number + 1}: {reason}")

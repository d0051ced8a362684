"""Lines: entities as NDJSON, made while they are sent."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import cast

from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.json import JsonObject

_PIECE = 64 * 1024
"""Bytes, or a little more, that are sent at a time."""

_DELTA = 500
_DELTA_BYTES = 4 * 2**20
"""A delta has to fit into the 10 MiB that a body may have."""


def pieces(rows: Iterable[bytes]) -> Iterator[list[JsonObject]]:
    """The entities of *rows*, as many at a time as fit into one delta; one piece at least, be it empty."""
    piece: list[JsonObject] = []
    size = 0
    for row in rows:
        if len(piece) == _DELTA or (piece and size + len(row) > _DELTA_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(cast("JsonObject", json.decode(row)))
        size += len(row)
    yield piece


class Lines:
    """A body with one entity a line. However many there are, only a piece of it is in memory."""

    def __init__(self, entities: Iterable[Mapping[str, object] | bytes]) -> None:
        self._entities = entities
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether all of it can be sent, still or again: an iterator gives what it has only once."""
        return not (self._begun and isinstance(self._entities, Iterator))

    def __iter__(self) -> Iterator[bytes]:
        self._begun = True
        piece: list[bytes] = []
        size = 0
        for entity in self._entities:
            line = _line(entity)
            piece.append(line)
            size += len(line)
            if size >= _PIECE:
                yield b"".join(piece)
                piece, size = [], 0
        yield b"".join(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def _line(entity: Mapping[str, object] | bytes) -> bytes:
    if not isinstance(entity, bytes):
        return json.encode(dict(entity)) + b"\n"
    if b"\n" in entity.rstrip(b"\r\n"):
        raise InvalidInput("an entity that is given as JSON must stand in one line")
    return entity.rstrip(b"\r\n") + b"\n"


class Splitter:
    """Takes an answer apart into its lines, as it comes."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that are complete with *piece*."""
        # Only this byte ends a line; JSON may hold others that count as line breaks in a text.
        *lines, self._left = (self._left + piece).split(b"\n")
        return [line for line in lines if line]

    def end(self) -> list[bytes]:
        """What is left, which needs no line break."""
        return [self._left] if self._left else []

"""Parcel: the entities that a push is to send, checked one by one and kept on disk, with where each came from."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from callboard.cli.entity_files import EntityFile, Place, Unparsable, read
from callboard.errors import InvalidInput
from callboard.ingestion import mutations, written
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.store import claims


@dataclass(frozen=True, slots=True)
class Problem:
    """An entity that the catalog would not take over."""

    place: Place
    reason: str
    ref: str | None = None
    """None when nobody can tell which entities it is about."""


@dataclass(slots=True)
class Parcel:
    """The entities of one push, each a row."""

    provider: str
    folder: Path
    """For what has to be kept as long as the parcel."""
    rows: list[Place] = field(default_factory=list)
    """Where each row came from. Malformed rows are among them: the server has to know what it must not withdraw."""
    problems: list[Problem] = field(default_factory=list)
    _offsets: list[int] = field(default_factory=list)
    _first: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _lines: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    _end: int = 0

    def take_in(self, file: EntityFile) -> None:
        """Check what stands in *file*, and keep it."""
        for place, value in read(file):
            self._add(place, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    @property
    def refs(self) -> Sequence[str]:
        """The refs of the good entities, each once."""
        return list(self._first)

    def __iter__(self) -> Iterator[bytes]:
        """All rows as JSON, as often as somebody wants them."""
        self._lines.seek(0)
        yield from self._lines

    def good(self) -> Iterator[bytes]:
        """The good entities as JSON, each once."""
        for row, _ in self._first.values():
            yield self._line(row)

    def entity(self, ref: str) -> JsonObject:
        """The entity with this ref, as it is sent."""
        value = json.decode(self._line(self._first[ref][0]))
        assert isinstance(value, dict)
        return value

    def place_of(self, ref: str) -> Place | None:
        """Where an entity came from; None when it is not in the parcel."""
        return self.rows[self._first[ref][0]].found() if ref in self._first else None

    def place_of_row(self, row: int) -> Place | None:
        """Where a row came from, counted from 1."""
        return self.rows[row - 1].found() if 0 < row <= len(self.rows) else None

    def _add(self, place: Place, value: JsonValue | Unparsable) -> None:
        if isinstance(value, Unparsable):
            self.problems.append(Problem(place.found(), str(value)))
            return
        try:
            # The server asks the same.
            source = claims.of_provider(self.provider)
            claim = mutations.claim_of(source, written.offered(self.provider, value))
        except (InvalidInput, TypeError) as error:
            self._write(place, json.encode(value))
            self.problems.append(Problem(place.found(), str(error), mutations.ref_in(value)))
            return
        self._write(place, claim.content.encode())
        row, digest = self._first.setdefault(claim.ref, (len(self.rows) - 1, claim.content_hash))
        if digest != claim.content_hash:
            other = self.rows[row].found()
            self.problems.append(
                Problem(place.found(), f"is there twice, with different content; the other one is {other}", claim.ref)
            )

    def _write(self, place: Place, line: bytes) -> None:
        self.rows.append(place)
        self._offsets.append(self._end)
        self._end += self._lines.write(line + b"\n")

    def _line(self, row: int) -> bytes:
        self._lines.seek(self._offsets[row])
        return self._lines.readline()

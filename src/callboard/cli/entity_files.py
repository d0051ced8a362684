"""Entity files: which files a push is about, and what is in them, one entity at a time."""

import json as standard_json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import ijson

from callboard.errors import InvalidDocument
from callboard.model import json
from callboard.model.documents import MAX_BYTES, locate, parse_documents
from callboard.model.json import JsonValue

STDIN = Path("-")

_YAML = frozenset((".yaml", ".yml"))
_LINES = frozenset((".ndjson", ".jsonl"))
_IN_DIRECTORIES = _YAML | {".json", ".ndjson"}
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class EntityFile:
    """A file, and what the user calls it."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file: its line, and which of the file's values it is, from 0 on."""

    file: EntityFile
    line: int | None
    index: int = 0

    def found(self) -> "Place":
        """The same place with its line, if it can be told."""
        if self.line is not None:
            return self
        return Place(self.file, _line_of_element(self.file.path, self.index), self.index)

    def __str__(self) -> str:
        if self.line is None:
            return f"{self.file.name}, entity {self.index + 1}"
        return f"{self.file.name}:{self.line}"


class Unparsable(InvalidDocument):
    """Text that can't be read at all; what stands in it could be anything."""

    def __init__(self, place: Place, reason: str) -> None:
        self.place = place
        super().__init__(reason)


def find(paths: Sequence[Path], folder: Path) -> list[EntityFile]:
    """The files that are meant, each once. Standard input is copied into *folder*; nothing hidden is looked at."""
    found: dict[Path, EntityFile] = {}
    for path in paths:
        if path == STDIN:
            found.setdefault(STDIN, _from_stdin(folder))
        elif path.is_dir():
            for inner in sorted(_within(path)):
                found.setdefault(inner.resolve(), EntityFile(str(inner), inner))
        else:
            found.setdefault(path.resolve(), EntityFile(str(path), path))
    return list(found.values())


def _within(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in _IN_DIRECTORIES and not hidden and path.is_file():
            yield path


def _from_stdin(folder: Path) -> EntityFile:
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    return EntityFile("(stdin)", Path(copy.name))


def read(file: EntityFile) -> Iterator[tuple[Place, JsonValue | Unparsable]]:
    """All that stands in *file*, with its place. What can't be read is told, and ends the file unless it has lines."""
    try:
        match _notation(file.path):
            case "yaml":
                yield from _documents(file)
            case "lines":
                yield from _lines(file)
            case _:
                yield from _json(file)
    except Unparsable as error:
        yield error.place, error
    except OSError as error:
        place = Place(file, 1)
        yield place, Unparsable(place, error.strerror or str(error))


def _notation(path: Path) -> str:
    """`yaml`, `lines` or `json`: as the name says, or else as the text begins."""
    if path.suffix in _YAML:
        return "yaml"
    if path.suffix in _LINES:
        return "lines"
    with path.open("rb") as text:
        first = next((line.strip(_SPACE) for line in text if line.strip(_SPACE)), b"")
    if not first.startswith(b"{"):
        return "json" if first.startswith(b"[") or path.suffix == ".json" else "yaml"
    try:
        json.decode(first)
    except ValueError:
        return "json"
    return "lines"


def _documents(file: EntityFile) -> Iterator[tuple[Place, JsonValue]]:
    try:
        documents = parse_documents(file.path.read_bytes())
    except InvalidDocument as error:
        raise Unparsable(Place(file, error.line or 1), error.reason) from error
    for index, document in enumerate(documents):
        if document.value is not None:
            yield Place(file, document.line, index), document.value


def _lines(file: EntityFile) -> Iterator[tuple[Place, JsonValue | Unparsable]]:
    with file.path.open("rb") as text:
        for number, line in enumerate(text, 1):
            place = Place(file, number, number - 1)
            try:
                if line.strip(_SPACE):
                    yield place, json.decode(line)
            except ValueError as error:
                yield place, Unparsable(place, f"is not valid JSON: {error}")


def _json(file: EntityFile) -> Iterator[tuple[Place, JsonValue]]:
    """One entity, or the elements of an array, which is never whole in memory."""
    try:
        with file.path.open("rb") as text:
            if _first_byte(text) == b"[":
                for index, value in enumerate(ijson.items(text, "item", use_float=True)):
                    yield Place(file, None, index), value
            else:
                yield Place(file, 1), json.decode(text.read())
    except (ijson.JSONError, ValueError) as error:
        raise _explained(file, str(error)) from error


def _first_byte(text: IO[bytes]) -> bytes:
    while (byte := text.read(1)) and byte in _SPACE:
        pass
    text.seek(0)
    return byte


def _explained(file: EntityFile, otherwise: str) -> Unparsable:
    """Where JSON is broken: the fast parsers do not say it."""
    if file.path.stat().st_size <= MAX_BYTES:
        try:
            standard_json.loads(file.path.read_bytes())
        except standard_json.JSONDecodeError as error:
            return Unparsable(Place(file, error.lineno), f"is not valid JSON: {error.msg}, column {error.colno}")
        except UnicodeDecodeError:
            return Unparsable(Place(file, 1), "not UTF-8")
    return Unparsable(Place(file, 1), f"is not valid JSON: {otherwise.partition(chr(10))[0].strip()}")


def _line_of_element(path: Path, index: int) -> int | None:
    """The line on which an element of a JSON array begins. JSON is YAML but for its tabs."""
    if path.stat().st_size > MAX_BYTES:
        return None
    try:
        return locate(path.read_bytes(), 0, f"/{index}")[0]
    except InvalidDocument:
        return None

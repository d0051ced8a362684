"""A copy in a folder: a YAML file for each entity."""

import contextlib
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

from callboard.client.replicas.callbacks import Callbacks, Changes
from callboard.client.replicas.positions import Stored
from callboard.errors import AlreadyRunning, InvalidInput
from callboard.model.notation import as_yaml
from callboard.model.refs import EntityRef

_POSITION = ".callboard-mirror.json"
_LOCK = ".callboard-mirror.lock"
_UNFINISHED = ".unfinished"

_MANY = 50
"""Files that are as slow to bring to the disk one by one as everything that waits for it."""


class FolderStore(Callbacks):
    """Files `kind/namespace/name.yaml`, each written as a whole, and `.callboard-mirror.json` with the position.

    One consumer at a time has the folder, as long as its process lives: others get AlreadyRunning, which they wait
    out. A folder that has anything else in it is refused, so that nothing of somebody else's is removed.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._lock: int | None = None
        super().__init__(apply=self._change, load=self._position, refs=self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another consumer have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> Stored:
        """What there is."""
        if self._lock is None:
            self._lock = self._locked()
            # What a consumer has not finished that was killed.
            for left in self._folder.glob(f"*/*/.*{_UNFINISHED}"):
                left.unlink()
        return super().load()

    def path_of(self, ref: str) -> Path:
        """Where the file of an entity is."""
        meant = EntityRef.parse(ref)
        return self._folder / _part(meant.kind) / _part(meant.namespace) / f"{_part(meant.name)}.yaml"

    def _locked(self) -> int:
        known = [_POSITION, _LOCK]
        self._folder.mkdir(parents=True, exist_ok=True)
        there = [file.name for file in self._folder.iterdir()]
        if not any(name in there for name in known) and any(not name.startswith(".") for name in there):
            raise InvalidInput(f"{self._folder} has something else in it; expected an empty folder, or one of a mirror")
        lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise AlreadyRunning(f"another process writes to {self._folder}") from error
        return lock

    def _position(self) -> str | None:
        try:
            return (self._folder / _POSITION).read_text("utf-8")
        except FileNotFoundError:
            return None

    def _held(self) -> Iterator[str]:
        for file in self._folder.glob("*/*/*.yaml"):
            kind, namespace = file.parent.parent.name, file.parent.name
            if not kind.startswith("."):
                yield f"{unquote(kind)}:{unquote(namespace)}/{unquote(file.stem)}"

    def _change(self, changes: Changes) -> None:
        touched = _write(
            {self.path_of(event.ref): as_yaml(entity) for event in changes.put if (entity := event.entity)}
        )
        for ref in changes.removed:
            touched |= _remove(self.path_of(ref))
        # Before the position says so, also if the power fails.
        _make_durable(touched)
        _make_durable(_write({self._folder / _POSITION: changes.position}))


def _part(text: str) -> str:
    """A part of a ref as the name of a file, which can't lead elsewhere."""
    safe = quote(text, safe="")
    return f"%2E{safe[1:]}" if safe.startswith(".") else safe


def _write(texts: Mapping[Path, str]) -> set[Path]:
    """Let each file be there as a whole, or as it was. The folders that have been touched."""
    unfinished: dict[Path, Path] = {}
    for path, text in texts.items():
        if _content(path) == text.encode():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished[path] = path.parent / f".{path.name}{_UNFINISHED}"
        unfinished[path].write_bytes(text.encode())
    _make_durable(unfinished.values())
    for path, finished in unfinished.items():
        finished.replace(path)
    return {parent for path in unfinished for parent in path.parents[:2]}


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _remove(path: Path) -> set[Path]:
    """Let there be no such file, nor the folders that held nothing else. What has been touched."""
    try:
        path.unlink()
    except FileNotFoundError:
        return set()
    for parent in (path.parent, path.parent.parent):
        # Some other entity may be there.
        with contextlib.suppress(OSError):
            parent.rmdir()
    return set(path.parents[:3])


def _make_durable(paths: Collection[Path]) -> None:
    """Let what has been written to these files and folders be there even if the power fails."""
    if len(paths) > _MANY:
        os.sync()
        return
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

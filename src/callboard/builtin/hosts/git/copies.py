"""Copies: what is kept of repositories on disk.

A copy is a bare repository with the latest commits alone and without the contents of files, which come when somebody
reads them, where the server can do that. Everything in it can be fetched again, so what looks broken is thrown away.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from callboard.builtin.hosts.git.program import Broken, Git
from callboard.errors import LocationNotFound, NotAllowed, Unreadable

_MOST_PACKS = 60
"""A copy that has taken in so many commits, or files, is begun anew: looking through many packs is slow."""
_MOST_LISTED = 64 * 1024 * 1024
_FETCH_PATIENCE = 10
"""A commit may take so many times as long as a usual answer."""
_PAUSE = 0.05
"""Seconds between two looks at a lock that another process holds."""
_SURVEY = 60.0
"""Seconds between two looks at how much all copies take."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit has at a path."""

    mode: str
    type: str
    sha: str
    path: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and no folder, symbolic link or submodule."""
        return self.type == "blob" and self.mode != "120000"


class Copies:
    """The copies of the repositories of one host."""

    def __init__(self, git: Git, folder: Path, *, most_bytes: int) -> None:
        self._git = git
        self._folder = folder
        self._most_bytes = most_bytes
        self._locks: dict[str, asyncio.Lock] = {}
        self._surveyed = -_SURVEY

    @property
    def folder(self) -> Path:
        """Where they are. Raises Unreadable when it can't be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unreadable(f"the folder {self._folder} can't be used: {error.strerror or error}") from error
        return self._folder

    async def paths(self, url: str, commit: str) -> list[str]:
        """The files of *commit*, from the root of the repository at *url*."""
        async with self._having(url, commit) as copy:
            listed = await self._list(copy, commit)
        return [entry.path for entry in listed if entry.is_file]

    async def file(self, url: str, commit: str, path: str, known: str | None) -> tuple[str, bytes] | None:
        """The hash and the content of a file; None when the hash is *known* already.

        Raises LocationNotFound, NotAllowed for what is not followed, and Unreadable when it is too large.
        """
        most = self._git.outside.max_bytes
        async with self._having(url, commit) as copy:
            entry = next(iter(await self._list(copy, commit, path)), None)
            if entry is None or entry.type == "tree":
                raise LocationNotFound(f"there is no file {path} in {url} at {commit[:12]}")
            if not entry.is_file:
                what = "a symbolic link" if entry.type == "blob" else "a submodule"
                raise NotAllowed(f"{path} in {url} is {what}, which is not followed")
            if entry.sha == known:
                return None
            size = await self._git.run(
                "cat-file", "-s", entry.sha, folder=self.folder, repository=copy, most=100, most_written=most
            )
            if int(size) > most:
                raise Unreadable(f"{path} in {url} is larger than {most} bytes")
            data = await self._git.run("cat-file", "blob", entry.sha, folder=self.folder, repository=copy, most=most)
        return entry.sha, data

    async def _list(self, copy: Path, commit: str, path: str | None = None) -> list[Entry]:
        """The entry at *path*, or everything in the folders too."""
        wanted = ("-r", "-z", "--full-tree", commit) if path is None else ("-z", "--full-tree", commit, "--", path)
        listed = await self._git.run("ls-tree", *wanted, folder=self.folder, repository=copy, most=_MOST_LISTED)
        return list(_entries(listed))

    @asynccontextmanager
    async def _having(self, url: str, commit: str) -> AsyncIterator[Path]:
        """The copy of the repository at *url*, with *commit* in it, and for nobody else meanwhile."""
        name = hashlib.sha256(f"{url} {len(commit)}".encode()).hexdigest()[:40]
        copy = self.folder / f"{name}.git"
        async with self._locks.setdefault(name, asyncio.Lock()), self._locked(name):
            await asyncio.to_thread(_prepare, copy, url, len(commit))
            try:
                if not _mark(copy, commit).exists():
                    await self._fetch(copy, commit)
                yield copy
            except Broken:
                # The next one who asks begins anew.
                await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
                raise
        await self._make_room(name)

    async def _fetch(self, copy: Path, commit: str) -> None:
        await self._git.run(
            *("fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "--no-recurse-submodules"),
            *("--no-write-fetch-head", "origin", f"+{commit}:refs/kept/{commit}"),
            folder=self.folder,
            repository=copy,
            seconds=self._git.outside.timeout_seconds * _FETCH_PATIENCE,
            most=_MOST_LISTED,
            most_written=self._most_bytes,
        )

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of a copy among processes."""
        with _opened(self.folder / f"{name}.lock") as lock:
            while not _take(lock):
                await self._git.outside.clock.sleep(_PAUSE)
            yield

    async def _make_room(self, used: str) -> None:
        """Throw copies away that nobody has used for longest, once they take too much together."""
        now = self._git.outside.clock.monotonic()
        if now - self._surveyed >= _SURVEY:
            self._surveyed = now
            await asyncio.to_thread(_shrink, self.folder, self._most_bytes, used)


def _entries(listed: bytes) -> Iterator[Entry]:
    for line in listed.split(b"\0"):
        head, _, path = line.partition(b"\t")
        try:
            mode, kind, sha = head.decode().split(" ")
            yield Entry(mode, kind, sha, path.decode())
        except ValueError:
            # The end; or a name that is not UTF-8, which no URL can stand for.
            continue


def _mark(copy: Path, commit: str) -> Path:
    """What is there once *commit* is."""
    return copy / "refs" / "kept" / commit


def _prepare(copy: Path, url: str, hash_length: int) -> None:
    """An empty copy, unless there is one that can be used; what a killed process has left in it is cleared away."""
    try:
        # Whoever holds the lock of the copy is the only one who may hold these.
        for left in (*copy.glob("*.lock"), *copy.glob("refs/kept/*.lock")):
            left.unlink()
        if (copy / "config").exists() and sum(1 for _ in copy.glob("objects/pack/*.pack")) <= _MOST_PACKS:
            return
        shutil.rmtree(copy, ignore_errors=True)
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/kept"):
            (copy / folder).mkdir(mode=0o700, parents=True)
        (copy / "HEAD").write_text("ref: refs/heads/none\n")
        # Written last: it says that all else is there.
        (copy / "config").write_text(_config(url, hash_length))
    except OSError as error:
        raise Unreadable(f"the folder {copy} can't be used: {error.strerror or error}") from error


def _config(url: str, hash_length: int) -> str:
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    return (
        "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
        f"[extensions]\n\tpartialClone = origin\n\tobjectFormat = {'sha256' if hash_length == 64 else 'sha1'}\n"
        f'[remote "origin"]\n\turl = "{quoted}"\n\tpromisor = true\n\tpartialCloneFilter = blob:none\n'
    )


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a")
    except OSError as error:
        raise Unreadable(f"the file {path} can't be used: {error.strerror or error}") from error


def _take(lock: IO[str]) -> bool:
    """Whether *lock* is ours now, until it is closed. The time of the file says when it was used last."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.utime(lock.fileno())
    return True


def _shrink(folder: Path, most_bytes: int, used: str) -> None:
    sizes = {copy: _size(copy) for copy in folder.glob("*.git")}
    total = sum(sizes.values())
    for copy in sorted(sizes, key=_used_at):
        if total <= most_bytes:
            return
        with _opened(copy.with_suffix(".lock")) as lock:
            # Never one that somebody reads from just now. The one that was used last goes last, but it may go.
            if _take(lock):
                shutil.rmtree(copy, ignore_errors=True)
                total -= sizes[copy]


def _used_at(copy: Path) -> float:
    try:
        return copy.with_suffix(".lock").stat().st_mtime
    except OSError:
        return 0.0


def _size(copy: Path) -> int:
    total = 0
    for root, _, names in os.walk(copy):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118 - thousands of files
            except OSError:
                continue  # it has gone meanwhile
    return total

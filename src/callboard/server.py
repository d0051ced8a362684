"""The processes of one machine: PostgreSQL when none is configured, engines and APIs, started, watched and stopped.

What dies is started again, and finds everything in the database. When the supervisor itself is killed its children
notice that their pipe to it has closed, and end.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import multiprocess

from callboard.clock import Clock
from callboard.errors import Unavailable, WrongSchema
from callboard.loop import Loop
from callboard.settings import Listen, Settings
from callboard.store import migrations
from callboard.store.embedded import DataDirLock, Embedded

_log = structlog.get_logger(__name__)

DATABASE_URL = "CALLBOARD_DATABASE_URL"
PARENT_PIPE = "CALLBOARD_PARENT_PIPE"
LISTEN_SOCKET = "CALLBOARD_LISTEN_SOCKET"
METRICS = "PROMETHEUS_MULTIPROC_DIR"

_GRACE = 6.0
_LIVED_LONG = 10.0


@dataclass(frozen=True, slots=True)
class Role:
    """A process to keep alive: `callboard` with these arguments."""

    name: str
    arguments: Sequence[str]


@dataclass(slots=True)
class Child:
    """A role and the process that plays it now."""

    role: Role
    environment: Mapping[str, str]
    sockets: Sequence[int]
    clock: Clock
    process: asyncio.subprocess.Process | None = None
    left_behind: bool = False
    """It has ended since its release and the tables of the database don't go together."""
    _failures: int = 0

    async def keep_alive(self, stop: asyncio.Event) -> None:
        """Start the process, and start it again whenever it ends, until *stop* is set."""

        async def live() -> float:
            pause = await self._live_once()
            if self.left_behind:
                # It would end again each time.
                stop.set()
            return pause

        loop = Loop(name=f"process.{self.role.name}", step=live, clock=self.clock)
        running = asyncio.create_task(loop.run())
        await stop.wait()
        loop.stop()
        await self._end()
        await running

    async def _live_once(self) -> float:
        started = self.clock.monotonic()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "callboard",
            *self.role.arguments,
            env=dict(self.environment),
            pass_fds=self.sockets,
            # Ctrl-C in the terminal is for the supervisor alone, which then stops everybody in order.
            start_new_session=True,
        )
        _log.info("process.started", role=self.role.name, pid=self.process.pid)
        code = await self.process.wait()
        multiprocess.mark_process_dead(self.process.pid, self.environment[METRICS])  # type: ignore[no-untyped-call]
        self.left_behind = code == WrongSchema.exit_code
        lived = self.clock.monotonic() - started
        self._failures = 0 if lived > _LIVED_LONG else self._failures + 1
        _log.info("process.ended", role=self.role.name, pid=self.process.pid, code=code, seconds=round(lived, 1))
        return min(5.0, 0.1 * 2.0**self._failures)

    async def _end(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_GRACE):
                await process.wait()
        except TimeoutError:
            _log.warning("process.killed", role=self.role.name, pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()


@dataclass(slots=True)
class Server:
    """Everything that `callboard serve` runs."""

    settings: Settings
    arguments: Sequence[str]
    """The flags of the command line, passed on to every process."""
    environment: Mapping[str, str]
    clock: Clock
    _postgres: Embedded | None = field(default=None, init=False)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises Unavailable, or one of its kinds, when it can't start or go on."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        data_dir = self.settings.callboard.data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        with DataDirLock(data_dir), listening(self.settings.backend.listen) as listener:
            try:
                url = await self._database(data_dir)
                direct = self.settings.callboard.database.direct or url
                for migration in await migrations.apply(direct, told=_log_progress):
                    _log.info("migration.applied", version=migration.version, name=migration.name)
                if await self._supervise(url, listener, data_dir, stop):
                    await migrations.pending(direct)
            finally:
                if self._postgres is not None:
                    await asyncio.to_thread(self._postgres.stop)
        _log.info("server.stopped")

    async def _database(self, data_dir: Path) -> str:
        configured = self.settings.backend.database.url
        if configured is not None:
            return configured
        self._postgres = Embedded(data_dir)
        return await asyncio.to_thread(self._postgres.ensure_running)

    async def _supervise(self, url: str, listener: socket.socket, data_dir: Path, stop: asyncio.Event) -> bool:
        """Keep everybody alive until *stop* is set. Whether a newer release has left this one behind."""
        alive_read, alive_write = os.pipe()
        environment = {
            **self.environment,
            DATABASE_URL: url,
            PARENT_PIPE: str(alive_read),
            LISTEN_SOCKET: str(listener.fileno()),
            METRICS: str(_fresh(data_dir / "metrics")),
        }
        own = self.settings.callboard
        roles = [Role(f"engine-{n}", ["engine", *self.arguments]) for n in range(1, own.engines + 1)]
        roles += [Role(f"api-{n}", ["api", *self.arguments]) for n in range(1, own.apis + 1)]
        sockets = [alive_read, listener.fileno()]
        children = [Child(role, environment, sockets, self.clock) for role in roles]
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(child.keep_alive(stop))
                group.create_task(self._watch_postgres(stop))
                group.create_task(self._announce(stop))
        finally:
            os.close(alive_read)
            os.close(alive_write)
        return any(child.left_behind for child in children)

    async def _announce(self, stop: asyncio.Event) -> None:
        """Say once where the catalog can be read, as soon as it can."""
        listen = self.settings.backend.listen
        if not self.settings.callboard.apis:
            return

        async def look() -> float:
            if await _is_ready(listen.host, listen.port):
                _log.info("server.ready", url=f"http://{listen}/api/catalog")
                loop.stop()
            return 0.1

        loop = Loop(name="announce", step=look, clock=self.clock)
        running = asyncio.create_task(loop.run())
        await asyncio.wait({running, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        loop.stop()
        await running

    async def _watch_postgres(self, stop: asyncio.Event) -> None:
        postgres = self._postgres

        async def look() -> float:
            if postgres is not None and not postgres.is_running():
                _log.error("postgres.died")
                await asyncio.to_thread(postgres.ensure_running)
                _log.info("postgres.started")
            return 0.5

        loop = Loop(name="postgres", step=look, clock=self.clock)
        running = asyncio.create_task(loop.run())
        await stop.wait()
        loop.stop()
        await running


def _log_progress(progress: migrations.Progress) -> None:
    # Of a step that takes a moment nobody wants to know.
    log = _log.info if progress.waits or progress.done else _log.debug
    log(
        "migration.waits" if progress.waits else "migration.progress",
        version=progress.migration.version,
        step=progress.step,
        what=progress.what,
        done=progress.done,
        total=progress.total,
    )


def listening(listen: Listen) -> socket.socket:
    """A socket that accepts connections on *listen*. Raises Unavailable when that can't be had."""
    try:
        return socket.create_server(
            (listen.host, listen.port),
            family=socket.AF_INET6 if ":" in listen.host else socket.AF_INET,
            backlog=4096,
        )
    except OSError as error:
        raise Unavailable(f"can't listen on {listen}: {error.strerror or error}") from error


async def _is_ready(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /.backstage/health/v1/readiness HTTP/1.0\r\n\r\n")
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


def _fresh(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()
    return folder


@contextlib.asynccontextmanager
async def until_told(environment: Mapping[str, str]) -> AsyncIterator[asyncio.Event]:
    """An event that is set when this process is to stop: by a signal, or because its supervisor is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pipe = environment.get(PARENT_PIPE)
    if pipe is not None:
        # Nobody ever writes: readable means that the other end has closed.
        loop.add_reader(int(pipe), stop.set)
    try:
        yield stop
    finally:
        if pipe is not None:
            loop.remove_reader(int(pipe))

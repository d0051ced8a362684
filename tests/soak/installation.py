"""An installation to be killed: PostgreSQL, engines and API processes, all real, and started again when they end."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from callboard.clock import SystemClock
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.server import DATABASE_URL, PARENT_PIPE
from callboard.store import migrations
from callboard.store.embedded import Embedded
from tests.harness import ALL_KINDS

CLOCK = SystemClock()

LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
"""What asyncpg says of a database that goes away, before, in the middle of and after its goodbye."""

_PAUSE = 0.3
"""Seconds until what has ended is started again."""
_GRACE = 10.0


def configuration(*, history: float, tombstones: float) -> JsonObject:
    """What all processes are told: that everything is forgotten so soon that forgetting never ends."""
    return {
        "catalog": {
            "rules": [{"allow": [*ALL_KINDS]}],
            "processingInterval": "5s",
            "orphanStrategy": "delete",
        },
        "backend": {"reading": {"allow": [{"host": "127.0.0.1:1-65535"}]}},
        "callboard": {
            "processing": {"lease": "2s", "batchSize": 50},
            "stream": {
                "historyRetention": {"milliseconds": round(history * 1000)},
                "tombstoneRetention": {"milliseconds": round(tombstones * 1000)},
                "heartbeat": "1s",
                "ringSize": 500,
            },
        },
    }


@dataclass(slots=True)
class Kept:
    """A process that is started again whenever it ends."""

    role: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    pipe: int
    log: Path
    starts: int = 0
    kills: int = 0
    ends: list[str] = field(default_factory=list)
    """How it ended when nobody had killed it."""
    _process: asyncio.subprocess.Process | None = None
    _killed: bool = False

    async def keep(self, postgres: "Postgres") -> None:
        """Run it until this is cancelled."""
        try:
            while True:
                await self._live_once(postgres)
                await CLOCK.sleep(_PAUSE)
        finally:
            await self._stop()

    async def _live_once(self, postgres: "Postgres") -> None:
        self._killed, outages, found_it = False, postgres.outages, postgres.is_up
        began = CLOCK.monotonic()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "callboard", *self.arguments),
                env=dict(self.environment),
                stdout=log,
                stderr=log,
                pass_fds=[self.pipe],
                start_new_session=True,
            )
        self.starts += 1
        code = await self._process.wait()
        # Who finds no database at its start may say so and end.
        if not self._killed and found_it and postgres.outages == outages:
            self.ends.append(
                f"{self.role} ended with {code} after {CLOCK.monotonic() - began:.1f} s: {_tail(self.log)}"
            )

    async def _stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
            self.ends.append(f"{self.role} did not stop in {_GRACE:.0f} s")

    def kill(self) -> bool:
        """Kill it as the kernel does when memory is short; False when it does not run just now."""
        if self._process is None or self._process.returncode is not None:
            return False
        self._killed = True
        self._process.send_signal(signal.SIGKILL)
        self.kills += 1
        return True


@dataclass(slots=True)
class Postgres:
    """The database server."""

    cluster: Embedded
    url: str
    outages: int = 0
    """How often it was not there, by what was done to it."""
    longest_outage: float = 0.0
    _down: int = 0

    @property
    def is_up(self) -> bool:
        """Whether nothing has just been done to it."""
        return self._down == 0

    @property
    def _postmaster(self) -> int:
        return int((self.cluster.data_dir / "postgres/postmaster.pid").read_text().split()[0])

    async def crash(self) -> None:
        """Kill the postmaster, and start another one, which has to recover."""
        async with self._outage():
            os.kill(self._postmaster, signal.SIGKILL)
            await asyncio.to_thread(self.cluster.ensure_running)

    async def restart(self) -> None:
        """Stop it in order, which ends all connections, and start it again."""
        async with self._outage():
            await asyncio.to_thread(self.cluster.stop)
            await asyncio.to_thread(self.cluster.ensure_running)

    async def kill_a_backend(self, choice: float) -> bool:
        """Kill a process that serves one of ours; all others end as well then, and PostgreSQL recovers by itself."""
        with contextlib.suppress(*LOST):
            async with connected(self.url) as connection:
                rows = await connection.fetch(
                    "select pid from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid() order by pid"
                )
                if not rows:
                    return False
                async with self._outage():
                    os.kill(rows[int(choice * len(rows))]["pid"], signal.SIGKILL)
                    await self._answers_again(connection)
                return True
        return False

    async def _answers_again(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        # First this connection has to end, or the old server would be taken for the new one.
        with contextlib.suppress(*LOST):
            while True:
                await connection.execute("select")
        while True:
            with contextlib.suppress(*LOST):
                async with connected(self.url):
                    return
            await CLOCK.sleep(0.05)

    @contextlib.asynccontextmanager
    async def _outage(self) -> AsyncIterator[None]:
        self.outages += 1
        self._down += 1
        began = CLOCK.monotonic()
        try:
            yield
        finally:
            self.longest_outage = max(self.longest_outage, CLOCK.monotonic() - began)
            self._down -= 1


@dataclass(slots=True)
class Installation:
    """All of it."""

    folder: Path
    postgres: Postgres
    engines: list[Kept]
    apis: list[Kept]
    ports: list[int]

    def complaints(self) -> list[str]:
        """What no process should have done: end by itself, or log what has no place there."""
        everybody = [*self.engines, *self.apis]
        odd = [f"{kept.log.name} says {what}" for kept in everybody for what in _odd(kept.log)]
        return [end for kept in everybody for end in kept.ends] + odd

    def keep_logs(self) -> Path:
        """Copy the logs to where they stay."""
        folder = Path(tempfile.mkdtemp(prefix="callboard-soak-logs-"))
        for kept in [*self.engines, *self.apis]:
            shutil.copy(kept.log, folder)
        return folder

    def logged(self, event: str) -> int:
        """How often the processes have said so."""
        everybody = [*self.engines, *self.apis]
        return sum(record.get("event") == event for kept in everybody for record in _records(kept.log))


def _records(log: Path) -> Iterator[Mapping[str, JsonValue]]:
    for line in log.read_bytes().splitlines():
        try:
            record = json.decode(line)
        except ValueError:
            record = None
        yield record if isinstance(record, dict) else {"event": "", "text": line.decode(errors="replace")}


def _odd(log: Path) -> list[str]:
    """Lines that are no records, answers with 500, and loops that failed although the database was there."""
    odd = [record for record in _records(log) if not _is_expected(record)]
    return [json.encode(dict(record)).decode() for record in odd[:5]]


def _is_expected(record: Mapping[str, JsonValue]) -> bool:
    match record["event"]:
        case "":
            # What a command says that finds no database at its start.
            return str(record["text"]).startswith("callboard: ")
        case "loop.failed":
            return "callboard.errors.DatabaseUnavailable: " in str(record.get("exception"))
        case event:
            return event != "request.failed"


def _tail(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:])


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of our own."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        connection.terminate()


@contextlib.asynccontextmanager
async def installed(folder: Path, configuration: JsonObject, *, engines: int, apis: int) -> AsyncIterator[Installation]:
    """An installation in *folder*, stopped in order at the end."""
    cluster = Embedded(folder / "data")
    url = await asyncio.to_thread(cluster.ensure_running)
    config = folder / "app-config.json"
    config.write_bytes(json.encode(configuration))
    ours, theirs = os.pipe()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", DATABASE_URL: url, PARENT_PIPE: str(ours)}
    flags = ["--config", str(config), "--log-format", "json"]
    ports = _free_ports(apis)
    postgres = Postgres(cluster, url)

    def kept(role: str, *arguments: str) -> Kept:
        return Kept(role, [*arguments, *flags], environment, ours, folder / f"{role}.log")

    installation = Installation(
        folder=folder,
        postgres=postgres,
        engines=[kept(f"engine-{number}", "engine") for number in range(engines)],
        apis=[kept(f"api-{number}", "api", "--port", str(port)) for number, port in enumerate(ports)],
        ports=ports,
    )
    await migrations.apply(url)
    running = [asyncio.create_task(each.keep(postgres)) for each in [*installation.engines, *installation.apis]]
    try:
        yield installation
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.to_thread(cluster.stop)
        os.close(ours)
        os.close(theirs)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in listening]

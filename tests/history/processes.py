"""Processes of a history: started, watched and, if a test wants it, killed."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from callboard.clock import SystemClock
from callboard.server import DATABASE_URL
from callboard.store.database import Database
from tests.history import checker, histories, readers
from tests.history.checker import Violation
from tests.history.clusters import connected
from tests.history.histories import End, History, Recorder
from tests.history.writers import REVISIONS

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Actor:
    """A process that writes or reads."""

    module: str
    role: str
    name: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a history plays: a database, and a folder for what the processes write down."""

    url: str
    folder: Path
    seconds: float

    async def make_room(self) -> None:
        """Make room for what writers count."""
        async with connected(self.url) as connection:
            await connection.execute(REVISIONS)

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator[None]:
        """Make room for what writers count, until the end of the block."""
        await self.make_room()
        yield
        async with connected(self.url) as connection:
            await connection.execute("drop table revisions")

    @contextlib.asynccontextmanager
    async def started(self, actor: Actor, *, url: str | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start the process of *actor*; it ends by itself."""
        arguments = (url or self.url, str(self._file(actor.name)), actor.name, actor.role, str(self.seconds), "7")
        with (self.folder / f"{actor.name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.history.{actor.module}", *arguments),
                cwd=_ROOT,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(self, actors: Sequence[Actor], *, api: str | None = None) -> None:
        """Let all *actors* do what they do, to the end."""
        async with contextlib.AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(self.started(actor, url=api if actor.role == "http" else None))
                for actor in actors
            ]
            codes = await asyncio.gather(*(process.wait() for process in processes))
        failed = [actor.name for actor, code in zip(actors, codes, strict=True) if code != 0]
        assert not failed, (self.folder / f"{failed[0]}.log").read_text()

    async def history(self) -> History:
        """What has happened."""
        self._file("end").unlink(missing_ok=True)
        Recorder(self._file("end")).add(await self._end())
        return histories.load(sorted(self.folder.glob("*.history")))

    async def violations(self) -> list[Violation]:
        """What was wrong with it."""
        return checker.check(await self.history())

    async def _end(self) -> End:
        database = await Database.open(self.url, clock=SystemClock(), connections=2)
        try:
            return await readers.end_of(database)
        finally:
            await database.close()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.history"


@contextlib.asynccontextmanager
async def api_process(url: str, folder: Path) -> AsyncIterator[str]:
    """A real API process on a database; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "api.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callboard", "api", "--port", str(port)),
            env={**os.environ, DATABASE_URL: url},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        await _until_ready(address, process)
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _until_ready(address: str, process: asyncio.subprocess.Process) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while process.returncode is None:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get(f"{address}/.backstage/health/v1/readiness")).status_code == 200:
                    return
            await SystemClock().sleep(0.05)
    raise AssertionError("the API process has ended")

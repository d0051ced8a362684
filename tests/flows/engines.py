"""Engines that run by themselves: as real processes, to be killed, and in this one, to take over."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from callboard import app
from callboard import settings as configuration
from callboard.clock import SystemClock
from callboard.metrics import Metrics
from callboard.server import DATABASE_URL
from tests.harness import ALL_KINDS

_PATIENCE = 30.0

_UNDONE = (
    "select exists (select from schedule where due_at <= now() or lease is not null)"
    " or exists (select from stitch_queue)"
)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for the *condition*, which is asked again and again."""
    clock = SystemClock()
    async with asyncio.timeout(_PATIENCE) as patience:
        while not await condition():
            # With less than a tick to go the next look would be cut off in the middle of a query.
            due = patience.when()
            assert due is None or due - asyncio.get_running_loop().time() > 1, f"waited in vain for {what}"
            await clock.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Installation:
    """A configuration with files of its own, and a database."""

    folder: Path
    database_url: str

    def put(self, name: str, content: str) -> None:
        """Write a file at one go: whoever reads meanwhile gets the old content or the new one."""
        unfinished = self.folder / f"{name}.unfinished"
        unfinished.write_text(content)
        unfinished.replace(self.folder / name)

    def write(self, files: Mapping[str, str], *, locations: Sequence[str] | None = None, orphans: str = "keep") -> None:
        """Put the files there, and a configuration that names them all, or *locations*."""
        for name, content in files.items():
            self.put(name, content)
        listed = "".join(f"    - {{type: file, target: ./{name}}}\n" for name in locations or files)
        self.config.write_text(
            f"catalog:\n  orphanStrategy: {orphans}\n  rules: [{{allow: [{', '.join(ALL_KINDS)}]}}]\n"
            f"  locations:\n{listed}"
            "callboard:\n  processing: {lease: 2s, batchSize: 50}\n"
        )

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "app-config.yaml"

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A real engine process, killed at the end if it still lives."""
        log = (self.folder / "engine.log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "callboard", "engine", "--config", str(self.config)),
                env={**os.environ, DATABASE_URL: self.database_url},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[app.Engine]:
        """An engine in this process, stopped in order at the end."""
        settings = configuration.read(configuration.load([self.config], {}))
        stop = asyncio.Event()
        async with app.engine(settings, self.database_url, SystemClock(), Metrics()) as engine:
            running = asyncio.create_task(engine.run(stop))
            yield engine
            stop.set()
            await running

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection for the test itself."""
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def until_settled(self, refs: set[str]) -> None:
        """Wait until exactly *refs* are visible, besides Locations, and nothing more is going to happen."""
        async with self.connection() as connection:

            async def settled() -> bool:
                found = await connection.fetch(
                    "select ref from final_entities where removed_at is null and ref not like 'location:%'"
                )
                return {row["ref"] for row in found} == refs and await quiet(connection)

            await until(settled, f"{len(refs)} entities to settle")

    async def until_quiet(self, *, locations: int) -> None:
        """Wait until the Locations are there, this many of them, and all that was asked for is done."""
        async with self.connection() as connection:

            async def done() -> bool:
                query = "select count(*) from final_entities where removed_at is null and ref like 'location:%'"
                return bool(await connection.fetchval(query) == locations) and await quiet(connection)

            await until(done, "everything to settle")

    async def until_nobody_is_left(self) -> None:
        """Wait until the database has noticed that its engines are gone, and has rolled back what they had begun."""
        async with self.connection() as connection:

            async def gone() -> bool:
                query = "select count(*) from pg_stat_activity where application_name = 'callboard-engine'"
                return bool(await connection.fetchval(f"{query} and datname = current_database()") == 0)

            await until(gone, "the connections of the engines to end")


async def quiet(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether nothing is left to be done now."""
    return not await connection.fetchval(_UNDONE)

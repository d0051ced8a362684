"""PostgreSQL servers of a test's own: to be killed, copied, promoted and filled up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from callboard.store import migrations
from callboard.store.embedded import Embedded
from tests.conftest import with_database


@dataclass(frozen=True, slots=True)
class Cluster:
    """A durable server with the schema in its database."""

    folder: Path

    @property
    def embedded(self) -> Embedded:
        """Its programs and files."""
        return Embedded(self.folder)

    @property
    def url(self) -> str:
        """What to connect to."""
        return self.embedded.url()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return Path(self.url.partition("host=")[2].partition("&")[0])

    def start(self) -> None:
        """Start it, with whatever recovery that takes."""
        self.embedded.ensure_running()

    async def migrate(self) -> None:
        """Bring its database to the present schema."""
        await migrations.apply(self.url)

    def crash(self) -> None:
        """Stop it without a checkpoint, as a power cut would."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.data))

    def promote(self) -> None:
        """Let a standby be a primary."""
        self.run("pg_ctl", "promote", "-w", "-D", str(self.data))

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "postgres"

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the account that the server runs as."""
        return self.embedded._must_run(program, *arguments)

    def standby(self, folder: Path) -> "Cluster":
        """A copy that follows this one, and is running."""
        copy = Cluster(folder)
        folder.mkdir()
        copy.embedded._give(folder)
        conninfo = ("-h", str(self.socket), "-p", "5432", "-U", "callboard")
        self.run("pg_basebackup", *conninfo, "-D", str(copy.data), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        copy.start()
        return copy

    def forget_its_primary(self) -> None:
        """Let a standby that stands still have nobody to follow at its next start."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write("\nprimary_conninfo = ''\n")

    def restore(self, url: str, into: str, folder: Path) -> None:
        """Dump the database at *url*, and restore that into an empty database of this server."""
        folder.mkdir()
        self.embedded._give(folder)
        file = str(folder / "catalog.dump")
        self.run("pg_dump", "--format=custom", "--no-owner", "--file", file, "--dbname", url)
        self.run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", into, file)

    def configure(self, line: str) -> None:
        """Add to its configuration, for the next start."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"\n{line}\n")

    async def empty_database(self, name: str) -> str:
        """Another database, without the schema."""
        async with connected(self.url) as connection:
            await connection.execute(f'create database "{name}"')
        return with_database(self.url, name)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A new server, stopped at the end."""
    cluster = Cluster(folder)
    cluster.start()
    asyncio.run(cluster.migrate())
    try:
        yield cluster
    finally:
        cluster.embedded.stop(timeout=5)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection for the test itself."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()

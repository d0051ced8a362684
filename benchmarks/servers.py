"""Servers to measure: a fresh `callboard serve` that is stopped afterwards, and what its processes have used."""

import contextlib
import gc
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx2

from benchmarks import generate, processes
from benchmarks.launch import CLOCK, Launched, launched, until
from callboard.extend import Full, Offered
from callboard.ingestion.connections import Connection
from callboard.model.json import JsonObject
from callboard.store import embedded
from callboard.store.database import Database

_READY = "/.backstage/health/v1/readiness"
_REST = 1.0
_KINDS = ",".join(f"kind={kind.lower()}" for kind in generate.KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds so far, by part."""

    provider: float = 0.0
    """Of the provider's side of a mutation, which runs in this process here, and in an engine elsewhere."""
    engine: float = 0.0
    api: float = 0.0
    postgres: float = 0.0

    @property
    def writing(self) -> float:
        """All but the API."""
        return self.provider + self.engine + self.postgres

    def since(self, earlier: "Usage") -> "Usage":
        """What was used after *earlier*."""
        return Usage(
            provider=self.provider - earlier.provider,
            engine=self.engine - earlier.engine,
            api=self.api - earlier.api,
            postgres=self.postgres - earlier.postgres,
        )


@dataclass(frozen=True, slots=True)
class ReaderClocks:
    """The CPU seconds so far of each process that answers readers."""

    api: Mapping[int, float]
    postgres: Mapping[int, float] | None
    """None where PostgreSQL is out of sight."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A running server and its database."""

    url: str
    pid: int | None
    """Of `callboard serve`; unknown for a server that somebody else has started."""
    database: Database
    http: httpx2.AsyncClient
    postmaster: int | None
    """Unknown when PostgreSQL runs elsewhere; then its share is not measured."""
    flags: Sequence[str] = ()
    """What a further process of this server is started with; known of fresh servers only."""

    def pids(self, role: str) -> list[int]:
        """The processes of a role."""
        if self.pid is None:
            return []
        return [
            pid for pid in processes.below(self.pid) if processes.command_line(pid)[1:4] == ["-m", "callboard", role]
        ]

    def usage(self, provider: float = 0.0) -> Usage:
        """The CPU time used so far; that of the *provider* is the caller's to know."""
        return Usage(
            provider=provider,
            engine=processes.cpu_seconds(self.pids("engine")),
            api=self.api_seconds(),
            postgres=processes.tree_seconds(self.postmaster),
        )

    def api_seconds(self) -> float:
        """The CPU time of the APIs so far."""
        return processes.cpu_seconds(self.pids("api"))

    async def reader_clocks(self) -> ReaderClocks:
        """The clocks of the APIs, and of the PostgreSQL processes that work for them and for nobody else."""
        query = "select pid from pg_stat_activity where datname = current_database() and application_name = $1"
        connection = await asyncpg.connect(self.database.url)
        try:
            backends = [row["pid"] for row in await connection.fetch(query, "callboard-api")]
        finally:
            await connection.close()
        return ReaderClocks(
            api=processes.clocks(self.pids("api")),
            postgres=None if self.postmaster is None else processes.clocks(backends),
        )

    @contextlib.asynccontextmanager
    async def another_api(self) -> AsyncIterator[Launched]:
        """One more API process, which loads what the database holds now."""
        with tempfile.TemporaryDirectory(prefix="callboard-bench-api-") as folder:
            log = Path(folder) / "api.log"
            async with launched(["callboard", "api", *self.flags], log=log, ready=_READY) as api:
                yield api

    def memory(self) -> dict[str, float]:
        """MiB by part: the peaks of engines and APIs, and what PostgreSQL holds now."""
        postgres = [self.postmaster, *processes.below(self.postmaster)] if self.postmaster else []
        return {
            "engine": sum(map(processes.peak_mib, self.pids("engine"))),
            "api": sum(map(processes.peak_mib, self.pids("api"))),
            "postgres": processes.shared_out_mib(postgres),
        }

    async def get(self, path: str, **parameters: str | int) -> JsonObject:
        """The JSON object at *path*."""
        answer = await self.http.get(path, params=parameters)
        answer.raise_for_status()
        value: JsonObject = answer.json()
        return value

    async def visible(self) -> int:
        """How many generated entities readers see."""
        page = await self.get("/api/catalog/entities/by-query", filter=_KINDS, limit=0)
        return int(str(page["totalItems"]))

    async def offset(self) -> int:
        """The offset of the view."""
        return int(str((await self.get(_READY))["offset"]))

    async def is_settled(self) -> bool:
        """Whether nothing is due and nothing waits for stitching."""
        answer = await self.http.get("/metrics")
        gauges = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        return float(gauges["callboard_schedule_due"]) == float(gauges["catalog_stitching_queue_length"]) == 0

    async def settled(
        self, *, visible: int | None = None, offset: int = 0, told: Callable[[int], None] | None = None
    ) -> None:
        """Wait until *visible* entities are seen, *offset* is reached, and no work is left.

        Until the first two are so only the view is asked, which costs next to nothing.
        """

        async def arrived() -> bool:
            if visible is not None:
                seen = await self.visible()
                if told is not None:
                    told(seen)
                if seen != visible:
                    return False
            return await self.offset() >= offset

        await until(arrived, every=0.2)
        await until(self.is_settled, every=0.1)

    async def database_bytes(self) -> int:
        """The size of the database on disk."""
        connection = await asyncpg.connect(self.database.url)
        try:
            size: int = await connection.fetchval("select pg_database_size(current_database())")
        finally:
            await connection.close()
        return size


_QUIETLY = "callboard:\n  logging:\n    level: warning\n"


@contextlib.asynccontextmanager
async def fresh(
    *,
    engines: int = 1,
    apis: int = 1,
    database_url: str | None = None,
    through: str | None = None,
    reads: Sequence[str] = (),
    more: str | None = None,
) -> AsyncIterator[Server]:
    """A new server with an empty catalog; its processes and files are gone afterwards.

    *more* is configuration, which takes the place of what generated entities need.

    A database that is given must be an empty one, and keeps what is written into it. Its processes reach it *through*
    another URL, if one is given. It *reads* from these hosts.
    """
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        configuration = Path(folder) / "app-config.yaml"
        said = configuration_for(through or database_url, reads) if more is None else more + _QUIETLY
        configuration.write_text(said, encoding="utf-8")
        flags = ["--config", str(configuration), "--data-dir", str(Path(folder) / "data")]
        serve = ["callboard", "serve", *flags, "--engines", str(engines), "--apis", str(apis)]
        async with launched(serve, log=Path(folder) / "serve.log", ready=_READY) as process:
            where = database_url or _embedded_url(Path(folder) / "data")
            async with _connected(process.url, where, process.pid, flags) as server:
                await _engines_run(server, 0 if through else engines + apis)
                yield server


@contextlib.asynccontextmanager
async def filled(count: int, apis: int = 1) -> AsyncIterator[Server]:
    """A new server that holds *count* generated entities."""
    async with fresh(apis=apis) as server:
        await fill(server, count)
        yield server


async def fill(server: Server, count: int, told: Callable[[int], None] | None = None) -> None:
    """Take *count* generated entities into an empty *server*; *told* how many of them are visible meanwhile."""
    offered = [Offered(entity) for entity in generate.entities(count)]
    # To look for garbage among all of them, in the middle of the transaction, takes seconds; PostgreSQL waits for five.
    gc.freeze()
    await Connection(server.database, "bench").apply(Full(offered))
    gc.unfreeze()
    await server.settled(visible=count, told=told)


@contextlib.asynccontextmanager
async def existing(url: str, database_url: str) -> AsyncIterator[Server]:
    """The Callboard at *url*, which somebody else has started and will stop."""
    async with _connected(url, database_url) as server:
        yield server


def configuration_for(database_url: str | None, reads: Sequence[str] = ()) -> str:
    """What a server of generated entities is started with."""
    kinds = ", ".join([*generate.KINDS, "Location"])
    database = f"  database:\n    client: pg\n    connection: {database_url}\n" if database_url else ""
    hosts = "".join(f"      - host: {host}\n" for host in reads)
    backend = database + (f"  reading:\n    allow:\n{hosts}" if hosts else "")
    rules = f"catalog:\n  rules:\n    - allow: [{kinds}]\n{_QUIETLY}"
    return (f"backend:\n{backend}" if backend else "") + rules


def _embedded_url(data_dir: Path) -> str:
    url = embedded.find(data_dir)
    assert url is not None, "the server is ready, so its database runs"
    return url


@contextlib.asynccontextmanager
async def _connected(
    url: str, database_url: str, pid: int | None = None, flags: Sequence[str] = ()
) -> AsyncIterator[Server]:
    database = await Database.open(database_url, clock=CLOCK, connections=2, name="callboard-bench")
    postmaster = await postmaster_of(database_url)
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
            yield Server(url=url, pid=pid, database=database, http=http, postmaster=postmaster, flags=flags)
    finally:
        await database.close()


async def _engines_run(server: Server, listeners: int) -> None:
    """Wait until what follows is not the engines' start any more: all who listen do, and nothing is due."""
    connection = await asyncpg.connect(server.database.url)
    try:

        async def listen() -> bool:
            found: int = await connection.fetchval(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and application_name = 'callboard-listener'"
            )
            return found >= listeners

        await until(listen, every=0.1)
    finally:
        await connection.close()
    await until(server.is_settled, every=0.1)
    await CLOCK.sleep(_REST)


async def postmaster_of(database_url: str) -> int | None:
    """The parent of a backend that serves us, if it runs on this machine."""
    connection = await asyncpg.connect(database_url)
    try:
        backend: int = await connection.fetchval("select pg_backend_pid()")
        return processes.parent_of(backend, named="postgres")
    finally:
        await connection.close()

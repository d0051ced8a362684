"""Ingest: what it costs until a catalog is visible, to offer it again, to change a little of it, and to keep it."""

import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, tables
from benchmarks.launch import CLOCK, until
from benchmarks.servers import Server, Usage
from benchmarks.tables import Yardstick
from callboard.extend import Full, Offered
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import ConfiguredLocations, entity_ref_of
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject
from callboard.model.refs import LocationRef

_IDLE_SECONDS = 30.0
_IDLE_SECONDS_QUICK = 10.0
_QUIET_SECONDS = 65.0
"""Longer than PostgreSQL leaves between two looks for tables to clean up."""
_QUIET_AT_LATEST = 300.0
_ONE_FILE_ROUNDS = 10
_CHANGED = 100
_PER_FILE = 50
_REST = 1.0
_LINES_AT_ONCE = 100


class Via(StrEnum):
    """How entities come in."""

    PROVIDER = "provider"
    FILES = "files"
    PUSH = "push"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A piece of work."""

    name: str
    entities: int
    mutation_seconds: float
    """Until the provider's mutation was committed; for files, until the request to read them was."""
    seconds: float
    """Until all of it was visible and nothing was left to do."""
    events: int
    cpu: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The figures of one run."""

    via: Via
    engines: int
    phases: Sequence[Phase]
    one_file_seconds: Sequence[float]
    """From the request to refresh an entity whose file has changed until readers see it, each time; for files only."""
    idle_percent: float
    """Of a core, all parts together."""
    idle_seconds: float
    """That it was measured for."""
    memory_mib: dict[str, float]
    database_bytes: int
    yardstick_us: float
    """What plain work took meanwhile: see `tables.Yardstick`."""


class Source(Protocol):
    """Where the generated catalog comes from; each call returns the CPU seconds that the provider's side took."""

    async def offer(self) -> float:
        """Offer everything for the first time."""
        ...

    async def offer_again(self) -> float:
        """Offer everything again, with nothing changed."""
        ...

    async def change(self) -> float:
        """Offer everything again, with a hundred entities changed."""
        ...


@dataclass(slots=True)
class Provided:
    """A provider that hands over the whole catalog each time."""

    server: Server
    entities: list[JsonObject]
    revision: int = 0

    async def offer(self) -> float:
        """Apply one full mutation."""
        with _own_cpu() as used:
            await Connection(self.server.database, "bench").apply(Full([Offered(entity) for entity in self.entities]))
        return used[0]

    async def offer_again(self) -> float:
        """Apply the same mutation."""
        return await self.offer()

    async def change(self) -> float:
        """Apply it with other descriptions in some entities."""
        self.revision += 1
        changed = [generate.revised(entity, self.revision) for entity in self.entities[:_CHANGED]]
        self.entities[:_CHANGED] = changed
        return await self.offer()


@dataclass(slots=True)
class Pushed(Provided):
    """Somebody outside who writes the whole catalog over HTTP each time. What that costs him is not counted."""

    async def offer(self) -> float:
        """Send everything in one request, an entity a line."""

        async def lines() -> AsyncIterator[bytes]:
            for batch in _batches(self.entities, _LINES_AT_ONCE):
                yield b"".join(json.encode(entity) + b"\n" for entity in batch)

        answer = await self.server.http.put(
            "/api/catalog/providers/bench/entities",
            content=lines(),
            headers={"content-type": "application/x-ndjson"},
            timeout=600,
        )
        answer.raise_for_status()
        return 0.0


def _batches(entities: Sequence[JsonObject], size: int) -> Iterator[Sequence[JsonObject]]:
    return (entities[start : start + size] for start in range(0, len(entities), size))


@dataclass(slots=True)
class Filed:
    """A folder of YAML files behind one `file` location."""

    server: Server
    first: list[JsonObject]
    """The entities in the first files."""
    folder: Path

    @property
    def location(self) -> LocationRef:
        """The location that all files are found through."""
        return LocationRef("file", str(self.folder / "*" / "*.yaml"))

    async def offer(self) -> float:
        """Do what an engine does at its start with `catalog.locations`."""
        with _own_cpu() as used:
            provider = ConfiguredLocations([self.location])
            await provider.connect(Connection(self.server.database, provider.name))
        return used[0]

    async def offer_again(self) -> float:
        """Ask for all files to be looked at."""
        ref = str(entity_ref_of(self.location))
        (await self.server.http.post("/api/catalog/refresh", json={"entityRef": ref})).raise_for_status()
        return 0.0

    async def change(self) -> float:
        """Rewrite two files, and ask for all files to be looked at."""
        for number, start in enumerate(range(0, len(self.first), _PER_FILE)):
            revised = [generate.revised(entity, 1) for entity in self.first[start : start + _PER_FILE]]
            generate.write_file(self.folder, number, revised)
        return await self.offer_again()

    async def change_one_file(self, revision: int) -> float:
        """Rewrite one file and refresh an entity in it; the seconds from the request until readers see the change."""
        revised = [generate.revised(entity, revision) for entity in self.first[:_PER_FILE]]
        generate.write_file(self.folder, 0, revised)
        ref, wanted = entity_ref(revised[0]), revised[0]["metadata"]
        assert isinstance(wanted, dict)

        async def seen() -> bool:
            entity = await self.server.get(f"/api/catalog/entities/by-name/{ref.kind}/{ref.namespace}/{ref.name}")
            metadata = entity["metadata"]
            assert isinstance(metadata, dict)
            return metadata["description"] == wanted["description"]

        started = time.perf_counter()
        (await self.server.http.post("/api/catalog/refresh", json={"entityRef": str(ref)})).raise_for_status()
        await until(seen, every=0.01)
        return time.perf_counter() - started


@contextlib.contextmanager
def _own_cpu() -> Iterator[list[float]]:
    """A list that holds, after the block, the CPU seconds of this process in it."""
    used: list[float] = []
    before = time.process_time()
    try:
        yield used
    finally:
        used.append(time.process_time() - before)


@contextlib.asynccontextmanager
async def source(server: Server, count: int, via: Via) -> AsyncIterator[Source]:
    """The catalog of *count* entities, ready to be offered."""
    if via is Via.PROVIDER:
        yield Provided(server, list(generate.entities(count)))
        return
    if via is Via.PUSH:
        yield Pushed(server, list(generate.entities(count, managed=False)))
        return
    with tempfile.TemporaryDirectory(prefix="callboard-bench-files-") as folder:
        generate.write_files(count, Path(folder), per_file=_PER_FILE)
        first = list(itertools.islice(generate.entities(count, managed=False), _CHANGED))
        # Files that have just changed may change once more unseen, so the reader distrusts them for two seconds.
        await CLOCK.sleep(2.5)
        yield Filed(server, first, Path(folder))


async def run(server: Server, count: int, via: Via, engines: int, progress: Progress, *, quick: bool = False) -> Ingest:
    """Take *count* entities into an empty *server*, and work on with them.

    A *quick* run does not wait for PostgreSQL to have cleaned up before it looks at what idleness costs.
    """
    few = min(_CHANGED, count)
    yardstick = Yardstick()

    def told(seen: int) -> None:
        progress.update(task, completed=seen)
        yardstick.sample()

    task = progress.add_task(f"ingest via {via}: prepare", total=count)
    async with source(server, count, via) as offering:
        phases = []
        for name, offer, concerned, events in (
            ("ingest", offering.offer, count, count),
            ("the same again", offering.offer_again, count, 0),
            (f"{few} changed", offering.change, few, few),
        ):
            progress.update(task, description=f"ingest via {via}: {name}")
            measured = await _measured(server, offer, count, events, told)
            phases.append(Phase(name=name, entities=concerned, **measured))
        one_file = []
        if isinstance(offering, Filed):
            progress.update(task, description="one file changed")
            for revision in range(2, 2 + _ONE_FILE_ROUNDS):
                one_file.append(await offering.change_one_file(revision))
                await server.settled()
        progress.update(task, description="idle")
        if not quick:
            await _quiet(server)
        idle_seconds = _IDLE_SECONDS_QUICK if quick else _IDLE_SECONDS
        idle = await _idle_percent(server, idle_seconds)
    progress.remove_task(task)
    return Ingest(
        via=via,
        engines=engines,
        phases=phases,
        one_file_seconds=one_file,
        idle_percent=idle,
        idle_seconds=idle_seconds,
        memory_mib=server.memory(),
        database_bytes=await server.database_bytes(),
        yardstick_us=yardstick.microseconds,
    )


async def _measured(
    server: Server, offer: Callable[[], Awaitable[float]], count: int, events: int, told: Callable[[int], None]
) -> dict[str, Any]:
    offset, used, started = await server.offset(), server.usage(), time.perf_counter()
    provider = await offer()
    committed = time.perf_counter()
    await server.settled(visible=count, offset=offset + events, told=told)
    settled = time.perf_counter()
    # What was set off by the last commit, such as the view's work, belongs to it as well.
    await CLOCK.sleep(_REST)
    return {
        "mutation_seconds": committed - started,
        "seconds": settled - started,
        "events": await server.offset() - offset,
        "cpu": server.usage(provider).since(used),
    }


async def _quiet(server: Server) -> None:
    """Wait until PostgreSQL has had nothing to clean up for a while."""
    cleaning = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and query like 'autovacuum:%' and backend_type = 'autovacuum worker'"
    )
    started = busy = time.perf_counter()
    connection = await asyncpg.connect(server.database.url)
    try:

        async def quiet() -> bool:
            nonlocal busy
            now = time.perf_counter()
            if await connection.fetchval(cleaning):
                busy = now
            return now - busy >= _QUIET_SECONDS or now - started >= _QUIET_AT_LATEST

        await until(quiet, every=0.5)
    finally:
        await connection.close()


async def _idle_percent(server: Server, seconds: float) -> float:
    await CLOCK.sleep(_REST)
    before, started = server.usage(), time.perf_counter()
    await CLOCK.sleep(seconds)
    used = server.usage().since(before)
    return 100 * (used.writing + used.api) / (time.perf_counter() - started)


def show(console: Console, result: Ingest) -> None:
    """Print the figures."""
    columns = ["", "entities", "s", "commit s", "events", "provider", "engine", "postgres", "= sum", "api"]
    rows = []
    for phase in result.phases:
        parts = (phase.cpu.provider, phase.cpu.engine, phase.cpu.postgres, phase.cpu.writing, phase.cpu.api)
        row = [phase.name, f"{phase.entities:,}", f"{phase.seconds:.2f}", f"{phase.mutation_seconds:.2f}"]
        rows.append([*row, f"{phase.events:,}", *(f"{part / phase.entities * 1000:.3f}" for part in parts)])
    title = f"Ingest via {result.via}, engines: {result.engines}; CPU in milliseconds per entity"
    tables.show(console, title, columns, rows)
    ingest = result.phases[0]
    ratio = ingest.cpu.writing / ingest.entities * 1e6 / result.yardstick_us
    console.print(f"Ingest: {ratio:.0f} yardsticks an entity, each {result.yardstick_us:.0f} µs.", highlight=False)
    memory = ", ".join(f"{part} {mib:.0f} MiB" for part, mib in result.memory_mib.items())
    if result.one_file_seconds:
        median, worst = statistics.median(result.one_file_seconds), max(result.one_file_seconds)
        console.print(f"One file changed and refreshed, until visible: p50 {median:.3f} s, worst {worst:.3f} s.")
    idle = f"Idle: {result.idle_percent:.1f} % of a core in {result.idle_seconds:.0f} s."
    console.print(f"{idle} Memory: {memory}.")
    size = result.database_bytes
    console.print(f"Database: {size / 2**20:.0f} MiB, {size / ingest.entities / 1024:.1f} KiB per entity.\n")

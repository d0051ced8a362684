"""Ingest: what it costs until a catalog is visible, to offer it again, to change a little of it, and to keep it."""

import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, tables
from benchmarks.launch import CLOCK
from benchmarks.servers import Server, Usage
from benchmarks.tables import Yardstick
from callboard.extend import Full, Offered
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import ConfiguredLocations, entity_ref_of
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.model.refs import LocationRef

_IDLE_SECONDS = 10.0
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
    idle_percent: float
    """Of a core, all parts together."""
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


async def run(server: Server, count: int, via: Via, engines: int, progress: Progress) -> Ingest:
    """Take *count* entities into an empty *server*, and work on with them."""
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
        progress.update(task, description="idle")
        idle = await _idle_percent(server)
    progress.remove_task(task)
    return Ingest(
        via=via,
        engines=engines,
        phases=phases,
        idle_percent=idle,
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


async def _idle_percent(server: Server) -> float:
    await CLOCK.sleep(_REST)
    before, started = server.usage(), time.perf_counter()
    await CLOCK.sleep(_IDLE_SECONDS)
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
    console.print(f"Idle: {result.idle_percent:.1f} % of a core. Memory: {memory}.")
    size = result.database_bytes
    console.print(f"Database: {size / 2**20:.0f} MiB, {size / ingest.entities / 1024:.1f} KiB per entity.\n")

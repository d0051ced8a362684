"""Query: how long reads take, over one connection and over several, what each costs, and what the view holds."""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks import processes, reads, servers, tables, wire
from benchmarks.launch import CLOCK, launched
from benchmarks.reads import Read
from benchmarks.servers import ReaderClocks, Server
from benchmarks.wire import Ask, Unexpected, Wire

Look = Callable[[], Awaitable[ReaderClocks]]
"""Looks at the clocks of the processes that answer readers."""

HTTP_ALONE = "http-alone"
HTTP_AS_MANY_BYTES = "http-alone-as-many-bytes"

_CONNECTIONS = (1, 8)
_SECONDS = 1.0
_WARM_UP_SECONDS = 0.2
_LEAST = 8
_SMALL = 1024
_LARGE = 1024 * 1024
_REST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The figures of one kind of read over some connections."""

    name: str
    connections: int
    requests: int
    p50_ms: float
    p99_ms: float
    per_second: float
    bytes_each: int
    api_cpu_us: float | None
    """For a request; None where the processes of the server are not known."""
    postgres_cpu_us: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What an API process holds."""

    state: str
    entities: int
    resident_bytes: int
    shared_out_bytes: int

    def per_entity(self, empty: "Weight") -> tuple[float, float]:
        """The bytes of an entity, resident and shared out: what an *empty* process holds as well is not theirs."""
        resident = self.resident_bytes - empty.resident_bytes
        return resident / self.entities, (self.shared_out_bytes - empty.shared_out_bytes) / self.entities


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The figures of one run."""

    entities: int
    readings: Sequence[Reading]
    skipped: Mapping[str, str]
    """The reads that this server could not be asked for, and why."""
    weights: Sequence[Weight] = field(default_factory=list)
    """Of an API process of a fresh server: without entities first, then with all of them."""


async def run_fresh(count: int, progress: Progress, *, share: float = 1.0) -> Query:
    """Read from a new server that holds *count* generated entities, and weigh its API process."""
    async with servers.fresh() as server:
        weights = [await _weighed_at_start(server, "without entities")]
        task = progress.add_task(f"query: fill with {count:,}", total=count)
        await servers.fill(server, count, lambda seen: progress.update(task, completed=seen))
        progress.remove_task(task)
        weights += [
            await _weighed_at_start(server, "having loaded them at its start"),
            await _weighed(server, "having followed how they came in"),
        ]
        result = await run(server.url, progress, look=server.reader_clocks, share=share)
        weights.append(await _weighed(server, "the same, after all of these reads"))
    return replace(result, weights=weights)


async def run(
    url: str, progress: Progress, *, look: Look | None, share: float = 1.0, only: Collection[str] = ()
) -> Query:
    """Read from the server at *url*; *look* tells the CPU time of its processes. *share* below 1 asks less often.

    *only* names the reads to ask for, all when it is empty.
    """
    held = await reads.sample(url)
    kinds = [kind for kind in reads.of(held) if not only or kind.name in only]
    task = progress.add_task("query", total=(len(kinds) + 2) * len(_CONNECTIONS))
    readings: list[Reading] = []
    skipped: dict[str, str] = {}

    async def ask(where: str, read: Read, look: Look | None) -> None:
        for connections in _CONNECTIONS:
            progress.update(task, description=f"query: {read.name}")
            readings.append(await measured(where, read, connections, _SECONDS * share, look))
            progress.advance(task)

    async with _http_alone() as (floor, look_at_floor):
        await ask(floor, Read(HTTP_ALONE, [Ask(f"/{_SMALL}")]), look_at_floor)
        for read in kinds:
            if why_not := await _why_not(url, read):
                skipped[read.name] = why_not
                progress.advance(task, len(_CONNECTIONS))
                continue
            await ask(url, read, look)
            if read.name == reads.COMPONENTS:
                same_size = Ask(f"/{readings[-1].bytes_each}")
                await ask(floor, Read(HTTP_AS_MANY_BYTES, [same_size]), look_at_floor)
    progress.remove_task(task)
    return Query(entities=held.total, readings=readings, skipped=skipped)


@contextlib.asynccontextmanager
async def _http_alone() -> AsyncIterator[tuple[str, Look]]:
    """The address of a server that answers constants, and its clock."""
    with tempfile.TemporaryDirectory(prefix="callboard-bench-http-") as folder:
        async with launched(["benchmarks.constant"], log=Path(folder) / "log", ready="/1") as process:

            async def look() -> ReaderClocks:
                return ReaderClocks(processes.clocks([process.pid]), {})

            yield process.url, look


async def _why_not(url: str, read: Read) -> str | None:
    """Why the server can't be asked for this; None when it can."""
    if not read.asks:
        return "the server holds nothing to ask it by"
    async with wire.connected(url, 1, Wire) as [only]:
        try:
            await only.send(read.asks[0].encoded(only.host), status=read.status)
        except Unexpected as error:
            return f"the server answers {error.status}"
    return None


async def measured(url: str, read: Read, connections: int, seconds: float, look: Look | None) -> Reading:
    """Ask the server at *url* for this *read* during so many *seconds*; *look* tells the CPU time of its processes."""
    # Not over the same connections: one that has warmed up waits for the slowest, and a server closes what is idle.
    async with wire.connected(url, connections, Wire) as wires:
        await asyncio.gather(*(asked_for(each, read, number, _WARM_UP_SECONDS, 1) for number, each in enumerate(wires)))
    least = max(2, _LEAST // connections)
    async with wire.connected(url, connections, Wire) as wires:
        before = await look() if look else None
        started = time.perf_counter()
        asked = await asyncio.gather(
            *(asked_for(each, read, number, seconds, least) for number, each in enumerate(wires))
        )
        lasted = time.perf_counter() - started
        after = await look() if look else None
    answers = list(itertools.chain.from_iterable(asked))
    latencies = [each for each, _ in answers]
    api, postgres = _used(before, after, len(answers))
    return Reading(
        name=read.name,
        connections=connections,
        requests=len(answers),
        p50_ms=tables.quantile(latencies, 0.5) * 1000,
        p99_ms=tables.quantile(latencies, 0.99) * 1000,
        per_second=len(answers) / lasted,
        bytes_each=sum(size for _, size in answers) // len(answers),
        api_cpu_us=api,
        postgres_cpu_us=postgres,
    )


async def asked_for(each: Wire, read: Read, first: int, seconds: float, least: int) -> list[tuple[float, int]]:
    """The seconds and the bytes of the answers in so many *seconds*, at *least* so many; begins with another ask."""
    requests = [ask.encoded(each.host) for ask in read.asks]
    found: list[tuple[float, int]] = []
    end = time.perf_counter() + seconds
    for request in itertools.islice(itertools.cycle(requests), first, None):
        started = time.perf_counter()
        if started > end and len(found) >= least:
            break
        body = await each.send(request, status=read.status)
        found.append((time.perf_counter() - started, len(body)))
    return found


def _used(before: ReaderClocks | None, after: ReaderClocks | None, requests: int) -> tuple[float | None, float | None]:
    """The CPU microseconds of a request: of the API, and of PostgreSQL."""
    if before is None or after is None:
        return None, None
    api = processes.used_between(before.api, after.api) / requests * 1e6
    if before.postgres is None or after.postgres is None:
        return api, None
    return api, processes.used_between(before.postgres, after.postgres) / requests * 1e6


async def _weighed_at_start(server: Server, state: str) -> Weight:
    """The weight of a further API process that has just loaded what the database holds."""
    async with server.another_api() as api:
        await CLOCK.sleep(_REST)
        return await _weight(server, state, api.pid)


async def _weighed(server: Server, state: str) -> Weight:
    """The weight of the server's own API process."""
    await CLOCK.sleep(_REST)
    return await _weight(server, state, *server.pids("api"))


async def _weight(server: Server, state: str, pid: int) -> Weight:
    page = await server.get(f"{reads.CATALOG}/entities/by-query", limit=0)
    memory = processes.memory(pid)
    return Weight(
        state=state,
        entities=int(str(page["totalItems"])),
        resident_bytes=memory.resident,
        shared_out_bytes=memory.shared_out,
    )


def show(console: Console, result: Query) -> None:
    """Print the figures."""
    columns = ["", "connections", "asked", "p50 ms", "p99 ms", "per second", "KiB", "API µs", "PostgreSQL µs"]
    rows = [
        [
            reading.name if reading.connections == _CONNECTIONS[0] else "",
            str(reading.connections),
            f"{reading.requests:,}",
            f"{reading.p50_ms:.2f}",
            f"{reading.p99_ms:.2f}",
            f"{reading.per_second:,.0f}",
            f"{reading.bytes_each / 1024:,.{1 if reading.bytes_each < _LARGE else 0}f}",
            *("?" if us is None else f"{us:,.0f}" for us in (reading.api_cpu_us, reading.postgres_cpu_us)),
        ]
        for reading in result.readings
    ]
    tables.show(console, f"Query, {result.entities:,} entities; µs are of CPU, for a request", columns, rows)
    for name, why_not in result.skipped.items():
        console.print(f"Not asked: {name}, because {why_not}.", highlight=False)
    if result.weights:
        _show_weights(console, result.weights)


def _show_weights(console: Console, weights: Sequence[Weight]) -> None:
    empty, *full = weights
    columns = ["An API process", "entities", "RSS MiB", "PSS MiB", "RSS KiB per entity", "PSS KiB per entity"]
    rows = [
        [*_totals(empty), "", ""],
        *([*_totals(weight), *(f"{each / 1024:.2f}" for each in weight.per_entity(empty))] for weight in full),
    ]
    tables.show(console, "Memory; per entity: without what the process holds when there are none", columns, rows)


def _totals(weight: Weight) -> list[str]:
    mib = [f"{each / 2**20:.1f}" for each in (weight.resident_bytes, weight.shared_out_bytes)]
    return [weight.state, f"{weight.entities:,}", *mib]

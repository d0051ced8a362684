"""Query: how long reads take, over one connection and over several, and what each costs the API process."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import click
import httpx2
from rich.console import Console
from rich.progress import Progress

from benchmarks import tables, wire
from benchmarks.wire import Wire

_CATALOG = "/api/catalog"
_CONNECTIONS = (1, 8)
_WARM_UP = 20


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
    cpu_us: float | None
    """Of the server for a request; None where its processes are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The figures of one run."""

    entities: int
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class _Read:
    """A kind of read, its paths in turn, and how often each connection asks."""

    name: str
    paths: Sequence[str]
    times: int


async def run(url: str, progress: Progress, *, cpu: Callable[[], float] | None, share: float = 1.0) -> Query:
    """Read from the server at *url*; *cpu* tells the CPU seconds of its processes. *share* below 1 asks less often."""
    reads, total = await _reads(url)
    task = progress.add_task("query", total=len(reads) * len(_CONNECTIONS))
    readings = []
    for read in reads:
        for connections in _CONNECTIONS:
            progress.update(task, description=f"query: {read.name}")
            readings.append(await _measured(url, read, connections, max(5, int(read.times * share)), cpu))
            progress.advance(task)
    progress.remove_task(task)
    return Query(entities=total, readings=readings)


async def _reads(url: str) -> tuple[list[_Read], int]:
    """The reads, made for what the server holds: names that exist, an owner that owns."""
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        answer = await http.get(f"{_CATALOG}/entities/by-query", params={"limit": 500, "filter": "kind=component"})
        answer.raise_for_status()
        found = answer.json()
        everything = (await http.get(f"{_CATALOG}/entities/by-query", params={"limit": 0})).json()
    metadata = [entity["metadata"] for entity in found["items"]]
    if not metadata:
        raise click.ClickException(f"{url} has no Component to ask for")
    names = [f"{each.get('namespace', 'default')}/{each['name']}" for each in metadata]
    page = {
        "filter": "kind=component,spec.lifecycle=production",
        "orderField": "metadata.name,asc",
        "limit": 20,
        "totalItems": "include",
    }
    facets = [("facet", "metadata.tags"), ("facet", "spec.type"), ("filter", "kind=component")]
    reads = [
        _Read("one by name", [f"{_CATALOG}/entities/by-name/component/{name}" for name in names], 2000),
        _Read("page of 20, filtered, sorted", [f"{_CATALOG}/entities/by-query?{urlencode(page)}"], 500),
        _Read("facets of tags and types", [f"{_CATALOG}/entity-facets?{urlencode(facets)}"], 300),
        _Read("all entities", [f"{_CATALOG}/entities"], 5),
    ]
    return reads, int(everything["totalItems"])


async def _measured(url: str, read: _Read, connections: int, times: int, cpu: Callable[[], float] | None) -> Reading:
    async with wire.connected(url, connections) as wires:
        warm_up = min(_WARM_UP, times)
        await asyncio.gather(*(_ask(each, read.paths, warm_up) for each in wires))
        used, started = cpu() if cpu else 0.0, time.perf_counter()
        asked = await asyncio.gather(*(_ask(each, read.paths, times) for each in wires))
        lasted = time.perf_counter() - started
        spent = cpu() - used if cpu else None
    answers = list(itertools.chain.from_iterable(asked))
    seconds = [each for each, _ in answers]
    return Reading(
        name=read.name,
        connections=connections,
        requests=len(answers),
        p50_ms=tables.quantile(seconds, 0.5) * 1000,
        p99_ms=tables.quantile(seconds, 0.99) * 1000,
        per_second=len(answers) / lasted,
        bytes_each=sum(size for _, size in answers) // len(answers),
        cpu_us=None if spent is None else spent / len(answers) * 1e6,
    )


async def _ask(each: Wire, paths: Sequence[str], times: int) -> list[tuple[float, int]]:
    """The seconds and the bytes of *times* answers."""
    found = []
    for path in itertools.islice(itertools.cycle(paths), times):
        started = time.perf_counter()
        body = await each.get(path)
        found.append((time.perf_counter() - started, len(body)))
    return found


def show(console: Console, result: Query) -> None:
    """Print the figures."""
    columns = ["", "connections", "p50 ms", "p99 ms", "per second", "KiB each", "CPU µs each"]
    rows = [
        [
            reading.name,
            str(reading.connections),
            f"{reading.p50_ms:.2f}",
            f"{reading.p99_ms:.2f}",
            f"{reading.per_second:,.0f}",
            f"{reading.bytes_each / 1024:,.1f}",
            "?" if reading.cpu_us is None else f"{reading.cpu_us:,.0f}",
        ]
        for reading in result.readings
    ]
    tables.show(console, f"Query, {result.entities:,} entities", columns, rows)

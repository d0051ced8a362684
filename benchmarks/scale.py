"""Scale: the same catalog, taken in by one engine, by two, by four, on one PostgreSQL."""

import contextlib
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress

from benchmarks import ingest, poolers, processes, servers, tables
from benchmarks.ingest import Via
from benchmarks.servers import Server, Usage
from benchmarks.tables import Yardstick
from callboard.store.embedded import Embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The figures of one run with some engines."""

    engines: int
    mutation_seconds: float
    """Until the provider's mutation was committed, which no engine takes part in."""
    seconds: float
    """From there until all of it was visible and nothing was left to do. What follows is of this time."""
    events: int
    cpu: Usage
    pooler_seconds: float
    machine_seconds: float
    """The CPU seconds of all that runs on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The figures of one run."""

    entities: int
    pooled: bool
    cores: int
    crews: Sequence[Crew]
    yardstick_us: float


async def run(count: int, engines: Sequence[int], rounds: int, progress: Progress, *, pooled: bool = False) -> Scale:
    """Take *count* entities into a fresh server, with each of these numbers of *engines* in turn, so many times."""
    yardstick = Yardstick()
    crews = []
    # In turn: what else the machine does changes by the minute.
    for turn in range(rounds):
        for number in engines:
            title = f"scale: round {turn + 1}, engines: {number}"
            crews.append(await _crew(count, number, pooled, yardstick, progress, title))
    return Scale(
        entities=count,
        pooled=pooled,
        cores=os.cpu_count() or 1,
        crews=crews,
        yardstick_us=yardstick.microseconds,
    )


async def _crew(count: int, engines: int, pooled: bool, yardstick: Yardstick, progress: Progress, title: str) -> Crew:
    task = progress.add_task(title, total=count)

    def told(seen: int) -> None:
        progress.update(task, completed=seen)
        yardstick.sample()

    async with _server(engines, pooled) as (server, bouncer), ingest.source(server, count, Via.PROVIDER) as source:
        started = time.perf_counter()
        await source.offer()
        committed = time.perf_counter()
        used, machine = server.usage(), processes.busy_seconds()
        pooler = processes.tree_seconds(bouncer)
        await server.settled(visible=count, offset=count, told=told)
        settled = time.perf_counter()
        crew = Crew(
            engines=engines,
            mutation_seconds=committed - started,
            seconds=settled - committed,
            events=await server.offset(),
            cpu=server.usage().since(used),
            pooler_seconds=processes.tree_seconds(bouncer) - pooler,
            machine_seconds=processes.busy_seconds() - machine,
        )
    progress.remove_task(task)
    return crew


@contextlib.asynccontextmanager
async def _server(engines: int, pooled: bool) -> AsyncIterator[tuple[Server, int | None]]:
    """A fresh server; behind a pooler, with the pid of that."""
    if not pooled:
        async with servers.fresh(engines=engines) as server:
            yield server, None
        return
    with TemporaryDirectory(prefix="callboard-bench-scale-") as folder:
        postgres = Embedded(Path(folder))
        url = postgres.ensure_running()
        try:
            with poolers.pgbouncer(url) as bouncer:
                async with servers.fresh(engines=engines, database_url=url, through=bouncer.url()) as server:
                    yield server, bouncer.program.pid
        finally:
            postgres.stop()


def show(console: Console, result: Scale) -> None:
    """Print the figures: of several rounds the medians."""
    columns = ["engines", "commit s", "then s", "entities/s", "speed-up", "of possible"]
    columns += ["engine", "postgres", "pooler", "api", "cores", "of"]
    numbers = list(dict.fromkeys(crew.engines for crew in result.crews))
    first = _Figures(result, numbers[0])
    rows = [_row(_Figures(result, number), first, result.cores) for number in numbers]
    behind = ", behind a transaction pooler" if result.pooled else ""
    title = f"Scale: {result.entities:,} entities via a provider{behind}; CPU in milliseconds per entity"
    tables.show(console, title, columns, rows)
    console.print(
        "cores: how many were at work for this, of those that nothing else was at work on. of possible: of what these"
        f"\ncould do at the cost of the first row. Yardstick: {result.yardstick_us:.0f} µs.\n",
        highlight=False,
    )


class _Figures:
    """The medians of the runs with one number of engines."""

    def __init__(self, result: Scale, engines: int) -> None:
        crews = [crew for crew in result.crews if crew.engines == engines]

        def median(of: Callable[[Crew], float]) -> float:
            return statistics.median(map(of, crews))

        self.engines = engines
        self.commit = median(lambda crew: crew.mutation_seconds)
        self.seconds = median(lambda crew: crew.seconds)
        self.rate = result.entities / self.seconds
        self.machine = median(lambda crew: crew.machine_seconds / crew.seconds)
        self.cpu = [
            median(part) / result.entities
            for part in (
                lambda crew: crew.cpu.engine,
                lambda crew: crew.cpu.postgres,
                lambda crew: crew.pooler_seconds,
                lambda crew: crew.cpu.api,
            )
        ]
        """Seconds per entity, by part."""


def _row(figures: _Figures, first: _Figures, cores: int) -> tables.Row:
    own = figures.rate * sum(figures.cpu)
    left = cores - max(0.0, figures.machine - own)
    return [
        str(figures.engines),
        f"{figures.commit:.2f}",
        f"{figures.seconds:.2f}",
        f"{figures.rate:,.0f}",
        f"{figures.rate / first.rate:.2f}",
        f"{100 * figures.rate * sum(first.cpu) / left:.0f} %",
        *(f"{1000 * part:.3f}" for part in figures.cpu),
        f"{own:.2f}",
        f"{left:.2f}",
    ]

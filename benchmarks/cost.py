"""Cost: what the stream costs those who write, by taking the same catalog in with it and without it."""

import asyncio
import contextlib
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, processes, servers, tables, variants
from benchmarks.launch import CLOCK, until
from benchmarks.tables import Yardstick
from benchmarks.variants import Variant
from callboard.extend import Full, Offered
from callboard.ingestion.connections import Connection
from callboard.store import migrations
from callboard.store.database import Database
from callboard.store.embedded import Embedded

_COMPARED = (Variant.COUNTER, Variant.NONE)

_LEFT = """
select (select count(*) from final_entities where body is not null) as visible,
    (select count(*) from schedule where due_at <= now()) + (select count(*) from stitch_queue) as waiting
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """One catalog that was taken in."""

    variant: str
    seconds: float
    cpu_ms: float
    """Of provider, engine and PostgreSQL, per entity."""
    postgres_ms: float
    """Of PostgreSQL alone."""
    yardstick_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The figures of one run."""

    entities: int
    runs: Sequence[Ingested]

    def median(self, variant: Variant, figure: str) -> float:
        """The median of a figure, over the runs of a variant."""
        return float(statistics.median(getattr(run, figure) for run in self.runs if run.variant == variant))


async def run(count: int, rounds: int, progress: Progress) -> Cost:
    """Take *count* entities into fresh databases, in turn with the stream and without."""
    task = progress.add_task(f"cost: {count} entities", total=rounds * len(_COMPARED))
    offered = [Offered(entity) for entity in generate.entities(count)]
    runs = []
    for number in range(rounds):
        # What comes second finds a warmer machine, or a more tired one; so they take turns in that as well.
        for variant in _COMPARED if number % 2 else reversed(_COMPARED):
            runs.append(await _ingested(variant, offered))
            progress.advance(task)
    progress.remove_task(task)
    return Cost(entities=count, runs=runs)


async def _ingested(variant: Variant, offered: Sequence[Offered]) -> Ingested:
    yardstick = Yardstick()
    with TemporaryDirectory(prefix="callboard-bench-cost-") as folder:
        server = Embedded(Path(folder) / "data")
        url = server.ensure_running()
        try:
            await migrations.apply(url)
            await variants.prepare(url, variant)
            postmaster = await servers.postmaster_of(url)
            database = await Database.open(url, clock=CLOCK, connections=2, name="callboard-bench")
            connection = await asyncpg.connect(url)
            async with _engine(variant, url, Path(folder)) as engine:

                def used() -> tuple[float, float]:
                    return processes.cpu_seconds([engine, os.getpid()]), processes.tree_seconds(postmaster)

                async def is_done() -> bool:
                    row = await connection.fetchrow(_LEFT)
                    return row is not None and row["visible"] == len(offered) and row["waiting"] == 0

                await until(lambda: _listens(connection), every=0.1)
                before, started = used(), time.perf_counter()
                await Connection(database, "bench").apply(Full(offered))
                await until(is_done, every=0.25)
                seconds, after = time.perf_counter() - started, used()
                yardstick.sample()
            await connection.close()
            await database.close()
        finally:
            server.stop()
    python, postgres = (later - earlier for later, earlier in zip(after, before, strict=True))
    return Ingested(
        variant=variant,
        seconds=seconds,
        cpu_ms=(python + postgres) / len(offered) * 1000,
        postgres_ms=postgres / len(offered) * 1000,
        yardstick_us=yardstick.microseconds,
    )


@contextlib.asynccontextmanager
async def _engine(variant: Variant, url: str, folder: Path) -> AsyncIterator[int]:
    """The pid of an engine that publishes in the way of the variant, and is stopped afterwards."""
    config = folder / "app-config.yaml"
    config.write_text(servers.configuration_for(url), encoding="utf-8")
    arguments = ["-m", "benchmarks.variants", variant, "engine", "--config", str(config)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.shield(process.wait())


async def _listens(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    found: bool = await connection.fetchval(
        "select exists (select from pg_stat_activity"
        " where datname = current_database() and application_name = 'callboard-listener')"
    )
    return found


def show(console: Console, result: Cost) -> None:
    """Print the figures."""
    columns = ["", "runs", "s", "CPU ms/entity", "PostgreSQL ms", "yardstick µs"]
    rows = []
    for variant, name in zip(_COMPARED, ("with the stream", "without it"), strict=True):
        figures = [result.median(variant, name) for name in ("seconds", "cpu_ms", "postgres_ms", "yardstick_us")]
        runs = sum(run.variant == variant for run in result.runs)
        row = [name, str(runs), f"{figures[0]:.2f}", f"{figures[1]:.3f}", f"{figures[2]:.3f}", f"{figures[3]:.0f}"]
        rows.append(row)
    tables.show(console, f"Cost of the stream to {result.entities:,} entities that come in; medians", columns, rows)
    for figure, said in (("cpu_ms", "CPU"), ("seconds", "time")):
        with_stream, without = (result.median(variant, figure) for variant in _COMPARED)
        console.print(f"The stream is {100 * (with_stream / without - 1):+.1f} % of the {said}.", highlight=False)

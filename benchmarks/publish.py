"""Publish: how many events a second several writers append, by the size of their transactions."""

import asyncio
import multiprocessing
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import tables, variants
from benchmarks.launch import CLOCK
from benchmarks.variants import PUBLISH, Variant
from callboard.store import migrations
from callboard.store.database import Database
from callboard.store.embedded import Embedded
from callboard.store.publication import FinalEntity

BATCHES = (1, 10, 100, 500)
WRITERS = (1, 4)
VARIANTS = (Variant.COUNTER, Variant.UNSAFE)
_ENTITIES = 5_000
"""Of each writer; no other one changes them."""
_WARM_UP = 1.0
_TEXT = "A body as long as that of a usual entity. " * 22

_GIVEN_OUT = {
    Variant.COUNTER: "select head from stream",
    Variant.UNSAFE: "select last_value from unsafe_offsets",
}

_FILL = """
with entity as (
    insert into entities (ref, uid, discovered_at)
    select 'component:default/c' || writer || '-' || n, md5(writer || '-' || n)::uuid, now()
    from generate_series(0, $1::integer - 1) as writer, generate_series(0, $2::integer - 1) as n
    returning ref, uid
)
insert into final_entities (ref, uid, body, hash, first_offset, last_offset, changed_at)
select ref, uid, '{}', '', row_number() over () - 1000000000, row_number() over () - 1000000000, now() from entity
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The figures of one combination."""

    variant: str
    writers: int
    batch: int
    """Events in a transaction."""
    events_per_second: float
    transactions_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """The figures of one run."""

    seconds: float
    """For each combination."""
    rates: Sequence[Rate]


async def run(seconds: float, progress: Progress) -> Publish:
    """Publish with different writers and batches, on an embedded PostgreSQL of its own."""
    task = progress.add_task("publish", total=len(BATCHES) * len(WRITERS) * len(VARIANTS))
    rates = []
    with TemporaryDirectory(prefix="callboard-bench-publish-") as folder:
        server = Embedded(Path(folder))
        url = server.ensure_running()
        try:
            await migrations.apply(url)
            await variants.prepare(url, Variant.UNSAFE)
            await _fill(url)
            for batch in BATCHES:
                for writers in WRITERS:
                    # One after the other, since what else the machine does changes by the minute.
                    for variant in VARIANTS:
                        rates.append(await _rate(url, variant, writers, batch, seconds))
                        progress.advance(task)
        finally:
            server.stop()
    progress.remove_task(task)
    return Publish(seconds=seconds, rates=rates)


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FILL, max(WRITERS), _ENTITIES)
        await connection.execute("vacuum analyze entities, final_entities")
    finally:
        await connection.close()


async def _rate(url: str, variant: Variant, writers: int, batch: int, seconds: float) -> Rate:
    spawn = multiprocessing.get_context("spawn")
    stop, begun = spawn.Event(), spawn.Semaphore(0)
    processes = [spawn.Process(target=_write, args=(url, variant, each, batch, begun, stop)) for each in range(writers)]
    connection = await asyncpg.connect(url)
    try:
        # What the last one has left behind is not this one's.
        await connection.execute("truncate history")
        await connection.execute("vacuum final_entities, stream")
        await connection.execute("checkpoint")
        for process in processes:
            process.start()
        for _ in processes:
            assert await asyncio.to_thread(begun.acquire, timeout=60), "a writer doesn't begin"
        await CLOCK.sleep(_WARM_UP)
        before, started = await connection.fetchval(_GIVEN_OUT[variant]), time.perf_counter()
        await CLOCK.sleep(seconds)
        events, took = await connection.fetchval(_GIVEN_OUT[variant]) - before, time.perf_counter() - started
    finally:
        stop.set()
        await connection.close()
        for process in processes:
            await asyncio.to_thread(process.join)
    assert all(process.exitcode == 0 for process in processes), "a writer has failed"
    return Rate(
        variant=variant,
        writers=writers,
        batch=batch,
        events_per_second=events / took,
        transactions_per_second=events / took / batch,
    )


def _write(url: str, variant: Variant, writer: int, batch: int, begun: Semaphore, stop: Event) -> None:
    asyncio.run(_publish(url, variant, writer, batch, begun, stop))


async def _publish(url: str, variant: Variant, writer: int, batch: int, begun: Semaphore, stop: Event) -> None:
    """Publish new versions of one's own entities, in turn, until told to stop."""
    publish, number = PUBLISH[variant], 0
    database = await Database.open(url, clock=CLOCK, connections=1, name="callboard-bench")
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "select ref, uid::text from entities where ref like $1 order by ref", f"component:default/c{writer}-%"
    )
    await connection.close()
    try:
        while not stop.is_set():
            chosen = [rows[(number + each) % len(rows)] for each in range(batch)]
            entities = [
                FinalEntity(
                    ref=row["ref"],
                    uid=row["uid"],
                    body=f'{{"number": {number}, "text": "{_TEXT}"}}',
                    hash=uuid.uuid4().bytes,
                    cause='{"source":"provider:bench"}',
                )
                for row in chosen
            ]
            async with database.transaction() as tx:
                await publish(tx, entities)
            if number == 0:
                begun.release()
            number += batch
    finally:
        await database.close()


def show(console: Console, result: Publish) -> None:
    """Print the figures."""
    columns = ["batch", "writers", "events/s", "commits/s", "unsafe events/s", "commits/s", "of the unsafe"]
    found = {(rate.batch, rate.writers, rate.variant): rate for rate in result.rates}
    rows = []
    for batch in BATCHES:
        for writers in WRITERS:
            pair = [found[batch, writers, variant] for variant in VARIANTS]
            row = [str(batch), str(writers)]
            for rate in pair:
                row += [f"{rate.events_per_second:,.0f}", f"{rate.transactions_per_second:,.0f}"]
            rows.append([*row, f"{pair[0].events_per_second / pair[1].events_per_second:.2f}"])
    tables.show(console, "Publish: with the counter, and with a sequence whose readers lose events", columns, rows)

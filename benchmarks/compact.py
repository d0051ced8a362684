"""Compact: how fast a long history is forgotten, how long a step takes, and what writers notice of it."""

import asyncio
import datetime as dt
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import tables
from benchmarks.launch import CLOCK
from callboard.store import changes, claims, migrations, publication, rates, retention
from callboard.store.database import Database
from callboard.store.embedded import Embedded
from callboard.store.publication import FinalEntity
from callboard.stream.retention import Keep, Retention

_SPAN = dt.timedelta(days=365)
_VERSIONS = 10
"""Of each entity; every tenth entity is removed in the end."""

_FILL = """
with entity as (
    select n, 'component:default/c' || n as ref, gen_random_uuid() as uid from generate_series(1, $1::integer) as n
), change as (
    select e.*, v, (v - 1) * $1 + n as at_offset from entity e cross join generate_series(1, $2::integer) as v
), told as (
    insert into history ("offset", type, ref, uid, body, previous_offset, cause, at)
    select at_offset, case when v = 1 then 'added' when v = $2 and n % 10 = 0 then 'removed' else 'updated' end,
        ref, uid, case when v = $2 and n % 10 = 0 then null else repeat(md5(at_offset::text), 60) end,
        case when v > 1 then at_offset - $1 end, '{}', $3::timestamptz + at_offset * interval '1 second'
    from change
)
insert into final_entities (ref, uid, body, hash, first_offset, last_offset, cause, changed_at, removed_at)
select ref, uid, case when n % 10 > 0 then repeat(md5(at_offset::text), 60) end, '', n, at_offset, '{}', $3,
    case when n % 10 = 0 then $3::timestamptz end
from change where v = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compact:
    """The figures of one run."""

    changes: int
    versions: int
    tombstones: int
    seconds: float
    rows_per_second: float
    steps: int
    longest_step_ms: float
    publish_alone_ms: dict[str, float]
    """Of one entity, before anything is forgotten: median, and 99 of 100."""
    publish_meanwhile_ms: dict[str, float]
    mib_before: float
    mib_after: float
    dead_rows: int
    """Left by the run among the versions that are kept, before the vacuum."""


async def run(count: int, progress: Progress) -> Compact:
    """Forget a history of *count* changes on an embedded PostgreSQL of its own, while somebody publishes."""
    with TemporaryDirectory(prefix="callboard-bench-compact-") as folder:
        server = Embedded(Path(folder))
        url = server.ensure_running()
        try:
            await migrations.apply(url)
            database = await Database.open(url, clock=CLOCK, connections=4)
            try:
                return await _measured(database, count, progress)
            finally:
                await database.close()
        finally:
            server.stop()


async def _measured(database: Database, count: int, progress: Progress) -> Compact:
    task = progress.add_task(f"compact: {count} changes", total=4)
    entities = count // _VERSIONS
    await _fill(database, entities)
    progress.advance(task)
    before = await _mib(database)
    alone = [await _publish(database, number) for number in range(200)]
    progress.advance(task)
    forgetting = Retention(database=database, clock=CLOCK, keep=Keep(history=_SPAN / 365, tombstones=_SPAN / 365))
    # Everything that was filled in is as old as that, and what the publisher adds is not.
    begun = time.perf_counter()
    work = asyncio.create_task(forgetting.run())
    meanwhile: list[float] = []
    while not work.done():
        meanwhile.append(await _publish(database, len(meanwhile)))
    await work
    seconds = time.perf_counter() - begun
    progress.advance(task)
    async with database.transaction() as tx:
        done = await retention.last_run(tx)
    assert done is not None
    position = await changes.now(database)
    assert position.history_floor == entities * _VERSIONS
    dead = await _dead(database)
    after = await _mib(database)
    progress.advance(task)
    rows = done.versions + done.tombstones
    return Compact(
        changes=entities * _VERSIONS,
        versions=done.versions,
        tombstones=done.tombstones,
        seconds=seconds,
        rows_per_second=rows / seconds,
        steps=done.steps,
        longest_step_ms=done.longest_ms,
        publish_alone_ms=_quantiles(alone),
        publish_meanwhile_ms=_quantiles(meanwhile),
        mib_before=before,
        mib_after=after,
        dead_rows=dead,
    )


async def _fill(database: Database, entities: int) -> None:
    await database.run(lambda tx: publication.extend_history(tx, entities * _VERSIONS))
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_FILL, entities, _VERSIONS, CLOCK.now() - 2 * _SPAN, timeout=600)
        await connection.execute("update stream set head = $1", entities * _VERSIONS)
        await connection.execute("vacuum analyze history, kept_versions, final_entities", timeout=600)
        await connection.execute("checkpoint", timeout=600)
    finally:
        await connection.close()


async def _publish(database: Database, number: int) -> float:
    """Publish one change of one entity, as an engine does, and say how many seconds that took."""
    ref = "component:default/busy"
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[ref])
        uid = await tx.connection.fetchval("select uid::text from entities where ref = $1", ref)
    entity = FinalEntity(ref=ref, uid=uid, body=f'{{"number": {number}}}', hash=b"", cause=None)
    begun = time.perf_counter()
    await database.run(lambda tx: publication.publish(tx, [entity]))
    return time.perf_counter() - begun


async def _mib(database: Database) -> float:
    async with database.transaction() as tx:
        size = await rates.size(tx)
    return size.bytes / 2**20


async def _dead(database: Database) -> int:
    async with database.transaction() as tx:
        found: int = await tx.connection.fetchval(
            "select n_dead_tup from pg_stat_user_tables where relid = 'kept_versions'::regclass"
        )
    return found


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000, "max": max(seconds) * 1000}


def show(console: Console, result: Compact) -> None:
    """Print the figures as tables."""
    tables.show(
        console,
        f"Compact: a history of {result.changes} changes",
        ["", "rows", "s", "rows/s", "steps", "longest step, ms"],
        [
            [
                "forgotten",
                str(result.versions + result.tombstones),
                f"{result.seconds:.1f}",
                f"{result.rows_per_second:.0f}",
                str(result.steps),
                f"{result.longest_step_ms:.0f}",
            ]
        ],
    )
    tables.show(
        console,
        "Publishing one entity, ms",
        ["", "p50", "p99", "longest"],
        [
            [name, *(f"{figures[each]:.1f}" for each in ("p50", "p99", "max"))]
            for name, figures in (("alone", result.publish_alone_ms), ("meanwhile", result.publish_meanwhile_ms))
        ],
    )
    tables.show(
        console,
        "The history on disk, MiB",
        ["", "before", "after", "dead rows left by the run"],
        [
            [
                "",
                *(f"{size:.0f}" for size in (result.mib_before, result.mib_after)),
                str(result.dead_rows),
            ]
        ],
    )

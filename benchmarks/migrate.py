"""Migrate: an older schema that is full is brought to the present one, and how long writers and readers wait meanwhile.

After the migrations of the release comes a rehearsal: a migration that uses every means that one has, on the largest
tables, and is written by the rules of docs/contributing/migrations.md.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import tables
from benchmarks.launch import CLOCK
from callboard.store import migrations
from callboard.store.embedded import Embedded
from callboard.store.steps import Migration, available

_PARTITIONED = 6
_RELATIONS = 3
_REST = 2.0
_PACE = 0.01
"""Seconds between two statements of a worker: it is there to wait, and not to be fast."""

_FILL = """
create temporary table filled as
select n, 'component:default/c' || n as ref, md5(n::text)::uuid as uid,
    '{"kind":"Component","metadata":{"name":"c' || n || '","annotations":{"backstage.io/managed-by-origin-location":'
    || '"url:https://host/' || n || '"}},"spec":{"text":"' || repeat(md5(n::text), 36) || '"}}' as body
from generate_series(1, %(count)d) as n;
insert into entities (ref, uid, source, processed, discovered_at, processed_at)
select ref, uid, 'provider:bench', body, now(), now() from filled;
insert into claims (source, target_ref, content, content_hash, changed)
select 'provider:bench', ref, body, decode(md5(body), 'hex'), n from filled;
insert into schedule (ref, priority, due_at, ticket) select ref, 2, now() + interval '1 day', n from filled;
insert into relations (originator, source_ref, type, target_ref)
select ref, ref, 'dependsOn', 'component:default/c' || n + step from filled, generate_series(1, %(relations)d) as step;
insert into final_entities (ref, uid, body, hash, first_offset, last_offset, cause, changed_at)
select ref, uid, body, '', n, n, '{"reason":"changed"}', now() from filled;
%(history)s
insert into history ("offset", type, ref, uid, body, cause, at)
select n, 'added', ref, uid, body, '{"reason":"changed"}', now() from filled;
update stream set head = %(count)d;
drop table filled;
"""

_WRITES = {
    "claims": "update claims set changed = changed + 1 where source = 'provider:bench' and target_ref = $1",
    "entities": "update entities set processed_at = now() where ref = $1",
    "schedule": "update schedule set due_at = due_at + interval '1 second' where ref = $1",
    "relations": "update relations set type = type where originator = $1",
    "final_entities": "update final_entities set changed_at = now() where ref = $1",
    # As those who publish do: the counter first.
    "history": """with counter as (update stream set head = head + 1 returning head)
        insert into history ("offset", type, ref, uid, at)
        select head, 'updated', $1, md5($1)::uuid, now() from counter""",
}
_ROOM = 1_000_000
"""Offsets for those who publish meanwhile, where there are partitions from the beginning."""
_READS = {
    "claims": "select content from claims where target_ref = $1",
    "entities": "select processed from entities where ref = $1",
    "relations": "select type from relations where source_ref = $1",
    "final_entities": "select body from final_entities where ref = $1",
    "history": "select body from history where ref = $1",
}

_REHEARSAL = """-- works with: {before:04}
-- step: transaction
alter table claims add column length bigint;
-- step: 1000 rows at a time of claims by source, target_ref, location_key
update claims c set length = length(c.content) from batch b
where (c.source, c.target_ref, c.location_key) = (b.source, b.target_ref, b.location_key);
-- step: concurrently
create index concurrently claims_length on claims (length);
-- step: transaction
alter table claims add constraint claims_length_known check (length is not null) not valid;
-- step: concurrently
alter table claims validate constraint claims_length_known;
-- step: 1000 rows at a time of final_entities by ref
update final_entities f set cause = f.cause from batch b where f.ref = b.ref;
-- step: concurrently
create index concurrently final_entities_changed on final_entities (changed_at);
-- step: transaction
alter table claims drop constraint claims_length_known;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one migration took, and whom it kept waiting."""

    migration: str
    seconds: float
    longest_write_ms: Mapping[str, float]
    """By table."""
    longest_read_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """The figures of one run."""

    entities: int
    since: int
    quiet: Move
    """The same writers and readers with no migration, for as long as the machine needs to look like itself."""
    moves: Sequence[Move]


@dataclass(slots=True)
class _Watch:
    """How long statements have taken since somebody looked."""

    writes: dict[str, float] = field(default_factory=dict)
    reads: dict[str, float] = field(default_factory=dict)
    running: dict[tuple[str, str], float] = field(default_factory=dict)
    """Since when those that have not ended go on: what waits now waits because of what is done now."""

    def took(self, kind: str, table: str, seconds: float) -> None:
        longest = self.writes if kind == "write" else self.reads
        longest[table] = max(longest.get(table, 0.0), seconds * 1000)

    def move(self, name: str, began: float) -> Move:
        now = time.perf_counter()
        for (kind, table), since in self.running.items():
            self.took(kind, table, now - max(since, began))
        found = Move(
            migration=name, seconds=now - began, longest_write_ms=dict(self.writes), longest_read_ms=dict(self.reads)
        )
        self.writes, self.reads = {}, {}
        return found


async def run(count: int, since: int, progress: Progress) -> Migrate:
    """Migrate an embedded PostgreSQL of its own, which holds *count* entities in the schema *since*."""
    release = available()
    rehearsal = Migration(release[-1].version + 1, "rehearsal", _REHEARSAL.format(before=release[-1].version))
    with TemporaryDirectory(prefix="callboard-bench-migrate-") as folder:
        server = Embedded(Path(folder))
        url = server.ensure_running()
        try:
            task = progress.add_task(f"migrate: fill with {count:,}", total=None)
            await migrations.apply(url, release=[each for each in release if each.version <= since])
            await _fill(url, count, partitioned=since >= _PARTITIONED)
            progress.update(task, description="migrate")
            return await _measured(url, count, since, [*release, rehearsal])
        finally:
            server.stop()


async def _fill(url: str, count: int, *, partitioned: bool) -> None:
    history = f"select extend_history({count}, {count + _ROOM});" if partitioned else ""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FILL % {"count": count, "relations": _RELATIONS, "history": history})
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def _measured(url: str, count: int, since: int, release: Sequence[Migration]) -> Migrate:
    watch, stop = _Watch(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for kind, statements in (("write", _WRITES), ("read", _READS)):
            for table, statement in statements.items():
                group.create_task(_work(url, count, watch, (kind, table), statement, stop))
        began = time.perf_counter()
        await CLOCK.sleep(_REST)
        quiet = watch.move("none", began)
        moves: list[Move] = []
        # One after the other, so that each is charged with its own.
        for migration in (each for each in release if each.version > since):
            began = time.perf_counter()
            await migrations.apply(url, release=[each for each in release if each.version <= migration.version])
            moves.append(watch.move(str(migration), began))
        stop.set()
    return Migrate(entities=count, since=since, quiet=quiet, moves=moves)


async def _work(url: str, count: int, watch: _Watch, who: tuple[str, str], statement: str, stop: asyncio.Event) -> None:
    """Read or write one row after the other."""
    chance = random.Random(str(who))
    # What it had prepared would be of another schema.
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        while not stop.is_set():
            started = watch.running[who] = time.perf_counter()
            await connection.fetch(statement, f"component:default/c{chance.randint(1, count)}")
            del watch.running[who]
            watch.took(*who, time.perf_counter() - started)
            await CLOCK.sleep(_PACE)
    finally:
        await connection.close()


def show(console: Console, result: Migrate) -> None:
    """Print the figures."""
    columns = ["", "s", "longest write, ms", "of", "longest read, ms", "of"]
    rows = [
        [move.migration, f"{move.seconds:.1f}", *_longest(move.longest_write_ms), *_longest(move.longest_read_ms)]
        for move in (result.quiet, *result.moves)
    ]
    tables.show(console, f"Migrate, {result.entities:,} entities, since {result.since:04}", columns, rows)


def _longest(waits: Mapping[str, float]) -> tuple[str, str]:
    table = max(waits, key=lambda name: waits[name], default="")
    return (f"{waits[table]:,.0f}", table) if table else ("", "")

"""View: what it takes to build it, to read from it, and what a day of changes leaves of its memory."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import processes, query, reads, servers, tables
from benchmarks.launch import CLOCK, Launched, until
from benchmarks.query import Reading
from benchmarks.servers import ReaderClocks, Server
from callboard.model import json
from callboard.model.hashing import content_hash
from callboard.store import publication
from callboard.store.publication import FinalEntity

_READS = ("by-name", "by-refs-100", "query-20", "facet-type-filtered", reads.COMPONENTS)
_BATCH = 200
_REST = 2.0
_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the API process holds after so many changes."""

    changes: int
    resident_bytes: int
    shared_out_bytes: int
    api_cpu_us: float
    """For a change, since the last look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFigures:
    """The figures of one run."""

    entities: int
    ready_seconds: float
    """From the start of the process until it answers."""
    ready_cpu_seconds: float
    empty_bytes: int
    """What a process holds that has no entities."""
    readings: Sequence[Reading]
    held: Sequence[Held]


async def run(count: int, rounds: int, progress: Progress) -> ViewFigures:
    """Build a view of *count* entities in a further API process, read from it, and change everything *rounds* times."""
    async with servers.fresh() as server:
        async with server.another_api() as api:
            empty = processes.memory(api.pid).resident
        task = progress.add_task(f"view: fill with {count:,}", total=count)
        await servers.fill(server, count, lambda seen: progress.update(task, completed=seen))
        progress.remove_task(task)
        started = time.perf_counter()
        async with server.another_api() as api:
            ready = time.perf_counter() - started
            cpu = processes.cpu_seconds([api.pid])
            await CLOCK.sleep(_REST)
            before = _held(api, 0, 0.0)

            async def look() -> ReaderClocks:
                return ReaderClocks(processes.clocks([api.pid]), None)

            read = await query.run(api.url, progress, look=look, share=_SHARE, only=_READS)
            held = [before, _held(api, 0, 0.0)]
            held += await _changed(server, api, rounds, progress)
    return ViewFigures(
        entities=count,
        ready_seconds=ready,
        ready_cpu_seconds=cpu,
        empty_bytes=empty,
        readings=read.readings,
        held=held,
    )


def _held(api: Launched, changes: int, cpu_us: float) -> Held:
    memory = processes.memory(api.pid)
    return Held(changes=changes, resident_bytes=memory.resident, shared_out_bytes=memory.shared_out, api_cpu_us=cpu_us)


async def _changed(server: Server, api: Launched, rounds: int, progress: Progress) -> list[Held]:
    """Change random entities, past all that comes before publishing: as many a round as there are entities."""
    chance = random.Random(1)
    connection = await asyncpg.connect(server.database.url)
    try:
        refs = [row["ref"] for row in await connection.fetch("select ref from final_entities where body is not null")]
        found: list[Held] = []
        done = 0
        task = progress.add_task("view: changes", total=rounds * len(refs))
        for _ in range(rounds):
            used, begun = processes.cpu_seconds([api.pid]), done
            while done < begun + len(refs):
                await _publish(server, chance.sample(refs, min(_BATCH, len(refs))), chance, connection)
                done += min(_BATCH, len(refs))
                progress.update(task, completed=done)
            await _caught_up(server, api)
            cpu = processes.cpu_seconds([api.pid]) - used
            found.append(_held(api, done, cpu / (done - begun) * 1e6))
        progress.remove_task(task)
        return found
    finally:
        await connection.close()


async def _publish(server: Server, refs: list[str], chance: random.Random, connection: asyncpg.Connection) -> None:
    rows = await connection.fetch(
        "select ref, uid::text as uid, body from final_entities where ref = any($1) and body is not null",
        refs,
    )
    edited = [_edited(row["ref"], row["uid"], row["body"], chance) for row in rows]
    async with server.database.transaction() as tx:
        await publication.publish(tx, edited)


def _edited(ref: str, uid: str, body: str, chance: random.Random) -> FinalEntity:
    entity = json.decode(body)
    assert isinstance(entity, dict)
    metadata, relations = entity["metadata"], entity["relations"]
    assert isinstance(metadata, dict)
    assert isinstance(relations, list)
    token = f"{chance.getrandbits(64):016x}"
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    metadata["labels"] = {**(labels if isinstance(labels, dict) else {}), "example.com/build": token}
    metadata["annotations"] = {**(annotations if isinstance(annotations, dict) else {}), "example.com/commit": token}
    entity["relations"] = [*relations[:6], {"type": "dependsOn", "targetRef": f"resource:default/{token[:6]}"}]
    return FinalEntity(
        ref=ref,
        uid=uid,
        body=json.encode(entity).decode(),
        hash=content_hash([entity]),
        cause='{"source":"provider:bench"}',
    )


async def _caught_up(server: Server, api: Launched) -> None:
    async with servers.existing(api.url, server.database.url) as reader:
        async with server.database.transaction() as tx:
            head: int = await tx.connection.fetchval("select head from stream")

        async def seen() -> bool:
            return await reader.offset() >= head

        await until(seen, every=0.2)
    await CLOCK.sleep(_REST)


def show(console: Console, result: ViewFigures) -> None:
    """Print the figures."""
    console.print(
        f"View of {result.entities:,} entities: ready after {result.ready_seconds:.1f} s,"
        f" {result.ready_cpu_seconds:.1f} s of CPU; without entities {result.empty_bytes / 2**20:.0f} MiB.\n"
    )
    rows = [
        [each.name, str(each.connections), f"{each.p50_ms:.2f}", f"{each.api_cpu_us or 0:,.0f}", f"{each.bytes_each:,}"]
        for each in result.readings
    ]
    tables.show(console, "Reads", ["", "connections", "p50 ms", "API µs", "bytes"], rows)
    rows = [
        [
            f"{each.changes:,}",
            f"{each.resident_bytes / 2**20:.0f}",
            f"{each.shared_out_bytes / 2**20:.0f}",
            f"{(each.resident_bytes - result.empty_bytes) / result.entities:,.0f}",
            f"{each.api_cpu_us:.0f}",
        ]
        for each in result.held
    ]
    columns = ["after changes", "RSS MiB", "PSS MiB", "bytes per entity", "API µs per change"]
    tables.show(console, "Memory: just built, after the reads, after each round of changes", columns, rows)

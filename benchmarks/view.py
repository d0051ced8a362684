"""View: how long an API process takes to hold a large catalog, what that weighs, and whether a day of changes tells."""

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, processes, servers, tables
from benchmarks.launch import CLOCK
from benchmarks.servers import Server
from callboard.model import json
from callboard.model.causes import CHANGED
from callboard.model.hashing import content_hash
from callboard.model.json import JsonObject
from callboard.store import changes as changes_of
from callboard.store import publication
from callboard.store.publication import FinalEntity

_PARTS = 5
_BATCH = 500
_REST = 2.0
_REMOVED_EVERY = 20
"""Of the changes, this many are a removal; the next time that its turn comes, the entity is there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """An API process at some time."""

    changes: int
    """That it has followed so far."""
    resident_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The figures of one run."""

    entities: int
    ready_seconds: float
    """From the start of a process until it serves all of them."""
    ready_cpu: float
    empty_mib: float
    """Of a process that holds no entities."""
    day: Sequence[State]
    yardstick_us: float


async def run(count: int, changes: int, progress: Progress) -> View:
    """Fill a new server, start another API process, and let it follow *changes*."""
    yardstick = tables.Yardstick()
    async with servers.fresh() as server:
        async with server.another_api() as api:
            await CLOCK.sleep(_REST)
            empty = _resident(api.pid)
        task = progress.add_task(f"view: fill with {count:,}", total=count)
        await servers.fill(server, count, lambda seen: progress.update(task, completed=seen))
        progress.remove_task(task)
        yardstick.sample()
        started = time.perf_counter()
        async with server.another_api() as api:
            ready, cpu = time.perf_counter() - started, processes.cpu_seconds([api.pid])
            yardstick.sample()
            await CLOCK.sleep(_REST)
            day = [State(changes=0, resident_mib=_resident(api.pid))]
            task = progress.add_task(f"view: {changes:,} changes", total=changes)
            async for done in _parts_of_a_day(server, changes, lambda each: progress.update(task, completed=each)):
                await server.settled(offset=await _head(server))
                await CLOCK.sleep(_REST)
                day.append(State(changes=done, resident_mib=_resident(api.pid)))
            progress.remove_task(task)
        return View(
            entities=count,
            ready_seconds=ready,
            ready_cpu=cpu,
            empty_mib=empty,
            day=day,
            yardstick_us=yardstick.microseconds,
        )


async def _parts_of_a_day(server: Server, changes: int, told: Callable[[int], None]) -> AsyncIterator[int]:
    """Publish *changes* past all that comes before publishing; after each part, how many there have been."""
    async with server.database.transaction() as tx:
        everything = await tx.connection.fetch("select ref, uid::text, body from final_entities where body is not null")
    chance = random.Random(1)
    gone: dict[str, bool] = {}
    rows = {row["ref"]: row for row in everything}
    refs, done = sorted(rows), 0
    for part in range(1, _PARTS + 1):
        while done < changes * part // _PARTS:
            chosen = chance.sample(refs, min(_BATCH, len(refs)))
            removed = [ref for ref in chosen[::_REMOVED_EVERY] if not gone.get(ref)]
            revised = [
                _revised(ref, rows[ref]["uid"], rows[ref]["body"], done + number)
                for number, ref in enumerate(chosen)
                if ref not in set(removed)
            ]
            async with server.database.transaction() as tx:
                await publication.publish(tx, revised)
            async with server.database.transaction() as tx:
                await publication.retract(tx, dict.fromkeys(removed, CHANGED))
            gone |= dict.fromkeys(chosen, False) | dict.fromkeys(removed, True)
            done += len(chosen)
            told(done)
        yield done


def _revised(ref: str, uid: str, body: str, revision: int) -> FinalEntity:
    """The entity with another description, other tags, and one relation less or again."""
    entity = json.decode(body)
    assert isinstance(entity, dict)
    changed = generate.revised(entity, revision)
    metadata = changed["metadata"]
    assert isinstance(metadata, dict)
    labels: JsonObject = {"example.com/revision": str(revision % 1000)}
    changed["metadata"] = {**metadata, "labels": labels, "tags": [f"tag-{revision % 400}", f"tag-{revision % 7}"]}
    relations = changed.get("relations")
    if isinstance(relations, list) and revision % 2:
        changed["relations"] = relations[1:]
    written = json.encode(changed).decode()
    return FinalEntity(ref=ref, uid=uid, body=written, hash=content_hash(changed), cause=None)


async def _head(server: Server) -> int:
    async with server.database.transaction() as tx:
        return (await changes_of.position(tx)).head


def _resident(pid: int) -> float:
    return processes.memory(pid).resident / 2**20


def show(console: Console, result: View) -> None:
    """Print the figures."""
    loaded = result.day[0].resident_mib
    columns = ["", "entities", "ready s", "CPU s", "MiB", "without entities", "KiB per entity"]
    each = (loaded - result.empty_mib) * 1024 / result.entities
    row = ["an API process", f"{result.entities:,}", f"{result.ready_seconds:.1f}", f"{result.ready_cpu:.1f}"]
    row += [f"{loaded:.0f}", f"{result.empty_mib:.0f}", f"{each:.2f}"]
    tables.show(console, "View: from the start of the process until it serves everything", columns, [row])
    rows = [[f"{state.changes:,}", f"{state.resident_mib:.0f}"] for state in result.day]
    tables.show(console, "A day of changes", ["changes followed", "MiB"], rows)
    console.print(f"Yardstick: {result.yardstick_us:.0f} µs.", highlight=False)
    console.print()

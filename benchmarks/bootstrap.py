"""Bootstrap: how long a consumer that begins at offset 0 takes until it has the whole catalog."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, processes, servers, tables, wire
from benchmarks.live import created
from benchmarks.servers import Server
from benchmarks.wire import Ask, Wire
from callboard.client import AsyncCatalogClient, Event
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.hashing import content_hash
from callboard.store import publication
from callboard.store.publication import FinalEntity

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One consumer that has read everything."""

    how: str
    readers: int
    """That read at the same time."""
    seconds: float
    """Until the last one had everything."""
    mib: float | None
    """Of answers to one of them, where the benchmark sees them."""
    own_cpu: float
    """Seconds of CPU of all consumers together."""
    api_cpu: float
    postgres_cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """The figures of one run."""

    entities: int
    readings: Sequence[Reading]


class _Counter(Wire):
    """Counts what comes."""

    received = 0
    lines = 0
    _tail = b""

    def on_body(self, body: bytes) -> None:
        """Count bytes and lines."""
        self.received += len(body)
        self.lines += body.count(b"\n")
        # The word may be cut in two.
        if b'"caughtUp":true' in self._tail + body:
            self._end(None)
        self._tail = body[-20:]


async def run(count: int, readers: int, progress: Progress) -> Bootstrap:
    """Publish *count* entities, and let consumers read them all."""
    async with servers.fresh() as server:
        task = progress.add_task(f"bootstrap: {count} entities", total=count)
        await fill(server, count, lambda done: progress.update(task, completed=done))
        await server.settled(offset=count)
        readings = [await _measured(server, "client.follow", 1, count)]
        readings += [await _measured(server, "NDJSON", each, count) for each in sorted({1, readers})]
        progress.remove_task(task)
        return Bootstrap(entities=count, readings=readings)


async def _measured(server: Server, how: str, readers: int, count: int) -> Reading:
    def used() -> tuple[float, float, float]:
        return time.process_time(), server.api_seconds(), processes.tree_seconds(server.postmaster)

    before, started = used(), time.perf_counter()
    received = await (_followed(server, count) if how == "client.follow" else _streamed(server, readers, count))
    seconds = time.perf_counter() - started
    own, api, postgres = (later - earlier for later, earlier in zip(used(), before, strict=True))
    return Reading(
        how=how,
        readers=readers,
        seconds=seconds,
        mib=received / 2**20 if received else None,
        own_cpu=own,
        api_cpu=api,
        postgres_cpu=postgres,
    )


async def _followed(server: Server, count: int) -> None:
    """Read with the client, which makes an object of each event."""
    seen = 0
    async with AsyncCatalogClient(server.url) as catalog:
        async for news in catalog.follow(until_caught_up=True, limit=1_000):
            seen += isinstance(news, Event)
    assert seen == count, f"{seen} of {count} events came"


async def _streamed(server: Server, readers: int, count: int) -> int:
    """Read lines, and look at nothing but their ends. Returns the bytes that one reader got."""
    async with wire.connected(server.url, readers, _Counter) as wires:
        ask = Ask("/api/catalog/events?offset=0", headers={"accept": "application/x-ndjson"})
        await asyncio.gather(*(each.send(ask.encoded(each.host)) for each in wires))
        assert all(each.lines >= count for each in wires)
        return wires[0].received


async def fill(server: Server, count: int, told: Callable[[int], None]) -> None:
    """Publish generated entities, past all that comes before publishing."""
    batch: list[tuple[str, str]] = []
    for number, entity in enumerate(generate.entities(count), 1):
        batch.append((str(entity_ref(entity)), json.encode(entity).decode()))
        if len(batch) == _BATCH or number == count:
            uids = await created(server, [ref for ref, _ in batch])
            finals = [
                FinalEntity(ref=ref, uid=uids[ref], body=body, hash=content_hash(body), cause=None)
                for ref, body in batch
            ]
            async with server.database.transaction() as tx:
                await publication.publish(tx, finals)
            batch.clear()
            told(number)


def show(console: Console, result: Bootstrap) -> None:
    """Print the figures."""
    columns = ["", "readers", "s", "entities/s each", "MiB each", "own CPU s", "API CPU s", "PostgreSQL CPU s"]
    rows = []
    for reading in result.readings:
        row = [reading.how, str(reading.readers), f"{reading.seconds:.1f}"]
        row += [f"{result.entities / reading.seconds:,.0f}", "" if reading.mib is None else f"{reading.mib:.0f}"]
        rows.append([*row, *(f"{cpu:.1f}" for cpu in (reading.own_cpu, reading.api_cpu, reading.postgres_cpu))])
    tables.show(console, f"Bootstrap: {result.entities:,} entities from offset 0", columns, rows)

"""Follow: how soon a change reaches everybody who waits for it, and what that costs."""

import asyncio
import json
import time
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, tables, wire
from benchmarks.launch import CLOCK
from benchmarks.servers import Server
from benchmarks.wire import Wire
from callboard.extend import Delta, Full, Offered
from callboard.ingestion.connections import Connection

_LONGEST_WAIT = 60
_ROUNDS = 5
_REST = 1.0
"""Seconds in which all requests of a round arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """The figures of one run; seconds count from the moment at which the provider's change was committed."""

    waiters: int
    first_ms: float
    """Until the first waiter had it: processing and stitching, above all. The median of all rounds."""
    last_ms: float
    """Until the last waiter had it."""
    api_cpu_us: float | None
    """Of the API for each waiter and change; None where its process is not known."""
    memory_mib: dict[str, float]


async def run(server: Server, waiters: int, progress: Progress) -> Follow:
    """Let *waiters* wait for the next change, make one, and see when each of them has it; several times."""
    task = progress.add_task(f"follow: {waiters} waiters", total=_ROUNDS)
    entity = next(each for each in generate.entities(100) if each["kind"] == "Component")
    connection = Connection(server.database, "bench-follow")
    # The first one is not measured: it makes the entity, and its owner learns about it.
    await connection.apply(Delta([Offered(generate.revised(entity, 0), "bench-follow")]))
    await server.settled(offset=await server.offset())
    firsts, lasts, cpu = [], [], 0.0
    async with wire.connected(server.url, waiters) as wires:
        for number in range(1, _ROUNDS + 1):
            offset = await server.offset()
            waiting = [asyncio.create_task(_wait(each, offset)) for each in wires]
            await CLOCK.sleep(_REST)
            used = server.api_seconds()
            await connection.apply(Delta([Offered(generate.revised(entity, number), "bench-follow")]))
            committed = time.perf_counter()
            arrivals = await asyncio.gather(*waiting)
            cpu += server.api_seconds() - used
            firsts.append(min(arrivals) - committed)
            lasts.append(max(arrivals) - committed)
            progress.advance(task)
    await connection.apply(Full([]))
    progress.remove_task(task)
    return Follow(
        waiters=waiters,
        first_ms=tables.quantile(firsts, 0.5) * 1000,
        last_ms=tables.quantile(lasts, 0.5) * 1000,
        api_cpu_us=None if server.pid is None else cpu / _ROUNDS / waiters * 1e6,
        memory_mib=server.memory(),
    )


async def _wait(each: Wire, offset: int) -> float:
    """The moment at which this waiter has the change."""
    page = json.loads(await each.get(f"/api/catalog/events?offset={offset}&wait={_LONGEST_WAIT}"))
    assert page["events"], "the change came before the longest wait was over"
    return time.perf_counter()


def show(console: Console, result: Follow) -> None:
    """Print the figures."""
    columns = ["", "waiters", "first ms", "last ms", "API CPU µs each"]
    row = ["one change", f"{result.waiters:,}", f"{result.first_ms:.1f}", f"{result.last_ms:.1f}"]
    title = "Follow: from the provider's commit to the waiters"
    tables.show(console, title, columns, [[*row, "?" if result.api_cpu_us is None else f"{result.api_cpu_us:,.0f}"]])

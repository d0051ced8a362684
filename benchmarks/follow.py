"""Follow: how soon a change reaches everybody who waits for it, and what that costs."""

import asyncio
import enum
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from benchmarks import generate, processes, tables, wire
from benchmarks.launch import CLOCK
from benchmarks.servers import Server
from benchmarks.wire import Ask, Wire
from callboard.extend import Delta, Full, Offered
from callboard.ingestion.connections import Connection

_LONGEST_WAIT = 60
_ROUNDS = 5
_REST = 2.0
"""Seconds in which all requests of a round arrive."""


class Form(enum.StrEnum):
    """How the readers follow."""

    LONG_POLL = "long-poll"
    SSE = "sse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """The figures of one run; seconds count from the moment at which the provider's change was committed."""

    form: str
    waiters: int
    first_ms: float
    """Until the first waiter had it: processing and stitching, above all. The median of all rounds."""
    p50_ms: float
    """Until half of the waiters had it."""
    p99_ms: float
    last_ms: float
    """Until the last waiter had it."""
    woken_ms: float
    """From the first waiter to the last."""
    waiter_kb: float | None
    """What a waiter takes while nothing happens, of the memory of the API; None where its process is not known."""
    api_cpu_us: float | None
    """Of the API for each waiter and change."""
    memory_mib: dict[str, float]


class _Waiter(Wire):
    """Waits for changes, one at a time."""

    async def change(self, offset: int) -> float:
        """The moment at which the change after *offset* is here."""
        page = json.loads(await self.get(f"/api/catalog/events?offset={offset}&wait={_LONGEST_WAIT}"))
        assert page["events"], "the change came before the longest wait was over"
        return time.perf_counter()


class _Follower(_Waiter):
    """Follows with server-sent events, in one answer that never ends."""

    _had: "asyncio.Future[float] | None" = None
    _following: "asyncio.Task[bytes] | None" = None

    async def change(self, offset: int) -> float:
        """The moment at which the next change is here."""
        self._had = asyncio.get_running_loop().create_future()
        if self._parser is None:
            ask = Ask(f"/api/catalog/events?offset={offset}", headers={"accept": "text/event-stream"})
            self._following = asyncio.create_task(self.send(ask.encoded(self.host)))
        return await self._had

    def on_body(self, body: bytes) -> None:
        """Look for a change: there is one in a round, and everything else is a heartbeat or a bookmark."""
        if self._had is not None and not self._had.done() and b"event: updated\n" in body:
            self._had.set_result(time.perf_counter())

    def close(self) -> None:
        """Stop to follow."""
        if self._following is not None:
            self._following.cancel()
        super().close()


async def run(server: Server, waiters: int, progress: Progress, form: Form = Form.LONG_POLL) -> Follow:
    """Let *waiters* wait for the next change, make one, and see when each of them has it; several times."""
    task = progress.add_task(f"follow: {waiters} waiters", total=_ROUNDS)
    entity = next(each for each in generate.entities(100) if each["kind"] == "Component")
    connection = Connection(server.database, "bench-follow")
    # The first one is not measured: it makes the entity, and its owner learns about it.
    before = await server.offset()
    await connection.apply(Delta([Offered(generate.revised(entity, 0), "bench-follow")]))
    await server.settled(offset=before + 1)
    rounds: list[list[float]] = []
    cpu, before, waiting_bytes = 0.0, _resident(server), 0
    async with wire.connected(server.url, waiters, _Follower if form is Form.SSE else _Waiter) as wires:
        for number in range(1, _ROUNDS + 1):
            offset = await server.offset()
            waiting = [asyncio.create_task(each.change(offset)) for each in wires]
            await CLOCK.sleep(_REST)
            # In the first round, before there were answers to write: what they leave is not for waiting.
            waiting_bytes = waiting_bytes or _resident(server) - before
            used = server.api_seconds()
            await connection.apply(Delta([Offered(generate.revised(entity, number), "bench-follow")]))
            committed = time.perf_counter()
            rounds.append([arrival - committed for arrival in await asyncio.gather(*waiting)])
            cpu += server.api_seconds() - used
            progress.advance(task)
    await connection.apply(Full([]))
    progress.remove_task(task)
    return Follow(
        form=form,
        waiters=waiters,
        first_ms=_median([min(arrivals) for arrivals in rounds]),
        p50_ms=_median([tables.quantile(arrivals, 0.5) for arrivals in rounds]),
        p99_ms=_median([tables.quantile(arrivals, 0.99) for arrivals in rounds]),
        last_ms=_median([max(arrivals) for arrivals in rounds]),
        woken_ms=_median([max(arrivals) - min(arrivals) for arrivals in rounds]),
        waiter_kb=None if server.pid is None else waiting_bytes / waiters / 1000,
        api_cpu_us=None if server.pid is None else cpu / _ROUNDS / waiters * 1e6,
        memory_mib=server.memory(),
    )


def _resident(server: Server) -> int:
    """The memory of the APIs now, in bytes."""
    return sum(processes.memory(pid).resident for pid in server.pids("api"))


def _median(seconds: Sequence[float]) -> float:
    return tables.quantile(seconds, 0.5) * 1000


def show(console: Console, result: Follow) -> None:
    """Print the figures."""
    columns = ["", "waiters", "first ms", "p50 ms", "p99 ms", "last ms", "woken ms", "kB each", "API CPU µs each"]
    times = (result.first_ms, result.p50_ms, result.p99_ms, result.last_ms, result.woken_ms)
    row = [result.form, f"{result.waiters:,}", *(f"{each:.1f}" for each in times)]
    row += ["?" if each is None else f"{each:,.1f}" for each in (result.waiter_kb, result.api_cpu_us)]
    tables.show(console, "Follow: from the provider's commit to the waiters", columns, [row])

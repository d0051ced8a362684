"""Join: API processes that start while the catalog changes, and whether they are exact from the first answer on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
from rich.console import Console
from rich.progress import Progress

from benchmarks import loads, processes, servers, tables
from benchmarks.bootstrap import fill
from benchmarks.launch import CLOCK
from benchmarks.loads import Load
from benchmarks.servers import Server
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject

_REST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """An API process that has come to the others."""

    ready_seconds: float
    """From the start of the process on."""
    cpu: float
    """What it had used by then."""
    lag: int
    """Changes between what it answered first and the head of the stream at that moment."""
    entities: int
    wrong: int
    """Of them, and of those that it should have: how many are other ones than the tables had at that offset."""
    mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The figures of one run."""

    entities: int
    rate: float
    """Changes a second that were committed."""
    joined: Sequence[Joined]


async def run(count: int, apis: int, rate: int, progress: Progress) -> Join:
    """Fill a fresh server with *count* entities, and start further API processes while *rate* changes a second come."""
    async with servers.fresh() as server:
        task = progress.add_task(f"join: {count} entities", total=count + apis)
        await fill(server, count, lambda done: progress.update(task, completed=done))
        load = Load(server.database, rate, staying=min(count, 5_000))
        joined = []
        async with load.running():
            await CLOCK.sleep(_REST)
            for _ in range(apis):
                joined.append(await _joined(server))
                progress.advance(task)
        progress.remove_task(task)
    return Join(entities=count, rate=load.achieved, joined=joined)


async def _joined(server: Server) -> Joined:
    started = time.perf_counter()
    async with server.another_api() as api:
        ready = time.perf_counter() - started
        used = processes.cpu_seconds([api.pid])
        async with server.database.transaction() as tx:
            head = await tx.connection.fetchval("select head from stream")
        offset, answered = await content_of(api.url)
        mib = processes.peak_mib(api.pid)
        expected = await loads.catalog_at(server.database, offset)
    return Joined(
        ready_seconds=ready,
        cpu=used,
        lag=max(0, head - offset),
        entities=len(answered),
        wrong=sum(answered.get(ref) != expected.get(ref) for ref in answered.keys() | expected.keys()),
        mib=mib,
    )


async def content_of(url: str) -> tuple[int, dict[str, JsonObject]]:
    """The catalog as the API at *url* tells it, by ref, and the offset that it says that this is."""
    async with httpx2.AsyncClient(base_url=url, timeout=120) as http:
        answer = (await http.get("/api/catalog/entities")).raise_for_status()
    entities: list[JsonObject] = answer.json()
    return int(answer.headers["callboard-offset"]), {str(entity_ref(entity)): entity for entity in entities}


def show(console: Console, result: Join) -> None:
    """Print the figures."""
    columns = ["API", "ready after s", "CPU s", "changes behind", "entities", "wrong", "MiB"]
    rows = [
        [
            str(number),
            f"{each.ready_seconds:.2f}",
            f"{each.cpu:.2f}",
            f"{each.lag:,}",
            f"{each.entities:,}",
            str(each.wrong),
            f"{each.mib:.0f}",
        ]
        for number, each in enumerate(result.joined, start=1)
    ]
    title = f"Join: {result.entities:,} entities, {result.rate:,.0f} changes a second meanwhile"
    tables.show(console, title, columns, rows)

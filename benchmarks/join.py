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
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject
from callboard.store import changes

_REST = 2.0
_WATCHED = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """An API process that has come to the others."""

    ready_seconds: float
    """From the start of the process on."""
    cpu: float
    """Seconds that it had used by then."""
    postgres_cpu: float
    """The same of the PostgreSQL processes that work for it alone."""
    lag: int
    """Changes between what it answered first and the head of the stream at that moment."""
    entities: int
    wrong: int
    """Of them, and of those that it should have: how many are other ones than the tables had at that offset."""
    mib: float
    follow_us: float
    """CPU of the process for each change that comes afterwards."""
    postgres_follow_us: float


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
                joined.append(await _joined(server, load))
                progress.advance(task)
        progress.remove_task(task)
    return Join(entities=count, rate=load.achieved, joined=joined)


async def _joined(server: Server, load: Load) -> Joined:
    others = set(await _backends(server))
    started = time.perf_counter()
    async with server.another_api() as api:
        ready = time.perf_counter() - started
        used = processes.cpu_seconds([api.pid])
        backends = [pid for pid in await _backends(server) if pid not in others]
        asked = processes.cpu_seconds(backends)
        head = await _head(server)
        offset, body = await _content(api.url)
        async with load.still:
            # A moment without changes: this takes all of this process, in which the load runs as well.
            answered, expected = _by_ref(body), await loads.catalog_at(server.database, offset)
        follow, postgres_follow = await _following(server, api.pid, backends)
        mib = processes.peak_mib(api.pid)
    return Joined(
        ready_seconds=ready,
        cpu=used,
        postgres_cpu=asked,
        lag=max(0, head - offset),
        entities=len(answered),
        wrong=sum(answered.get(ref) != expected.get(ref) for ref in answered.keys() | expected.keys()),
        mib=mib,
        follow_us=follow,
        postgres_follow_us=postgres_follow,
    )


async def _following(server: Server, api: int, backends: Sequence[int]) -> tuple[float, float]:
    """Microseconds for each change, of the API and of PostgreSQL for it."""
    head, used, asked = await _head(server), processes.cpu_seconds([api]), processes.cpu_seconds(backends)
    await CLOCK.sleep(_WATCHED)
    used, asked = processes.cpu_seconds([api]) - used, processes.cpu_seconds(backends) - asked
    told = await _head(server) - head
    return used / told * 1e6, asked / told * 1e6


async def _head(server: Server) -> int:
    async with server.database.transaction() as tx:
        return (await changes.position(tx)).head


async def _backends(server: Server) -> list[int]:
    """PostgreSQL's processes that work for APIs."""
    async with server.database.transaction() as tx:
        rows = await tx.connection.fetch(
            "select pid from pg_stat_activity where datname = current_database() and application_name = 'callboard-api'"
        )
    return [row["pid"] for row in rows]


async def content_of(url: str) -> tuple[int, dict[str, JsonObject]]:
    """The catalog as the API at *url* tells it, by ref, and the offset that it says that this is."""
    offset, body = await _content(url)
    return offset, _by_ref(body)


async def _content(url: str) -> tuple[int, bytes]:
    async with httpx2.AsyncClient(base_url=url, timeout=120) as http:
        answer = (await http.get("/api/catalog/entities")).raise_for_status()
    return int(answer.headers["callboard-offset"]), answer.content


def _by_ref(body: bytes) -> dict[str, JsonObject]:
    entities = json.decode(body)
    assert isinstance(entities, list)
    return {str(entity_ref(entity)): entity for entity in entities if isinstance(entity, dict)}


def show(console: Console, result: Join) -> None:
    """Print the figures."""
    columns = ["API", "ready s", "CPU s", "postgres s", "behind", "entities", "wrong", "MiB", "µs/change", "postgres"]
    rows = [
        [
            str(number),
            f"{each.ready_seconds:.2f}",
            f"{each.cpu:.2f}",
            f"{each.postgres_cpu:.2f}",
            f"{each.lag:,}",
            f"{each.entities:,}",
            str(each.wrong),
            f"{each.mib:.0f}",
            f"{each.follow_us:.0f}",
            f"{each.postgres_follow_us:.0f}",
        ]
        for number, each in enumerate(result.joined, start=1)
    ]
    title = f"Join: {result.entities:,} entities, {result.rate:,.0f} changes a second meanwhile"
    tables.show(console, title, columns, rows)

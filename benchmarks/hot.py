"""Hot: the members of one group arrive one by one, or all at once; how often is it published for them?"""

import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
from rich.console import Console
from rich.progress import Progress

from benchmarks import processes, tables
from benchmarks.launch import until
from benchmarks.servers import Server, Usage, fresh
from callboard.extend import Delta, Full, Offered
from callboard.ingestion.connections import Connection
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject

Arrive = Callable[[Server, int, Callable[[], None]], Awaitable[None]]
"""Lets so many members come, and tells of each."""

_GROUP = "group:default/everybody"
_LOCATION = "url:https://git.example.com/acme/people/blob/main/all.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The figures of one way to arrive."""

    name: str
    members: int
    seconds: float
    """Until the group has all of them."""
    events: int
    """Of the group: how often it was published with other members."""
    relations: int
    """In all these events together: what was written for the sake of the group."""
    history_bytes: int
    """What the history holds of the group, as it is stored."""
    cpu: Usage
    engine_mib: float
    """The most that the engine has held at once."""
    api_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hot:
    """The figures of one run."""

    arrivals: Sequence[Arrival]


async def run(members: int, progress: Progress) -> Hot:
    """Let so many *members* arrive in each way, each in a server of its own."""
    ways: dict[str, Arrive] = {
        "in one go": _at_once,
        "one commit each": _committed,
        "one push each": _pushed,
    }
    arrivals = []
    for name, arrive in ways.items():
        task = progress.add_task(f"hot: {name}", total=members)
        async with fresh() as server:
            arrivals.append(await _measured(server, name, members, arrive, functools.partial(progress.advance, task)))
        progress.remove_task(task)
    return Hot(arrivals=arrivals)


async def _measured(
    server: Server,
    name: str,
    members: int,
    arrive: Arrive,
    told: Callable[[], None],
) -> Arrival:
    await Connection(server.database, "bench-group").apply(Full([Offered(_managed(_group()))]))
    await server.settled()
    used, started = server.usage(), time.perf_counter()
    await arrive(server, members, told)

    async def complete() -> bool:
        return await _visible_members(server) == members

    await until(complete, every=0.1)
    seconds = time.perf_counter() - started
    await server.settled()
    cpu = server.usage().since(used)
    events, relations, size = await _published(server)
    return Arrival(
        name=name,
        members=members,
        seconds=seconds,
        events=events,
        relations=relations,
        history_bytes=size,
        cpu=cpu,
        engine_mib=sum(map(processes.peak_mib, server.pids("engine"))),
        api_mib=sum(map(processes.peak_mib, server.pids("api"))),
    )


async def _at_once(server: Server, members: int, told: Callable[[], None]) -> None:
    await Connection(server.database, "bench").apply(
        Full([Offered(_managed(_member(number))) for number in range(members)])
    )


async def _committed(server: Server, members: int, told: Callable[[], None]) -> None:
    connection = Connection(server.database, "bench")
    for number in range(members):
        await connection.apply(Delta([Offered(_managed(_member(number)))]))
        told()


async def _pushed(server: Server, members: int, told: Callable[[], None]) -> None:
    for number in range(members):
        body = {"added": [_member(number)], "removed": []}
        (await server.http.post("/api/catalog/providers/bench/delta", json=body)).raise_for_status()
        told()


async def _visible_members(server: Server) -> int:
    page = await server.get(
        "/api/catalog/entities/by-query", filter=f"kind=user,relations.memberOf={_GROUP}", fields="kind", limit=0
    )
    if int(str(page["totalItems"])) == 0:
        return 0
    group = await server.get("/api/catalog/entities/by-name/group/default/everybody")
    relations = group["relations"]
    assert isinstance(relations, list)
    return len(relations)


async def _published(server: Server) -> tuple[int, int, int]:
    """Events of the group, the relations in them, and their bytes in the history, after the one that made it."""
    connection = await asyncpg.connect(server.database.url)
    try:
        row = await connection.fetchrow(
            "select count(*) - 1, sum(json_array_length(body::json -> 'relations')), sum(pg_column_size(body))"
            " from history where ref = $1",
            _GROUP,
        )
    finally:
        await connection.close()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def _group() -> JsonObject:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {"name": "everybody"},
        "spec": {"type": "team", "children": []},
    }


def _member(number: int) -> JsonObject:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {"name": f"user-{number:05}"},
        "spec": {"memberOf": ["everybody"]},
    }


def _managed(entity: JsonObject) -> JsonObject:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    annotations: JsonObject = {MANAGED_BY_LOCATION: _LOCATION, MANAGED_BY_ORIGIN_LOCATION: _LOCATION}
    return {**entity, "metadata": {**metadata, "annotations": annotations}}


def show(console: Console, result: Hot) -> None:
    """Print the figures."""
    columns = ["", "members", "s", "events", "relations", "history MiB"]
    columns += ["engine s", "postgres s", "engine MiB", "API MiB"]
    rows = [
        [
            each.name,
            f"{each.members:,}",
            f"{each.seconds:.1f}",
            f"{each.events:,}",
            f"{each.relations:,}",
            f"{each.history_bytes / 2**20:.1f}",
            f"{each.cpu.engine:.1f}",
            f"{each.cpu.postgres:.1f}",
            f"{each.engine_mib:.0f}",
            f"{each.api_mib:.0f}",
        ]
        for each in result.arrivals
    ]
    tables.show(console, "A hot group; events, relations and history are those of the group alone", columns, rows)

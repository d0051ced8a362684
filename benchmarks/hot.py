"""Hot: a group whose members arrive one by one, and all at once: how often it is put together, and what that costs."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from benchmarks import servers, tables
from benchmarks.servers import Server, Usage
from callboard.model import json
from callboard.model.json import JsonObject

_PROVIDER = "/api/catalog/providers/bench/entities"
_AT_ONCE = 8
_GROUP = "group:default/hot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way in which the members came."""

    name: str
    seconds: float
    """Until all of them were visible, and nothing was left to do."""
    stitches: int
    """Of the group: each is an event, for each found it with more members."""
    group_bytes: int
    """Of the group in the end."""
    written_bytes: int
    """Of all its versions in the history."""
    cpu: Usage
    memory: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hot:
    """The figures of one run."""

    members: int
    ways: Sequence[Way]


async def run(members: int, progress: Progress) -> Hot:
    """Let the members come in both ways, each into a new server."""
    return Hot(
        members=members,
        ways=[
            await _way("one by one", members, progress, one_by_one=True),
            await _way("in one go", members, progress, one_by_one=False),
        ],
    )


async def _way(name: str, members: int, progress: Progress, *, one_by_one: bool) -> Way:
    task = progress.add_task(f"hot: {name}", total=members)
    async with servers.fresh() as server:
        group = _entity("Group", "hot", {"type": "team", "children": []})
        (await server.http.put(f"{_PROVIDER}/group/default/hot?wait=settled", json=group)).raise_for_status()
        began, before, started = await server.offset(), server.usage(), time.perf_counter()
        users = [_entity("User", f"u{number}", {"memberOf": ["hot"]}) for number in range(members)]
        if one_by_one:
            waiting = iter(users)

            async def put() -> None:
                for user in waiting:
                    path = f"{_PROVIDER}/user/default/{user['metadata']['name']}"  # type: ignore[index,call-overload]
                    (await server.http.put(path, json=user)).raise_for_status()
                    progress.advance(task)

            await asyncio.gather(*(put() for _ in range(_AT_ONCE)))
        else:
            body = b"\n".join(json.encode(each) for each in [group, *users])
            answer = await server.http.put(_PROVIDER, content=body, headers={"content-type": "application/x-ndjson"})
            answer.raise_for_status()
        await server.settled(visible=members + 1, told=lambda seen: progress.update(task, completed=seen))
        seconds, cpu = time.perf_counter() - started, server.usage().since(before)
        stitches, written, last = await _versions(server, began)
        memory = server.memory()
    progress.remove_task(task)
    return Way(
        name=name,
        seconds=seconds,
        stitches=stitches,
        group_bytes=last,
        written_bytes=written,
        cpu=cpu,
        memory=memory,
    )


async def _versions(server: Server, began: int) -> tuple[int, int, int]:
    """How many versions the group has got, their bytes, and those of the last one."""
    query = """
        select count(*), coalesce(sum(octet_length(body)), 0)::bigint, coalesce(max(octet_length(body)), 0)
        from history where ref = $1 and "offset" > $2
    """
    async with server.database.transaction() as tx:
        found = await tx.connection.fetchrow(query, _GROUP, began)
    assert found is not None
    return found[0], found[1], found[2]


def _entity(kind: str, name: str, spec: JsonObject) -> JsonObject:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def show(console: Console, result: Hot) -> None:
    """Print the figures."""
    columns = [f"{result.members:,} members", "s", "stitches of the group", "its KiB", "written MiB"]
    columns += ["engine ms", "PostgreSQL ms", "engine MiB", "API MiB"]
    rows = []
    for way in result.ways:
        row = [way.name, f"{way.seconds:.1f}", f"{way.stitches:,}", f"{way.group_bytes / 1024:.0f}"]
        row += [f"{way.written_bytes / 2**20:.1f}"]
        row += [f"{cpu / result.members * 1000:.2f}" for cpu in (way.cpu.engine, way.cpu.postgres)]
        rows.append([*row, f"{way.memory['engine']:.0f}", f"{way.memory['api']:.0f}"])
    tables.show(console, "Hot: a group and its members; CPU is for a member", columns, rows)

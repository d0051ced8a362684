"""A started server whose PostgreSQL and whose processes are hurt, and what must be so after each fault."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from benchmarks import processes
from callboard.model.json import JsonObject
from tests.audit import audit
from tests.faults.callers import Calls, calling, lost
from tests.flows import stories
from tests.flows.engines import until
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.history import proxies
from tests.history.clusters import Cluster, connected
from tests.history.proxies import Proxy

SECONDS = float(os.environ.get("CALLBOARD_FAULT_SECONDS", "1"))
"""How long something is away, or stands still."""

PATIENCE = 2.0
"""How long the API of these tests waits for PostgreSQL."""

_CONFIGURATION: JsonObject = {"callboard": {"database": {"patience": f"{PATIENCE:g}s"}}}

_MORE_MIB = 60
"""By how much any process may grow because of a fault."""


@dataclass(slots=True)
class Hurt:
    """A server, and a database that is its own."""

    server: Server
    cluster: Cluster
    proxy: Proxy
    frozen: set[int] = field(default_factory=set)

    async def stop(self) -> None:
        """Stop the database."""
        await asyncio.to_thread(self.cluster.embedded.stop)

    async def crash(self) -> None:
        """Let the database go as in a power cut."""
        await asyncio.to_thread(self.cluster.crash)

    async def start(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self.cluster.start)

    async def use_up_the_log(self) -> None:
        """Write until the files that the log has on its disk are full, which small writes need minutes for."""
        with contextlib.suppress(asyncpg.PostgresError, ConnectionError):
            async with connected(self.cluster.url) as connection:
                while True:
                    await connection.execute("select pg_logical_emit_message(false, 'ballast', repeat('x', 1000000))")

    def lead_to(self, cluster: Cluster) -> None:
        """Let the name of the database lead to another server from now on."""
        self.cluster = cluster
        self.proxy.upstream = proxies.socket_of(cluster.embedded)
        self.proxy.cut()

    def freeze(self, pid: int) -> None:
        """Let a process stand still."""
        os.kill(pid, signal.SIGSTOP)
        self.frozen.add(pid)

    def thaw(self, *pids: int) -> None:
        """Let processes that stand still go on."""
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
            self.frozen.discard(pid)

    def mib(self) -> dict[int, float]:
        """What each process has had at most."""
        return {pid: processes.peak_mib(pid) for pid in [*self.server.engines().values(), self.server.api()]}

    async def until_true(self, query: str, what: str) -> None:
        """Wait until the database answers *query* with true."""
        async with connected(self.cluster.url) as connection:

            async def true() -> bool:
                return bool(await connection.fetchval(query))

            await until(true, what)


@contextlib.asynccontextmanager
async def hurting(cluster: Cluster, folder: Path) -> AsyncIterator[Hurt]:
    """A server on *cluster*, with a proxy between them."""
    # A test before this one may have failed in the middle.
    await asyncio.to_thread(cluster.start)
    async with proxies.before(cluster.embedded, folder / "proxy") as proxy:
        # The proxy works in this loop, so the server is waited for in a thread.
        server = started(folder, proxy.url, _CONFIGURATION)
        hurt = Hurt(await asyncio.to_thread(server.__enter__), cluster, proxy)
        try:
            yield hurt
        finally:
            hurt.thaw(*hurt.frozen)
            await asyncio.to_thread(server.__exit__, None, None, None)


@contextlib.asynccontextmanager
async def surviving(hurt: Hurt, *, unanswered: bool = False) -> AsyncIterator[Calls]:
    """Callers who see the fault of the block, and what follows.

    The catalog goes on by itself, nothing that was acknowledged is lost, nothing is told twice, nobody gets an answer
    that tells of a mistake, no log has one, and no process has grown. If the API itself was hurt requests may be
    *unanswered*, or be put off by one that has just begun.
    """
    async with stories.story(hurt.server) as story:
        async with calling(hurt.server.url) as calls:
            await calls.until_acknowledged()
            before = hurt.mib()
            yield calls
            await calls.until_acknowledged()
            await calls.until(lambda: calls.reads[-1].view_age is None, "the view to be up to date")
        await story.quiet()
        assert await lost(calls, story.catalog) == {}
        assert await _told_wrong(story) == []
    await audit(hurt.cluster.url)
    assert [answer for answer in calls.odd if not (unanswered and (answer.status == 0 or answer.is_put_off))] == []
    assert hurt.server.complaints() == []
    after = hurt.mib()
    assert {pid: grown for pid in before.keys() & after if (grown := after[pid] - before[pid]) > _MORE_MIB} == {}


async def _told_wrong(story: Story) -> list[str]:
    """Contents that readers were told of after newer ones, or twice."""
    latest: dict[str, int] = {}
    wrong = []
    for event in await story.events():
        owner = str(event.entity["spec"].get("owner", "")) if event.entity else ""
        if owner.startswith("owner-"):
            number = int(owner.removeprefix("owner-"))
            if number <= latest.get(event.ref, -1):
                wrong.append(f"{event.ref} at {event.offset}: {number} after {latest[event.ref]}")
            latest[event.ref] = number
    return wrong

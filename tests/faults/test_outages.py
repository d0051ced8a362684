"""A database that goes away, comes back, and is cut off: what callers of a started server notice of it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import processes
from tests.audit import audit
from tests.faults.callers import Calls, calling, lost
from tests.flows import stories
from tests.flows.started import Server, started
from tests.history import proxies
from tests.history.clusters import Cluster, running
from tests.history.proxies import Proxy

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("CALLBOARD_FAULT_SECONDS", "3"))
"""How long the database is away."""

_PATIENCE = 2.0
"""How long the API of these tests waits for PostgreSQL."""

_MORE_MIB = 60
"""By how much any process may grow because of a fault."""


@dataclass(frozen=True, slots=True)
class Hurt:
    """A server, and a database that is its own."""

    server: Server
    cluster: Cluster
    proxy: Proxy

    async def stop(self) -> None:
        """Stop the database."""
        await asyncio.to_thread(self.cluster.embedded.stop)

    async def crash(self) -> None:
        """Let the database go as in a power cut."""
        await asyncio.to_thread(self.cluster.crash)

    async def start(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self.cluster.start)

    def mib(self) -> dict[str, float]:
        """What each process has had at most."""
        pids = {**self.server.engines(), "api-1": self.server.api()}
        return {role: processes.peak_mib(pid) for role, pid in pids.items()}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("hurt") / "data") as cluster:
        yield cluster


@pytest.fixture
async def hurt(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Hurt]:
    async with proxies.before(cluster.embedded, tmp_path / "proxy") as proxy:
        # The proxy works in this loop, so the server is waited for in a thread.
        server = started(tmp_path, proxy.url, {"callboard": {"database": {"patience": f"{_PATIENCE:g}s"}}})
        yield Hurt(await asyncio.to_thread(server.__enter__), cluster, proxy)
        await asyncio.to_thread(server.__exit__, None, None, None)


@contextlib.asynccontextmanager
async def surviving(hurt: Hurt) -> AsyncIterator[Calls]:
    """Callers who see the fault of the block and what follows: it goes on by itself, and nothing is lost or odd."""
    async with calling(hurt.server.url) as calls:
        await calls.until_acknowledged()
        before = hurt.mib()
        yield calls
        await calls.until_acknowledged()
        await calls.until(lambda: calls.reads[-1].view_age is None, "the view to be up to date")
    async with stories.story(hurt.server) as story:
        await story.quiet()
    await audit(hurt.cluster.url)
    assert await lost(calls, hurt.server.url) == {}
    assert calls.odd == []
    assert hurt.server.complaints() == []
    after = hurt.mib()
    assert {role: grown for role in before if (grown := after[role] - before[role]) > _MORE_MIB} == {}


async def test_while_the_database_is_stopped_reads_go_on_and_say_their_age_and_writes_are_put_off(hurt: Hurt) -> None:
    async with surviving(hurt) as calls:
        await hurt.stop()
        await calls.until_old(SECONDS)
        during = calls.put_off
        await hurt.start()

    assert during


async def test_a_database_that_crashes_and_restarts_is_found_again_by_everybody(hurt: Hurt) -> None:
    async with surviving(hurt):
        await hurt.crash()
        await hurt.start()


async def test_connections_that_are_cut_in_mid_statement_lose_nothing(hurt: Hurt) -> None:
    async with surviving(hurt) as calls:
        cut = 0
        for _ in range(10):
            cut += hurt.proxy.cut()
            await calls.until_acknowledged(3)

    assert cut >= 20


async def test_connections_that_stall_keep_nobody_waiting_for_long(hurt: Hurt) -> None:
    async with surviving(hurt) as calls:
        hurt.proxy.stall()
        await calls.until_old(SECONDS)
        await calls.until(lambda: bool(calls.put_off), "a write to be put off")
        hurt.proxy.go_on()

    assert max(answer.seconds for answer in calls.put_off) < 4 * _PATIENCE

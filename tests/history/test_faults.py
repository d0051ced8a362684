"""Whatever is killed, frozen, cut off or filled up: what was acknowledged is there, and nobody was told wrong.

Each story ends with the checker. Which test is about which fault says docs/contributing/testing.md.
"""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from callboard.clock import SystemClock
from callboard.errors import DatabaseUnavailable
from callboard.store.database import Database
from tests.audit import audit
from tests.flows.engines import until
from tests.flows.test_crashes import NEXT_OFFSET, ROOM
from tests.history import proxies
from tests.history.clusters import Cluster, connected, running
from tests.history.histories import Outcome, Recorder
from tests.history.processes import Actor, Stage
from tests.history.proxies import Proxy
from tests.history.writers import IMPATIENT, Writer

pytestmark = pytest.mark.slow

VICTIM = Actor("writers", "insist", "victim")
_STANDING = (
    "select count(*) from pg_stat_activity where application_name = 'history-victim' and wait_event_type = 'Lock'"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that may be hurt."""
    with running(tmp_path_factory.mktemp("hurt") / "data") as cluster:
        yield cluster


@pytest.fixture
async def stage(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Stage]:
    """An empty history on it."""
    async with emptied(cluster, tmp_path, seconds=30) as stage:
        yield stage


@contextlib.asynccontextmanager
async def emptied(cluster: Cluster, folder: Path, seconds: float) -> AsyncIterator[Stage]:
    stage = Stage(cluster.url, folder, seconds)
    async with connected(cluster.url) as connection:
        await connection.execute(
            "delete from history; delete from kept_versions;"
            "delete from final_entities; delete from entities; delete from stitch_queue;"
            "update stream set head = 0, history_floor = 0, tombstone_floor = 0; drop table if exists revisions"
        )
    await stage.make_room()
    yield stage
    await audit(cluster.url)


@contextlib.asynccontextmanager
async def writing(stage: Stage, url: str | None = None) -> AsyncIterator[Writer]:
    """A writer in this process."""
    database = await Database.open(url or stage.url, clock=SystemClock(), connections=2)
    try:
        yield Writer(database, Recorder(stage.folder / "here.history"), "here", random.Random(7))
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def braking(stage: Stage, lock: str) -> AsyncIterator[None]:
    """Hold what the others need, until the end of the block."""
    async with connected(stage.url) as connection:
        await connection.execute(ROOM)
        await connection.execute("begin")
        await connection.execute(lock)
        yield
        await connection.execute("rollback")


async def until_standing(stage: Stage) -> None:
    """Wait until the victim waits for a lock."""
    async with connected(stage.url) as connection:

        async def standing() -> bool:
            return bool(await connection.fetchval(_STANDING))

        await until(standing, "the victim to wait for a lock")


async def outcomes(stage: Stage, who: str) -> list[Outcome]:
    return [write.outcome for write in (await stage.history()).writes if write.who == who]


async def assert_all_is_well(stage: Stage) -> None:
    assert [str(violation) for violation in await stage.violations()] == []


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param("select from stream for update", id="before-the-lock"),
        pytest.param(NEXT_OFFSET, id="holding-it"),
    ],
)
async def test_what_a_killed_writer_had_not_committed_never_was(stage: Stage, lock: str) -> None:
    async with stage.started(VICTIM) as victim:
        async with braking(stage, lock):
            await until_standing(stage)
            victim.kill()
            await victim.wait()
        async with writing(stage) as writer:
            await writer.change(["component:default/a"])

    history = await stage.history()
    assert (history.end.head, history.end.state) == (1, {"component:default/a": 1})
    await assert_all_is_well(stage)


@pytest.fixture
async def proxy(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxies.before(cluster.embedded, tmp_path / "proxy") as proxy:
        yield proxy


async def test_what_a_killed_writer_has_committed_is_there_though_it_never_knew(stage: Stage, proxy: Proxy) -> None:
    proxy.keep_back_after = b"commit\0"
    async with stage.started(VICTIM, url=proxy.url) as victim:
        await asyncio.wait_for(proxy.kept_back.wait(), 20)
        victim.kill()
        await victim.wait()

    history = await stage.history()
    assert await outcomes(stage, "victim") == [Outcome.UNKNOWN]
    assert (history.end.head, history.end.state) == (2, {"component:default/a": 1, "component:default/b": 1})
    await assert_all_is_well(stage)


async def test_cut_connections_lose_nothing_that_was_acknowledged(stage: Stage, proxy: Proxy) -> None:
    async with writing(stage, proxy.url) as writer, stage.started(VICTIM) as other:
        for number in range(40):
            step = asyncio.create_task(writer.step())
            if number % 5 == 4:
                await SystemClock().sleep(0)
                proxy.cut()
            await step
        other.kill()
        await other.wait()

    known = await outcomes(stage, "here")
    assert known.count(Outcome.ACKNOWLEDGED) >= 20
    assert Outcome.UNKNOWN in known
    await assert_all_is_well(stage)


async def test_a_session_that_is_ended_while_it_holds_the_counter_gives_its_offsets_back(stage: Stage) -> None:
    ending = (
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where application_name = 'history-victim' and wait_event_type = 'Lock'"
    )
    async with stage.started(VICTIM) as victim:
        async with connected(stage.url) as connection:
            async with braking(stage, NEXT_OFFSET):
                await until_standing(stage)
                await connection.execute(ending)

            async def written() -> bool:
                return bool(await connection.fetchval("select head > 4 from stream"))

            await until(written, "the victim to go on")
        victim.kill()
        await victim.wait()

    assert (await outcomes(stage, "victim"))[0] is Outcome.UNKNOWN
    await assert_all_is_well(stage)


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param(NEXT_OFFSET, id="publishing"),
        pytest.param("lock table history in share mode", id="preparing-to"),
    ],
)
async def test_who_freezes_with_the_counter_in_its_hands_stops_the_others_for_a_moment_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setenv(IMPATIENT, "500ms")
    async with stage.started(VICTIM) as victim:
        async with braking(stage, lock):
            await until_standing(stage)
            victim.send_signal(signal.SIGSTOP)
        async with writing(stage) as writer:
            await writer.change(["component:default/c"])
        known = await outcomes(stage, "here")
        victim.send_signal(signal.SIGCONT)
        victim.kill()
        await victim.wait()

    assert known == [Outcome.ACKNOWLEDGED]
    await assert_all_is_well(stage)


async def test_a_server_that_is_stopped_at_once_has_all_that_was_acknowledged(cluster: Cluster, tmp_path: Path) -> None:
    async with emptied(cluster, tmp_path, seconds=30) as stage:
        actors = [*(Actor("writers", "write", f"w{number}") for number in range(3)), Actor("readers", "feed", "r0")]
        async with contextlib.AsyncExitStack() as stack:
            for actor in actors:
                await stack.enter_async_context(stage.started(actor))
            async with connected(stage.url) as connection:

                async def busy() -> bool:
                    read = stage.folder / "r0.history"
                    is_read = read.exists() and b'"caught_up":true' in read.read_bytes()
                    return is_read and bool(await connection.fetchval("select head > 100 from stream"))

                await until(busy, "the writers to write, and the reader to read")
            cluster.crash()
            cluster.start()
            async with writing(stage) as writer:
                await writer.step()

        history = await stage.history()
        assert sum(write.outcome is Outcome.ACKNOWLEDGED for write in history.writes) > 10
        assert sum(len(read.events) for read in history.reads) > 0
        await assert_all_is_well(stage)


async def test_a_full_disk_loses_nothing_and_is_recovered_from(small_disk: Path, tmp_path: Path) -> None:
    cluster = Cluster(small_disk / "data")
    cluster.start()
    try:
        await cluster.migrate()
        stage = Stage(cluster.url, tmp_path, seconds=1)
        await stage.make_room()
        async with writing(stage) as writer:
            await writer.change(["component:default/before"])
            fill(small_disk / "ballast")
            refused = await until_refused(writer)
        (small_disk / "ballast").unlink()
        cluster.start()
        async with writing(stage) as writer:
            await writer.change(["component:default/after"])

        history = await stage.history()
        assert refused
        assert history.end.state.keys() >= {"component:default/before", "component:default/after"}
        await assert_all_is_well(stage)
        await audit(cluster.url)
    finally:
        cluster.embedded.stop(timeout=5)


def fill(file: Path) -> None:
    """Write until nothing more can be written."""
    with file.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(65_536))


async def until_refused(writer: Writer) -> bool:
    """Write what finds no room any more, until the server says so, or is gone because of it."""
    for number in range(200):
        try:
            async with writer.database.transaction() as tx:
                await tx.connection.execute("create table if not exists ballast (content text)")
                await tx.connection.execute(
                    "insert into ballast select string_agg(gen_random_uuid()::text, '') from generate_series(1, 20000)"
                )
            await writer.change([f"component:default/n{number}"])
        except (asyncpg.PostgresError, DatabaseUnavailable):
            return True
    return False

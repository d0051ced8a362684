"""The stream on another server, or on another timeline of its own: offsets would be given out twice, so another epoch
begins, before that happens."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callboard.clock import SystemClock
from callboard.errors import OffsetExpired
from callboard.server import DATABASE_URL
from callboard.store import changes, epochs
from callboard.store.database import Database, Transaction
from callboard.store.epochs import Because, Epoch
from callboard.store.wakeups import WakeUps
from callboard.stream import feed, lines
from callboard.stream.following import Follower
from tests.flows.engines import until
from tests.history.clusters import Cluster, connected, running
from tests.stream.publishing import publish, ref_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server with standbys of its own."""
    with running(tmp_path_factory.mktemp("primary") / "data") as cluster:
        yield cluster


async def opened(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url, clock=SystemClock(), connections=2)
    yield database
    await database.close()


@pytest.fixture
async def published(primary: Cluster) -> AsyncIterator[Database]:
    """The database of the primary, in which something is visible."""
    async for database in opened(primary.url):
        await publish(database, "a", tier="1")
        yield database


@pytest.fixture
def standby(primary: Cluster, published: Database, tmp_path: Path) -> Iterator[Cluster]:
    """A copy of the primary that follows it."""
    copy = primary.standby(tmp_path / "standby")
    yield copy
    copy.embedded.stop(timeout=5)


@pytest.fixture
async def promoted(primary: Cluster, published: Database, standby: Cluster) -> AsyncIterator[Database]:
    """The database of the standby, which has become the primary without the last change."""
    await until_replayed(standby, (await changes.now(published)).head)
    standby.embedded.stop()
    await publish(published, "lost", tier="1")
    standby.forget_its_primary()
    standby.start()
    standby.promote()
    async for database in opened(standby.url):
        yield database


async def until_replayed(standby: Cluster, head: int) -> None:
    async with connected(standby.url) as connection:

        async def replayed() -> bool:
            return bool(await connection.fetchval("select head >= $1 from stream", head))

        await until(replayed, f"the standby to be at {head}")


async def epoch_of(database: Database) -> Epoch:
    return await lines.current(database)


async def told(database: Database, offset: int, epoch: str) -> list[str]:
    follower = Follower(database, SystemClock(), keep=1)
    await follower.load()
    page = await feed.read(follower, offset=offset, limit=100, wait=0, epoch=epoch)
    return [change.ref for change in page.changes]


async def test_a_promoted_standby_that_has_lost_changes_refuses_the_positions_of_before(
    published: Database, promoted: Database
) -> None:
    before, known = await epoch_of(published), await changes.now(published)

    await lines.check(promoted)

    after = await epoch_of(promoted)
    assert (await changes.now(promoted)).head == known.head - 1
    assert (after.because, after.epoch == before.epoch) == (Because.PROMOTED, False)
    with pytest.raises(OffsetExpired, match="new epoch"):
        await told(promoted, known.head, before.epoch)


async def test_the_first_who_publishes_on_a_promoted_standby_does_so_in_another_epoch(
    published: Database, promoted: Database
) -> None:
    known = await changes.now(published)

    await publish(promoted, "other", tier="1")

    found = await changes.now(promoted)
    assert found.head == known.head
    assert found.epoch != known.epoch
    assert await told(promoted, found.head - 1, found.epoch) == [ref_of("other")]


async def test_an_epoch_is_begun_once_on_another_line(promoted: Database) -> None:
    await lines.check(promoted)
    first = await epoch_of(promoted)

    await lines.check(promoted)
    await publish(promoted, "other", tier="1")

    assert await epoch_of(promoted) == first


async def test_a_standby_that_is_none_yet_begins_no_epoch(published: Database, standby: Cluster) -> None:
    async for database in opened(standby.url):
        await until_replayed(standby, (await changes.now(published)).head)

        await lines.check(database)

        assert await epoch_of(database) == await epoch_of(published)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Cluster]:
    """Another server."""
    with running(tmp_path / "other") as cluster:
        yield cluster


async def test_a_dump_that_is_restored_on_another_server_begins_another_epoch(
    published: Database, other: Cluster, tmp_path: Path
) -> None:
    before = await epoch_of(published)
    url = await other.empty_database("restored")
    other.restore(published.url, url, tmp_path / "dump")
    async for restored in opened(url):
        await lines.check(restored)

        after = await epoch_of(restored)
        assert (after.because, after.epoch == before.epoch) == (Because.RESTORED, False)
        assert ref_of("a") in await told(restored, 0, after.epoch)


async def test_a_dump_that_is_restored_on_the_same_server_is_as_it_was(
    primary: Cluster, published: Database, tmp_path: Path
) -> None:
    """A copy of the past beside the present. Whoever puts it in its place has to say so."""
    url = await primary.empty_database("copy")
    primary.restore(published.url, url, tmp_path / "dump")
    async for restored in opened(url):
        await lines.check(restored)

        assert await epoch_of(restored) == await epoch_of(published)


async def test_a_crash_of_the_server_ends_no_epoch(primary: Cluster) -> None:
    async for database in opened(primary.url):
        await publish(database, "a", tier="2")
        before = await changes.now(database)
    primary.crash()
    primary.start()

    async for database in opened(primary.url):
        await lines.check(database)
        await publish(database, "a", tier="3")

        assert (await changes.now(database)).epoch == before.epoch
        assert (await changes.now(database)).head == before.head + 1


async def test_a_process_that_has_seen_more_than_is_there_begins_another_epoch(database: Database) -> None:
    """The files of the server were put back as they were a moment ago: nothing else can notice that."""
    follower = Follower(database, SystemClock())
    for name in "abc":
        await publish(database, name, tier="1")
    await follower.follow()
    before = await epoch_of(database)
    async with database.transaction() as tx:
        await tx.connection.execute('update stream set head = 2; delete from history where "offset" > 2')
        await tx.connection.execute("delete from final_entities where last_offset > 2")

    await follower.follow()

    after = await epoch_of(database)
    assert (after.because, after.epoch == before.epoch) == (Because.LOST, False)
    assert (follower.view.offset, follower.view.epoch) == (2, after.epoch)


async def test_what_a_role_may_not_know_is_not_compared(database: Database) -> None:
    async def work(tx: Transaction) -> tuple[bool, bool]:
        before = await epochs.current(tx)
        await tx.connection.execute("create role stranger")
        await tx.connection.execute("grant all on stream to stranger")
        await tx.connection.execute("update stream set system_identifier = 1, timeline = 1000")
        await tx.connection.execute(
            "revoke execute on function pg_control_system(), pg_walfile_name(pg_lsn) from public"
        )
        await tx.connection.execute("set local role stranger")

        await epochs.hold_counter(tx)
        return await epochs.elsewhere(tx), await epochs.current(tx) == before

    # Roles belong to the whole server, so nothing of it is to stay.
    elsewhere, is_the_same = await database.try_out(work)

    assert (elsewhere, is_the_same) == (False, True)


async def test_a_process_looks_whenever_it_connects(database: Database) -> None:
    before = await epoch_of(database)
    wakeups = WakeUps(database, SystemClock(), {}, before=lambda: lines.check(database))
    async with database.transaction() as tx:
        await tx.connection.execute("update stream set timeline = timeline + 1")

    await wakeups.listen()

    assert (await epoch_of(database)).epoch != before.epoch


async def test_an_operator_may_begin_an_epoch(database: Database) -> None:
    before = await epoch_of(database)

    said = subprocess.run(
        [sys.executable, "-m", "callboard", "epoch", "--begin"],
        env={**os.environ, DATABASE_URL: database.url},
        capture_output=True,
        text=True,
        check=True,
    )

    after = await epoch_of(database)
    assert said.stdout == f"{after.epoch}\n"
    assert said.stderr.endswith("(asked)\n")
    assert (after.because, after.epoch == before.epoch) == (Because.ASKED, False)


async def test_an_operator_is_told_the_epoch(database: Database) -> None:
    before = await epoch_of(database)

    said = subprocess.run(
        [sys.executable, "-m", "callboard", "epoch"],
        env={**os.environ, DATABASE_URL: database.url},
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == f"{before.epoch}\n"
    assert said.stderr.endswith("(made)\n")
    assert await epoch_of(database) == before

"""A view that follows a streaming replica of PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from callboard.clock import SystemClock
from callboard.model.json import JsonObject
from callboard.store import changes
from callboard.store.database import Database
from callboard.store.sources import Source
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from callboard.testing import FakeClock
from tests.flows import stories
from tests.flows.engines import until
from tests.flows.started import started
from tests.harness import plain
from tests.history.clusters import Cluster, connected, running
from tests.stream.publishing import publish

pytestmark = pytest.mark.slow

_LONG = 6.0
"""Longer than a replica may be behind, and than one is left alone."""


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("primary") / "data") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def replica(primary: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A copy of the primary that follows it."""
    copy = primary.standby(tmp_path_factory.mktemp("replica") / "data")
    yield copy
    copy.embedded.stop(timeout=5)


@pytest.fixture
async def database(primary: Cluster) -> AsyncIterator[Database]:
    opened = await Database.open(primary.url, clock=SystemClock(), connections=2)
    await publish(opened, "a", tier="1")
    yield opened
    await opened.close()


@pytest.fixture
async def source(primary: Cluster, replica: Cluster, database: Database, clock: FakeClock) -> AsyncIterator[Source]:
    made = source_of(database, replica, clock)
    yield made
    await made.close()
    replica.start()
    await replay(replica, go_on=True)


def source_of(database: Database, replica: Cluster, clock: FakeClock) -> Source:
    url = replica.url
    return Source(database, clock, connect=lambda: Database.open(url, clock=clock, connections=2))


@pytest.fixture
async def follower(source: Source, database: Database, clock: FakeClock, replica: Cluster) -> Follower:
    """At the head, which the replica has."""
    found = Follower(database, clock, source=source)
    await until_replayed(replica, (await changes.now(database)).head)
    await found.follow()
    return found


async def test_the_view_is_loaded_from_the_replica_and_follows_it(
    follower: Follower, database: Database, replica: Cluster
) -> None:
    loaded = follower.read_from.reads_replica
    await publish(database, "a", tier="2")
    await until_replayed(replica, (await changes.now(database)).head)

    await follower.follow()

    assert loaded
    assert follower.read_from.reads_replica
    assert (follower.view.offset, follower.lag) == ((await changes.now(database)).head, 0)


async def test_what_the_replica_lacks_yet_is_known_to_be_missing_and_soon_looked_for(
    follower: Follower, database: Database, replica: Cluster
) -> None:
    await replay(replica, go_on=False)
    await publish(database, "a", tier="3")

    pause = await follower.follow()
    behind = follower.lag
    await replay(replica, go_on=True)
    await until_replayed(replica, (await changes.now(database)).head)
    await follower.follow()

    assert (pause, behind) == (0.02, 1)
    assert (follower.lag, follower.read_from.reads_replica) == (0, True)


async def test_a_replica_that_stays_behind_is_left_until_it_has_caught_up(
    follower: Follower, database: Database, replica: Cluster, clock: FakeClock
) -> None:
    await replay(replica, go_on=False)
    await publish(database, "a", tier="4")
    await follower.follow()

    clock.advance(_LONG)
    await follower.follow()
    left = (follower.lag, follower.read_from.reads_replica)
    clock.advance(_LONG)
    await follower.follow()
    still = (follower.lag, follower.read_from.reads_replica)
    await replay(replica, go_on=True)
    await until_replayed(replica, (await changes.now(database)).head)
    clock.advance(_LONG)
    await follower.follow()

    assert left == still == (0, False)
    assert (follower.lag, follower.read_from.reads_replica) == (0, True)


async def test_a_replica_that_lacks_what_the_view_has_takes_nothing_back(
    follower: Follower, database: Database, replica: Cluster, clock: FakeClock
) -> None:
    await replay(replica, go_on=False)
    await publish(database, "a", tier="5")
    await follower.follow()
    clock.advance(_LONG)
    await follower.follow()
    await replay(replica, go_on=True)
    await until_replayed(replica, follower.view.offset)
    await replay(replica, go_on=False)
    await publish(database, "a", tier="6")
    await follower.follow()
    seen, epoch = follower.view.offset, follower.view.epoch
    clock.advance(_LONG)

    await follower.follow()
    trusted = follower.read_from.reads_replica
    page = await feed.read(follower, offset=seen - 1, limit=10, wait=0, mode=Mode.COMPACTED)

    # It has what it was to have by now, and lacks what has come since.
    assert trusted
    assert (follower.view.offset, follower.view.epoch, follower.lag) == (seen, epoch, 0)
    assert [change.offset for change in page.changes] == [seen]


async def test_without_the_replica_the_primary_is_followed_until_it_is_back(
    follower: Follower, database: Database, replica: Cluster, clock: FakeClock
) -> None:
    replica.crash()
    await publish(database, "a", tier="6")

    await follower.follow()
    away = (follower.lag, follower.read_from.reads_replica)
    replica.start()
    await until_replayed(replica, (await changes.now(database)).head)
    clock.advance(_LONG)
    await follower.follow()

    assert away == (0, False)
    assert (follower.lag, follower.read_from.reads_replica) == (0, True)


async def test_without_the_primary_the_view_is_loaded_from_the_replica_and_its_age_grows(
    database: Database, replica: Cluster, clock: FakeClock
) -> None:
    await until_replayed(replica, (await changes.now(database)).head)
    expected = (await changes.now(database)).head
    gone = await Database.open(database.url, clock=clock, connections=1)
    await gone.close()
    source = source_of(gone, replica, clock)
    follower = Follower(gone, clock, source=source)

    await follower.follow()
    clock.advance(3)
    await follower.follow()
    age = clock.monotonic() - follower.seen_at
    await source.close()

    assert (follower.view.offset, source.reads_replica) == (expected, True)
    assert age == 3


async def test_an_installation_with_a_replica_goes_on_when_that_is_killed(
    primary: Cluster, replica: Cluster, tmp_path: Path
) -> None:
    replica.start()
    configuration: JsonObject = {"callboard": {"database": {"replica": replica.url}}}
    with started(tmp_path, primary.url, configuration) as server:
        async with stories.story(server) as story:

            async def reads_from() -> str:
                ready = await story.http.get(f"{server.url}/.backstage/health/v1/readiness")
                return str(ready.json()["readsFrom"])

            await until(_says(reads_from, "replica"), "the replica to be read from")
            await story.catalog.push_entities("ci", [plain("payments")], wait=60)
            seen = await story.entity("component:default/payments")
            replica.crash()
            await story.catalog.push_entities("ci", [plain("payments", owner="others")], wait=60)
            owner = await story.owner("component:default/payments")
            from_there = await reads_from()

    assert seen["metadata"]["name"] == "payments"
    assert (owner, from_there) == ("others", "primary")


def _says(asked: Callable[[], Awaitable[str]], expected: str) -> Callable[[], Awaitable[bool]]:
    async def says() -> bool:
        return await asked() == expected

    return says


async def replay(replica: Cluster, *, go_on: bool) -> None:
    """Let the replica follow, or stand still though it answers."""
    async with connected(replica.url) as connection:
        await connection.execute(f"select pg_wal_replay_{'resume' if go_on else 'pause'}()")


async def until_replayed(replica: Cluster, head: int) -> None:
    async with connected(replica.url) as connection:

        async def replayed() -> bool:
            return bool(await connection.fetchval("select head >= $1 from stream", head))

        await until(replayed, "the replica to be there")

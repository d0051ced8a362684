"""What catches the mistakes: streams that are built wrong in the usual ways are found out, each by its invariant.

The product passes the same schedule. None of this is left to chance: locks and steps decide who comes when.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from callboard.clock import SystemClock
from callboard.store import retention
from callboard.store.database import Database
from callboard.stream.following import Follower
from tests.history import checker, planted, readers
from tests.history.clusters import Cluster, connected, running
from tests.history.histories import Notes, of
from tests.history.interleavings import Publishing, playing
from tests.history.planted import (
    BookmarkOffByOne,
    CounterWithoutLock,
    FromDatabase,
    PatientWithGaps,
    Product,
    Serial,
    TransactionIds,
)
from tests.history.readers import Reader, Source
from tests.history.test_small_scope import STEPS
from tests.history.writers import REVISIONS, Writer

pytestmark = pytest.mark.slow

OVERTAKEN = (0, 0, 0, 1, 1, 1, 1, 0)
"""The first is about to commit when the second begins, and ends."""
LONG_OVERTAKEN = (0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0)
OLDER_LAST = (0, 1, 1, 1, 1, 0, 0, 0)
"""The first has begun before the second, and changes the same entity after it."""


async def violated(url: str, publishing: Publishing, schedule: Sequence[int], *, apart: bool) -> dict[str, str]:
    """What is violated, with the evidence, when the transactions come in the order of *schedule*."""
    revise = planted.lock_and_revise if isinstance(publishing, Product) else planted.only_revise
    async with playing(url, publishing, revise, transactions=max(schedule) + 1) as play:
        play.apart = apart
        await play.play(schedule, STEPS)
        found = {violation.invariant: violation.evidence for violation in await play.violations()}
    async with connected(url) as connection:
        await connection.execute("drop table if exists planted, planted_head")
    return found


@pytest.mark.parametrize(
    ("wrong", "schedule", "apart", "invariant", "evidence"),
    [
        pytest.param(Serial, OVERTAKEN, True, "I5", "missed Event(offset=1, ", id="growing-id"),
        pytest.param(CounterWithoutLock, OVERTAKEN, True, "I1", "where 2 was to come", id="counter-without-a-lock"),
        pytest.param(TransactionIds, OLDER_LAST, False, "I3", "shared has the revisions [2, 1]", id="transaction-ids"),
        pytest.param(PatientWithGaps, LONG_OVERTAKEN, True, "I5", "missed Event(offset=1, ", id="waiting-at-gaps"),
    ],
)
async def test_a_way_to_publish_that_is_wrong_is_found_out_and_the_products_is_not(
    database_url: str,
    wrong: Callable[[], Publishing],
    schedule: Sequence[int],
    apart: bool,
    invariant: str,
    evidence: str,
) -> None:
    found = await violated(database_url, wrong(), schedule, apart=apart)
    right = await violated(database_url, Product(), schedule, apart=apart)

    assert evidence in found[invariant]
    assert right == {}


@dataclass(slots=True)
class Scene:
    """One writer and one reader of the product, whose notes are one history."""

    database: Database
    notes: Notes = field(default_factory=Notes)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(self.database, self.notes, "writer", random.Random(7))

    async def change(self, *names: str, gone: bool = False) -> None:
        """Publish or retract the entities with these names."""
        await self.writer.change([f"component:default/{name}" for name in names], gone=gone)

    def reader(self, source: Source | None = None, *, limit: int = 100, compacted: bool = False) -> Reader:
        """A reader from the beginning."""
        own = source or self.source
        return Reader("reader", own, self.notes, limit=limit, compacted=compacted, cold=True)

    @property
    def source(self) -> Source:
        """The product's own."""
        return FromDatabase(Follower(self.database, SystemClock(), keep=1))

    async def violated(self, database: Database | None = None) -> dict[str, str]:
        """What is violated, with the evidence."""
        end = await readers.end_of(database or self.database)
        found = checker.check(of([*self.notes.records, end]))
        return {violation.invariant: violation.evidence for violation in found}


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    async with connected(database.url) as connection:
        await connection.execute(REVISIONS)
        yield Scene(database)
        await connection.execute("drop table revisions")


@pytest.mark.parametrize("wrong", [True, False], ids=["one-ahead", "the-products"])
async def test_a_bookmark_that_is_one_ahead_is_found_out(scene: Scene, wrong: bool) -> None:
    await scene.change("a", "b", "c", "d")
    reader = scene.reader(BookmarkOffByOne(scene.source) if wrong else scene.source, limit=2)

    for _ in range(3):
        await reader.step()

    found = await scene.violated()
    assert ("I12" in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("wrong", [True, False], ids=["early", "the-products"])
async def test_a_tombstone_that_is_dropped_early_is_found_out(scene: Scene, wrong: bool) -> None:
    await scene.change("a", "b", "c")
    reader = scene.reader(compacted=True)
    await reader.step()
    reader.saved = reader.kept
    await scene.change("a", gone=True)
    await scene.change("b")

    async with scene.database.transaction() as tx:
        if wrong:
            await tx.connection.execute("delete from final_entities where removed_at is not null")
        else:
            await retention.drop_tombstones(tx, limit=10)
    reader.go_back()
    await reader.step()

    found = await scene.violated()
    assert ("I10" in found) is wrong
    assert bool(found) is wrong


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that writes its log when it must, and otherwise every ten seconds."""
    with running(tmp_path_factory.mktemp("forgetful") / "data") as cluster:
        cluster.embedded.stop()
        cluster.configure("wal_writer_delay = 10s")
        cluster.start()
        yield cluster


@pytest.mark.parametrize("synchronous", ["off", "on"], ids=["asynchronous", "the-products"])
async def test_a_commit_that_does_not_wait_for_the_disk_is_found_out(forgetful: Cluster, synchronous: str) -> None:
    url = f"{forgetful.url}&synchronous_commit={synchronous}"
    database = await Database.open(url, clock=SystemClock(), connections=2)
    async with connected(forgetful.url) as connection:
        await connection.execute(REVISIONS)
    scene = Scene(database)
    reader = scene.reader()
    await scene.change("a", "b")
    await reader.step()
    forgetful.crash()
    await database.close()
    forgetful.start()

    again = await Database.open(forgetful.url, clock=SystemClock(), connections=2)
    found = await scene.violated(again)
    await again.close()

    assert found.keys() >= ({"I6", "I7"} if synchronous == "off" else set())
    assert bool(found) is (synchronous == "off")

"""Clocks that jump: no offset, and nothing that is published, depends on what time a process believes it is."""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator

import pytest

from callboard.clock import SystemClock
from callboard.stitching.worker import Stitcher
from callboard.store.database import Database
from callboard.stream.following import Follower
from tests.history import checker, readers
from tests.history.clusters import connected
from tests.history.histories import Notes, of
from tests.history.planted import FromDatabase
from tests.history.readers import Reader
from tests.history.writers import REVISIONS, Writer

HOUR = dt.timedelta(hours=1)


class JumpingClock(SystemClock):
    """The machine's time, and a mistake that a test sets."""

    mistake = dt.timedelta()

    def now(self) -> dt.datetime:
        return super().now() + self.mistake


@pytest.fixture
async def clocks() -> list[JumpingClock]:
    return [JumpingClock(), JumpingClock()]


@pytest.fixture
async def databases(database_url: str, clocks: list[JumpingClock]) -> AsyncIterator[list[Database]]:
    """Two processes' ways into one database, each with its clock."""
    async with connected(database_url) as connection:
        await connection.execute(REVISIONS)
        opened = [await Database.open(database_url, clock=clock, connections=2) for clock in clocks]
        yield opened
        for database in opened:
            await database.close()
        await connection.execute("drop table revisions")


async def test_offsets_go_on_though_the_clock_of_a_writer_goes_back(
    databases: list[Database], clocks: list[JumpingClock]
) -> None:
    notes = Notes()
    writers = [Writer(database, notes, f"w{n}", random.Random(n), names=5) for n, database in enumerate(databases)]
    reader = Reader("r", FromDatabase(Follower(databases[1], clocks[1], keep=1)), notes, limit=3)
    for step in range(20):
        clocks[step % 2].mistake = HOUR * random.Random(step).randrange(-5, 6)
        await writers[step % 2].step()
        await reader.step()

    end = await readers.end_of(databases[0])

    assert [str(violation) for violation in checker.check(of([*notes.records, end]))] == []
    assert end.head > 10


async def test_nothing_is_stitched_twice_by_processes_whose_clocks_are_an_hour_apart(
    databases: list[Database], clocks: list[JumpingClock]
) -> None:
    """Each takes the other's leases for long over, and takes its work over."""
    clocks[0].mistake = HOUR
    notes = Notes()
    writers = [Writer(database, notes, f"s{n}", random.Random(n)) for n, database in enumerate(databases)]
    stitchers = [Stitcher(database, clock) for database, clock in zip(databases, clocks, strict=True)]
    for _ in range(10):
        await asyncio.gather(*(writer.accept() for writer in writers), *(stitcher.stitch() for stitcher in stitchers))
    for clock in clocks:
        # What was asked for again meanwhile is due a moment later.
        clock.mistake = 2 * HOUR
    for stitcher in stitchers:
        while await stitcher.stitch() == 0:
            pass

    end = await readers.end_of(databases[0])

    assert [str(violation) for violation in checker.check(of([*notes.records, end]))] == []
    assert end.state

"""API processes that start while the catalog changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.join import content_of
from benchmarks.launch import Launched, launched
from benchmarks.loads import Load, catalog_at
from callboard.clock import SystemClock
from callboard.server import DATABASE_URL
from callboard.store.database import Database

_READY = "/.backstage/health/v1/readiness"


@pytest.fixture
async def running(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, clock=SystemClock(), connections=2)
    yield opened
    await opened.close()


async def test_an_api_that_starts_while_everything_changes_is_exact_as_soon_as_it_is_ready(
    running: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is launched has the environment of the test.
    monkeypatch.setenv(DATABASE_URL, running.url)
    load = Load(running, rate=300, staying=200)
    arguments = ["callboard", "api", "--data-dir", str(tmp_path)]

    async with load.running(), launched(arguments, log=tmp_path / "first.log", ready=_READY) as first:
        early = await exact(running, first)
        async with launched(arguments, log=tmp_path / "second.log", ready=_READY) as second:
            at_once = await exact(running, second)
            meanwhile = await exact(running, first)

    assert early < at_once <= meanwhile


async def exact(database: Database, api: Launched) -> int:
    """See that the API says what the tables had at the offset that it names, and return that."""
    offset, answered = await content_of(api.url)
    assert answered == await catalog_at(database, offset)
    return offset

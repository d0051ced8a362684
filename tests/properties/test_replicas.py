"""Replicas: whatever is published, forgotten, begun again and cut off, in any order, the copy is equal in the end.

The catalog is read through the real API. A consumer lives until it has caught up, or dies at some statement; the next
one gets what it has left. More of it: CALLBOARD_TEST_STEPS=2000, and other ones: CALLBOARD_TEST_SEED=2.
"""

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from callboard import app
from callboard.api.routes import application
from callboard.app import ReadSide
from callboard.client import AsyncCatalogClient
from callboard.client.replicas import AsyncReplica
from callboard.metrics import Metrics
from callboard.model import json
from callboard.settings import defaults
from callboard.store.database import Database
from callboard.store.wakeups import WakeUps
from callboard.stream.following import Follower
from callboard.testing import FakeClock, FakeHost
from tests.client.replicas.crashing import (
    Contents,
    Copy,
    Crash,
    Fuse,
    InAsyncFunctions,
    InAsyncSQLAlchemy,
    InFolder,
    InFunctions,
    InPostgreSQL,
    InSQLAlchemy,
    InSQLite,
)
from tests.stream.publishing import bury, forget, publish, retract

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("CALLBOARD_TEST_STEPS", "120"))
SEED = int(os.environ.get("CALLBOARD_TEST_SEED", "1"))

NAMES, TYPES = "abcd", "xy"
FILTERS: list[str] = ["", "spec.type=x", "spec.type=y"]

COPIES: dict[str, Callable[[Path, str], Copy]] = {
    "sqlite": lambda folder, url: InSQLite(folder),
    "postgresql": lambda folder, url: InPostgreSQL(url),
    "sqlalchemy": lambda folder, url: InSQLAlchemy(folder),
    "sqlalchemy, asynchronous": lambda folder, url: InAsyncSQLAlchemy(url),
    "functions": lambda folder, url: InFunctions(),
    "functions, asynchronous": lambda folder, url: InAsyncFunctions(),
    "folder": lambda folder, url: InFolder(folder),
}


class Consumers:
    """A catalog, and consumers that come and go."""

    def __init__(self, database: Database, clock: FakeClock, http: httpx2.AsyncClient, copy: Copy, seed: int) -> None:
        self.database = database
        self.clock = clock
        self.http = http
        self.copy = copy
        self.random = random.Random(seed)
        self.transport = httpx2.ASGITransport(self._application())
        self.wanted = ""
        self.done: list[str] = []
        """What has been done, for whoever looks for a mistake."""

    def _application(self) -> Any:
        settings = defaults()
        engine = app.assemble_engine(settings, self.database, self.clock, Metrics(), self.http)
        self.follower = Follower(self.database, self.clock, keep=3)
        return application(
            ReadSide(
                settings=settings,
                database=self.database,
                clock=self.clock,
                metrics=Metrics(),
                follower=self.follower,
                wakeups=WakeUps(self.database, self.clock, {}),
                pipeline=engine.pipeline,
            )
        )

    async def step(self) -> None:
        """Do something."""
        some = self.random
        match some.choices(range(7), [6, 3, 1, 1, 2, 6, 2])[0]:
            case 0:
                self._do(f"publish {(name := some.choice(NAMES))}")
                await publish(self.database, name, type=some.choice(TYPES), tier=some.choice("12"))
            case 1:
                self._do(f"remove {(name := some.choice(NAMES))}")
                if f"component:default/{name}" in await self._catalog(""):
                    await retract(self.database, name)
            case 2:
                until, removals = some.randint(0, await self._head()), some.random() < 0.5
                self._do(f"forget up to {until}{' with removals' if removals else ''}")
                await forget(self.database, until)
                if removals:
                    await bury(self.database, until)
            case 3:
                self._do("begin another epoch")
                await self._begin_another_epoch()
            case 4:
                self.wanted = some.choice(FILTERS)
                self._do(f"want {self.wanted or 'everything'}")
            case 5:
                # A few are enough for functions; a database is asked some fifteen times before the first batch.
                statements = some.choice([some.randint(0, 6), some.randint(12, 30), some.randint(12, 30)])
                self._do(f"die after {statements} statements")
                with contextlib.suppress(Crash):
                    await self._consume(Fuse(statements), some.randint(1, 3))
            case _:
                self._do("catch up")
                await self.catch_up()

    def _do(self, what: str) -> None:
        self.done.append(what)

    async def catch_up(self) -> None:
        """Let a consumer live until the copy is equal."""
        await self._consume(Fuse(), self.random.randint(1, 3))

        assert await self.copy.contents() == await self._catalog(self.wanted), "\n".join(self.done)

    async def _consume(self, fuse: Fuse, limit: int) -> None:
        await self._look()
        store = await self.copy.open(fuse)
        try:
            async with AsyncCatalogClient("http://catalog", transport=self.transport) as catalog:
                replica = AsyncReplica(catalog, store, filters=self.wanted or (), limit=limit)
                await replica.run(until_caught_up=True)
        finally:
            await self.copy.end()

    async def _look(self) -> None:
        while await self.follower.follow() == 0:
            pass

    async def _catalog(self, wanted: str) -> Contents:
        await self._look()
        there = {ref: json.decode(self.follower.view.by_ref(ref) or b"") for ref in self.follower.view.refs()}
        _, _, kind = wanted.partition("=")
        return {ref: entity for ref, entity in there.items() if not kind or _type(entity) == kind}

    async def _head(self) -> int:
        async with self.database.transaction() as tx:
            head: int = await tx.connection.fetchval("select head from stream")
            return head

    async def _begin_another_epoch(self) -> None:
        async with self.database.transaction() as tx:
            await tx.connection.execute("update stream set epoch = replace(gen_random_uuid()::text, '-', '')")


def _type(entity: object) -> str:
    assert isinstance(entity, dict)
    return str(entity["spec"]["type"])


async def _without_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("drop table if exists copied_entities, alchemy_entities, callboard_positions")
    finally:
        await connection.close()


@pytest.mark.parametrize("kind", COPIES)
async def test_a_copy_is_equal_to_the_catalog_after_any_history_and_any_crash(
    kind: str, database: Database, clock: FakeClock, second_database_url: str, tmp_path: Path
) -> None:
    async with httpx2.AsyncClient(transport=FakeHost().transport) as http:
        consumers = Consumers(database, clock, http, COPIES[kind](tmp_path, second_database_url), SEED)

        try:
            for _ in range(STEPS):
                await consumers.step()
            await consumers.catch_up()
        finally:
            await _without_tables(second_database_url)

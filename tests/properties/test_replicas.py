"""Replicas as a machine: whatever is published, forgotten, begun again and cut off, the copy is equal in the end.

The catalog is read through the real API. A consumer lives until it has caught up, or dies at some statement; the next
one gets what it has left. More of it: CALLBOARD_TEST_EXAMPLES=600.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx2
import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

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
from tests.conftest import Lend
from tests.properties.test_stream_machine import begin
from tests.stream.publishing import bury, forget, publish, retract

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("CALLBOARD_TEST_EXAMPLES", "6"))

T = TypeVar("T")

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


class Consumers(RuleBasedStateMachine):
    """A catalog, and consumers that come and go."""

    url: str
    copy_url: str
    made: Callable[[Path, str], Copy]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(prefix="callboard-replicas-")
        self.clock = FakeClock()
        self.database = self.do(Database.open(self.url, clock=self.clock, connections=2))
        self.do(begin(self.database))
        self.do(_without_tables(self.copy_url))
        self.copy = type(self).made(Path(self.folder.name), self.copy_url)
        self.http = httpx2.AsyncClient(transport=FakeHost().transport)
        self.transport = httpx2.ASGITransport(self._application())
        self.wanted = ""

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

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            self._catch_up(self.wanted)
        finally:
            self.do(self.http.aclose())
            self.do(self.database.close())
            self.runner.close()
            self.folder.cleanup()

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(TYPES), tier=st.sampled_from("12"))
    def publish(self, name: str, kind: str, tier: str) -> None:
        self.do(publish(self.database, name, type=kind, tier=tier))

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        if f"component:default/{name}" in self.do(self._catalog("")):
            self.do(retract(self.database, name))

    @rule(percent=st.integers(0, 100), also_removals=st.booleans())
    def forget(self, percent: int, also_removals: bool) -> None:
        async def work() -> None:
            head = await self._head() * percent // 100
            await forget(self.database, head)
            if also_removals:
                await bury(self.database, head)

        self.do(work())

    @rule()
    def begin_another_epoch(self) -> None:
        self.do(self._begin_another_epoch())

    @rule(wanted=st.sampled_from(FILTERS))
    def want_something_else(self, wanted: str) -> None:
        self.wanted = wanted

    @rule(statements=st.integers(0, 8) | st.integers(9, 60), limit=st.integers(1, 3))
    def die_on_the_way(self, statements: int, limit: int) -> None:
        with contextlib.suppress(Crash):
            self.do(self._consume(Fuse(statements), limit, self.wanted))

    @rule(limit=st.integers(1, 3))
    def catch_up(self, limit: int) -> None:
        self._catch_up(self.wanted, limit)

    def _catch_up(self, wanted: str, limit: int = 2) -> None:
        self.do(self._consume(Fuse(), limit, wanted))

        assert self.do(self.copy.contents()) == self.do(self._catalog(wanted))

    async def _consume(self, fuse: Fuse, limit: int, wanted: str) -> None:
        await self._look()
        store = await self.copy.open(fuse)
        try:
            async with AsyncCatalogClient("http://catalog", transport=self.transport) as catalog:
                replica = AsyncReplica(catalog, store, filters=wanted or (), limit=limit)
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
def test_a_copy_is_equal_to_the_catalog_after_any_history_and_any_crash(kind: str, lend_database: Lend) -> None:
    with lend_database() as url, lend_database() as copy_url:

        class Here(Consumers):
            pass

        Here.url, Here.copy_url, Here.made = url, copy_url, staticmethod(COPIES[kind])
        try:
            run_state_machine_as_test(
                Here,
                settings=hypothesis.settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                ),
            )
        finally:
            asyncio.run(_without_tables(copy_url))

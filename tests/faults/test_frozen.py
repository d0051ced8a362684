"""Processes that stand still, are killed, or believe in another time: others take over, and nothing is done twice."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from callboard.client import AsyncCatalogClient
from callboard.server import DATABASE_URL
from tests.faults.hurting import SECONDS, Hurt, surviving
from tests.flows import stories
from tests.flows.engines import until
from tests.flows.started import started
from tests.flows.web import web_host
from tests.harness import component_yaml
from tests.history.clusters import connected

pytestmark = pytest.mark.slow

_WRITING = "application_name = 'callboard-api' and wait_event_type = 'Lock'"
_BY_FAR = "+1h"


async def test_an_engine_and_an_api_that_stand_still_go_on_as_if_nothing_had_been(hurt: Hurt) -> None:
    # Who wakes up may close connections that have been idle, as it seems to it, for long.
    async with surviving(hurt, unanswered=True) as calls, connected(hurt.cluster.url) as connection:
        # Rows and not the table, at which a connection's first preparing of a statement would already wait: nothing of
        # PostgreSQL ends a session in the middle of that.
        await connection.execute("begin; select from entities for update")
        await hurt.until_true(f"select exists (select from pg_stat_activity where {_WRITING})", "the API to write")
        writing = await connection.fetchval(f"select pid from pg_stat_activity where {_WRITING}")
        for pid in (hurt.server.api(), hurt.server.engines()["engine-1"]):
            hurt.freeze(pid)
        await connection.execute("rollback")
        # PostgreSQL ends a transaction in whose middle somebody stands still.
        await hurt.until_true(f"select not exists (select from pg_stat_activity where pid = {writing})", "its end")
        seen = len(calls.reads)
        hurt.thaw(*hurt.frozen)
        await calls.until(lambda: len(calls.reads) > seen + 1, "the API to answer")


async def test_writes_go_on_and_none_is_lost_while_all_processes_are_killed_one_after_the_other(hurt: Hurt) -> None:
    async with surviving(hurt, unanswered=True) as calls:
        for kill in (
            partial(hurt.server.kill_engine, "engine-1"),
            hurt.server.kill_api,
            partial(hurt.server.kill_engine, "engine-2"),
        ):
            await asyncio.to_thread(kill)
            await calls.until_acknowledged(5)
        await asyncio.to_thread(hurt.server.wait_until_whole)


async def test_an_engine_that_stands_still_for_longer_than_its_lease_is_stood_in_for(hurt: Hurt) -> None:
    frozen, other = hurt.server.engines()["engine-1"], hurt.server.engines()["engine-2"]
    async with surviving(hurt) as calls, AsyncCatalogClient(hurt.server.url) as catalog:
        with web_host() as host:
            host.hold("held.yaml")
            hurt.freeze(other)
            location = (await catalog.add_location(host.url("held.yaml"))).location
            await asyncio.to_thread(host.wait_until_asked, "held.yaml", 1)
            hurt.freeze(frozen)
            hurt.thaw(other)
            host.put("held.yaml", component_yaml("held"))
            await calls.until_acknowledged(round(SECONDS * 10))

            async def visible() -> bool:
                return await catalog.find_entity_by_ref("component:default/held") is not None

            await until(visible, "the other engine to do what the one that stands still had begun")
            hurt.thaw(frozen)
            await calls.until_acknowledged()
            assert host.requests["held.yaml"] == 2
        await catalog.remove_location(location.id)


@contextlib.asynccontextmanager
async def mistaken_engine(folder: Path, database_url: str, jump: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An engine whose clock says what the file *jump* does: that much more than it is."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callboard", "engine", "--log-format", "json"),
        *(text for name in ("usual", "other") for text in ("--config", str(folder / f"{name}.yaml"))),
        env={
            **os.environ,
            DATABASE_URL: database_url,
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(jump),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b"engine.started" not in (line := await asyncio.wait_for(process.stderr.readline(), 30)):
            assert line, "the engine has ended"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_the_work_of_a_killed_engine_whose_clock_was_an_hour_ahead_is_taken_over_at_once(
    database_url: str, tmp_path: Path
) -> None:
    jump = tmp_path / "jump"
    jump.write_text("+0")
    with started(tmp_path, database_url, engines=1) as server:
        async with stories.story(server) as story, mistaken_engine(tmp_path, database_url, jump) as mistaken:
            jump.write_text(_BY_FAR)
            engine = server.engines()["engine-1"]
            os.kill(engine, signal.SIGSTOP)
            story.host.hold("a.yaml")
            await story.register(story.host.url("a.yaml"))
            await story.until_asked("a.yaml", 1)

            mistaken.kill()
            os.kill(engine, signal.SIGCONT)
            story.host.put("a.yaml", component_yaml("a"))
            await story.until_visible("component:default/a")

"""A server whose database is behind a transaction pooler."""

import asyncio
from collections import Counter
from pathlib import Path

import asyncpg

from callboard.model.json import JsonObject
from callboard.server import DATABASE_URL
from tests.flows import stories
from tests.flows.started import started
from tests.harness import component_yaml, plain


async def test_all_works_behind_a_transaction_pooler(tmp_path: Path, database_url: str, pooled_url: str) -> None:
    names = [f"c{n}" for n in range(200)]
    with started(tmp_path, database_url, environment={DATABASE_URL: pooled_url}) as server:
        async with stories.story(server) as story:
            await story.register(story.host.put("payments.yaml", component_yaml("payments", owner="first")))
            await story.until_visible("component:default/payments")
            story.host.put("payments.yaml", component_yaml("payments", owner="second"))
            await story.refresh("component:default/payments")
            await story.until_owned("component:default/payments", "second")
            told = (await story.catalog.events(await story.head(), wait=0)).next_offset
            waiting = asyncio.create_task(story.catalog.events(told, wait=30, limit=1))

            pushed = asyncio.create_task(story.catalog.push_entities("ci", [plain(name) for name in names], wait=60))
            first = await waiting
            server.kill_engine("engine-1")
            await pushed

            everything = {"component:default/payments", *(f"component:default/{name}" for name in names)}
            await story.until_visible(*everything)
            await story.quiet()
            happened = Counter(event.ref for event in await story.events(since=told))

    assert first.events[0].offset == told + 1
    assert happened == dict.fromkeys((f"component:default/{name}" for name in names), 1)


async def test_with_a_direct_way_processes_behind_a_pooler_are_told_of_changes(
    tmp_path: Path, database_url: str, pooled_url: str
) -> None:
    configuration: JsonObject = {"callboard": {"database": {"direct": database_url}}}
    with started(tmp_path, database_url, configuration, environment={DATABASE_URL: pooled_url}) as server:
        async with stories.story(server) as story:
            await story.catalog.push_entities("ci", [plain("payments")], wait=60)
            connection = await asyncpg.connect(database_url)
            listening = await connection.fetchval(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and application_name = 'callboard-listener'"
            )
            await connection.close()

    assert listening == 3

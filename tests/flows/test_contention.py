"""Four engines and four providers that want the same names: nobody is told of a deadlock, and no write is lost.

For longer: CALLBOARD_TEST_SECONDS=120.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2
import pytest

from callboard.clock import SystemClock
from callboard.model.json import JsonObject
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.flows.test_two_engines import deadlocks

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("CALLBOARD_TEST_SECONDS", "4"))

_NAMES = [f"c{number}" for number in range(60)]


def component(name: str, writer: str, number: int) -> JsonObject:
    """What one provider says of a name, for the so-manieth time."""
    others = [f"component:{other}" for other in _NAMES[number % 7 :: 20]]
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {
            "type": "service",
            "lifecycle": "production",
            "owner": writer,
            "dependsOn": [other for other in others if other != f"component:{name}"],
            "number": number,
        },
    }


@dataclass(slots=True)
class Writer:
    """A provider that writes in all ways, and remembers what was acknowledged."""

    name: str
    http: httpx2.AsyncClient
    chance: random.Random
    acknowledged: dict[str, int] = field(default_factory=dict)
    writes: int = 0

    async def write(self) -> None:
        """Write something. Only what is answered with success counts."""
        self.writes += 1
        match self.chance.choice(["set", "delta", "delta", "one", "one", "gone"]):
            case "set":
                names = self.chance.sample(_NAMES, 40)
                await self._send("PUT", "entities", [component(name, self.name, self.writes) for name in names])
                self.acknowledged = dict.fromkeys(names, self.writes)
            case "delta":
                added, removed = self._split(self.chance.sample(_NAMES, 12))
                body = {
                    "added": [component(name, self.name, self.writes) for name in added],
                    "removed": [f"component:{name}" for name in removed],
                }
                await self._send("POST", "delta", body)
                self.acknowledged.update(dict.fromkeys(added, self.writes))
                for name in removed:
                    self.acknowledged.pop(name, None)
            case "one":
                name = self.chance.choice(_NAMES)
                entity = component(name, self.name, self.writes)
                await self._send("PUT", f"entities/component/default/{name}", entity)
                self.acknowledged[name] = self.writes
            case _ if self.acknowledged:
                name = self.chance.choice(sorted(self.acknowledged))
                await self._send("DELETE", f"entities/component/default/{name}", None)
                del self.acknowledged[name]
            case _:
                pass

    def _split(self, names: list[str]) -> tuple[list[str], list[str]]:
        return names[:8], names[8:]

    async def _send(self, method: str, path: str, body: object) -> None:
        answer = await self.http.request(method, f"/providers/{self.name}/{path}", json=body)
        assert answer.is_success, (method, path, answer.status_code, answer.text)

    async def held(self) -> dict[str, int]:
        """What the catalog has of this provider."""
        found = (await self.http.get(f"/providers/{self.name}/entities")).raise_for_status().json()
        assert all(entity["spec"]["owner"] == self.name for entity in found)
        return {entity["metadata"]["name"]: entity["spec"]["number"] for entity in found}


@pytest.fixture
def crowded_server(lend_database: Lend, tmp_path: Path) -> Iterator[Server]:
    """A server with four engines."""
    with lend_database() as url, started(tmp_path, url, engines=4) as server:
        yield server


@pytest.fixture
async def crowd(crowded_server: Server) -> AsyncIterator[Story]:
    """A story there."""
    async with stories.story(crowded_server) as story:
        yield story


async def test_no_write_is_lost_and_nobody_hears_of_a_deadlock(crowd: Story) -> None:
    before = await deadlocks(crowd.server.database_url)
    writers = [Writer(f"writer{n}", crowd.http, random.Random(n)) for n in range(4)]
    clock = SystemClock()
    until = clock.monotonic() + SECONDS

    async def work(writer: Writer) -> None:
        while clock.monotonic() < until:
            await writer.write()

    await asyncio.gather(*map(work, writers))
    await crowd.quiet()

    assert [await writer.held() for writer in writers] == [writer.acknowledged for writer in writers]
    await check_visible(crowd, writers)
    assert await deadlocks(crowd.server.database_url) == before
    assert sum(writer.writes for writer in writers) > 4 * SECONDS


async def check_visible(crowd: Story, writers: list[Writer]) -> None:
    """Each name shows what the provider that holds it has written last, and who else wants it."""
    connection = await asyncpg.connect(crowd.server.database_url)
    rows = await connection.fetch("select ref, source from entities")
    await connection.close()
    holders = {row["ref"].partition("/")[2]: row["source"].removeprefix("provider:") for row in rows}
    wanted = {name for writer in writers for name in writer.acknowledged}
    shown = {entity["metadata"]["name"]: entity for entity in await crowd.catalog.get_entities()}
    assert shown.keys() == wanted == holders.keys()
    by_name = {writer.name: writer for writer in writers}
    for name, entity in shown.items():
        spec = entity["spec"]
        assert (spec["owner"], spec["number"]) == (holders[name], by_name[holders[name]].acknowledged[name])
        rivals = [w.name for w in writers if name in w.acknowledged and w.name != holders[name]]
        items = entity["status"]["items"] if "status" in entity else []
        assert isinstance(items, list)
        assert len(items) == len(rivals)

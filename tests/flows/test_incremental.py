"""A plugin's large source, gone through by engines that are killed: nothing is asked twice, nothing is lost.

A page is there as soon as the test writes its file, so that it is the test who decides where an engine stands.
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from callboard.clock import SystemClock
from callboard.extend import Full
from callboard.ingestion.connections import Connection
from callboard.model.json import JsonObject
from callboard.store.database import Database
from tests.audit import audit
from tests.flows import stories
from tests.flows.engines import Installation, until
from tests.flows.started import started
from tests.flows.stories import Story
from tests.harness import component, offered

pytestmark = pytest.mark.slow

_LAST = 3

_CODE = """
import asyncio, json, os
from pathlib import Path
from callboard.extend import IncrementalEntityProvider, Offered, Page

class Large(IncrementalEntityProvider):
    name = "large"

    def __init__(self, context):
        self.folder = Path(context.options["folder"])

    async def next(self, cursor):
        number = cursor or 0
        with (self.folder / "asked").open("a") as asked:
            asked.write(f"{number} ")
        (self.folder / "pid").write_text(str(os.getpid()))
        while not (self.folder / f"page{number}.json").exists():
            await asyncio.sleep(0.02)
        entities = json.loads((self.folder / f"page{number}.json").read_text())
        return Page([Offered(entity) for entity in entities], number + 1, done=number == LAST)
"""


def _names(number: int) -> list[str]:
    return [f"p{number}-{n}" for n in range(20)]


_REFS = {f"component:default/{name}" for number in range(_LAST + 1) for name in _names(number)}


@dataclass(frozen=True, slots=True)
class Large:
    """An installation with the plugin."""

    installation: Installation
    module: str

    def configure(self, plugins: str, **catalog: str) -> None:
        """Write a configuration with these plugins."""
        self.installation.write({})
        written = self.installation.config.read_text() + f"  plugins: [{plugins}]\n"
        for key, value in catalog.items():
            written = written.replace("catalog:\n", f"catalog:\n  {key}: {value}\n")
        self.installation.config.write_text(written)

    def put(self, number: int) -> None:
        """Let the source have a page."""
        self.installation.put(f"page{number}.json", json.dumps([component(name) for name in _names(number)]))

    def asked(self) -> list[int]:
        """What the source was asked for."""
        file = self.installation.folder / "asked"
        return [int(number) for number in file.read_text().split()] if file.exists() else []

    @property
    def pid(self) -> int:
        """Who has asked last."""
        return int((self.installation.folder / "pid").read_text())

    async def until_asked_for(self, number: int, *, times: int = 1) -> None:
        """Wait until the source was asked for a page; all before it are stored then."""

        async def asked() -> bool:
            return self.asked().count(number) == times

        await until(asked, f"page {number} to be asked for")

    async def seed(self, name: str) -> None:
        """Let the provider have an entity from earlier days, and wait until it is visible."""
        database = await Database.open(self.installation.database_url, clock=SystemClock())
        await Connection(database, "large").apply(Full(offered(component(name))))
        await database.close()
        async with self.installation.process():
            await self.installation.until_settled({f"component:default/{name}"})


@pytest.fixture
def large(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Large:
    """The plugin in a folder that `PYTHONPATH` names, and a configuration without it."""
    large = Large(Installation(tmp_path, database_url), f"large_{uuid.uuid4().hex}")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / f"{large.module}.py").write_text(_CODE.replace("LAST", str(_LAST)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    large.configure("")
    return large


def use(large: Large) -> str:
    """How the configuration names the plugin."""
    return f"{{use: '{large.module}:Large', options: {{folder: '{large.installation.folder}'}}}}"


async def test_an_engine_that_is_killed_in_the_middle_of_a_round_is_followed_by_one_that_goes_on(large: Large) -> None:
    await large.seed("old")
    large.configure(use(large))
    large.put(0)
    large.put(1)

    async with large.installation.process() as first:
        await large.until_asked_for(2)
        async with large.installation.process():
            first.kill()
            await first.wait()
            await large.until_asked_for(2, times=2)
            large.put(2)
            large.put(3)
            await large.installation.until_settled(_REFS)

    assert large.asked() == [0, 1, 2, 2, 3]
    await audit(large.installation.database_url)


@pytest.mark.parametrize(
    ("number", "lock", "statement"),
    [
        pytest.param(2, "lock table claims in share mode", "insert into claims", id="storing-a-page"),
        pytest.param(2, "lock table ingestion_seen in share mode", "insert into ingestion_seen", id="having-seen-it"),
        pytest.param(2, "lock table ingestions in share mode", "update ingestions", id="moving-the-cursor"),
        pytest.param(3, "lock table claims in share mode", "delete from claims", id="withdrawing-at-the-end"),
        pytest.param(3, "lock table ingestions in share mode", "update ingestions", id="ending-the-round"),
        pytest.param(
            3, "select from stream for update", "from stream cross join this_line", id="publishing-the-removals"
        ),
    ],
)
async def test_a_page_is_stored_with_its_cursor_or_not_at_all(
    large: Large, number: int, lock: str, statement: str
) -> None:
    await large.seed("old")
    large.configure(use(large))
    for earlier in range(number):
        large.put(earlier)
    before = {f"component:default/{name}" for earlier in range(number) for name in _names(earlier)}

    async with large.installation.process() as process:
        await large.until_asked_for(number)
        await large.installation.until_settled({*before, "component:default/old"})
        async with large.installation.connection() as connection, connection.transaction():
            await connection.execute(lock)
            large.put(number)
            await _until_stopped(large, statement)
            process.kill()
            await process.wait()
    large.put(_LAST)
    async with large.installation.process():
        await large.installation.until_settled(_REFS)

    assert large.asked() == [*range(number), number, *range(number, _LAST + 1)]
    await audit(large.installation.database_url)


async def test_a_provider_says_how_far_it_has_come_while_one_engine_takes_over_from_another(
    large: Large, tmp_path: Path
) -> None:
    plugin: JsonObject = {"use": f"{large.module}:Large", "options": {"folder": str(tmp_path)}}
    configuration: JsonObject = {"callboard": {"plugins": [plugin]}}
    environment = {"PYTHONPATH": str(tmp_path / "plugins")}
    large.put(0)
    large.put(1)
    with started(tmp_path, large.installation.database_url, configuration, environment=environment) as server:
        async with stories.story(server) as story:
            await large.until_asked_for(2)
            [reading] = [role for role, pid in server.engines().items() if pid == large.pid]
            meanwhile = await story.catalog.get_provider("large")
            server.kill_engine(reading)
            await large.until_asked_for(2, times=2)
            large.put(2)
            large.put(3)
            await story.until_visible(*_REFS)
            await story.until(lambda: _has_ended_a_round(story), "the end of the round")
            afterwards = await story.catalog.get_provider("large")

    assert large.asked() == [0, 1, 2, 2, 3]
    assert meanwhile.ingestion is not None
    assert (meanwhile.ingestion.round, meanwhile.ingestion.pages, meanwhile.ingestion.completed_at) == (1, 2, None)
    assert afterwards.ingestion is not None
    assert (afterwards.ingestion.round, afterwards.ingestion.pages, afterwards.entities) == (2, 0, len(_REFS))


async def _has_ended_a_round(story: Story) -> bool:
    ingestion = (await story.catalog.get_provider("large")).ingestion
    return ingestion is not None and ingestion.completed_at is not None


async def test_a_provider_that_is_configured_no_more_loses_what_it_had_when_that_is_wanted(large: Large) -> None:
    await large.seed("old")
    large.configure(use(large), orphanProviderStrategy="keep")
    async with large.installation.process():
        await large.until_asked_for(0)
    large.configure("", orphanProviderStrategy="keep")
    async with large.installation.process():
        await large.installation.until_settled({"component:default/old"})

    large.configure("", orphanProviderStrategy="delete")
    async with large.installation.process():
        await large.installation.until_settled(set())

    async with large.installation.connection() as connection:
        assert await connection.fetch("select name from providers") == []
        assert await connection.fetch("select provider from ingestions") == []
    await audit(large.installation.database_url)


async def _until_stopped(large: Large, statement: str) -> None:
    """Wait until an engine stands before a lock with *statement*."""
    async with large.installation.connection() as connection:

        async def stopped() -> bool:
            found = await connection.fetch(
                "select from pg_stat_activity where application_name = 'callboard-engine'"
                " and datname = current_database() and wait_event_type = 'Lock' and query like $1",
                f"%{statement}%",
            )
            return bool(found)

        await until(stopped, f"an engine to stop at {statement}")

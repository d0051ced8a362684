"""Two engines on one database, everything at once: the catalog is the one that a single engine makes of the same."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
import structlog

from callboard.clock import SystemClock
from callboard.errors import Conflict, NotFound
from callboard.extend import Delta, Full, Offered
from callboard.ingestion import locations, refreshing
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import OnConflict
from callboard.model.refs import EntityRef, LocationRef
from callboard.store.database import Database
from tests.audit import audit, visible
from tests.flows.engines import Installation
from tests.harness import component, component_yaml, location_yaml, offered

pytestmark = pytest.mark.slow

_FILES = [f"file{number}.yaml" for number in range(6)]
_ROUNDS = 5

# Two trees with the same leaves: whoever is removed last has to take these along.
_TREES = {
    "tree1.yaml": location_yaml("tree1", ["./leaves.yaml"]),
    "tree2.yaml": location_yaml("tree2", ["./leaves.yaml"]),
    "leaves.yaml": "---\n".join(component_yaml(f"leaf{n}", dependsOn="[component:c0-0]") for n in range(10)),
}


@dataclass(slots=True)
class Sources:
    """What files and providers say now: drawn at random, but such that the end does not depend on who was first.

    An entity has at most one source with a key. It goes before those without.
    """

    chance: random.Random
    files: dict[str, str] = field(default_factory=dict)
    provided: dict[str, Sequence[Offered]] = field(default_factory=dict)

    def draw_file(self, name: str) -> str:
        """New content for a file: components that depend on one another across all files."""
        number = _FILES.index(name)
        self.files[name] = "---\n".join(
            component_yaml(f"c{number}-{n}", owner=f"team-{self.chance.randrange(5)}", dependsOn=self._dependencies())
            for n in sorted(self.chance.sample(range(30), 25))
        )
        return self.files[name]

    def draw_mutation(self, provider: str) -> Full:
        """A new full set for a provider: most of its entities, some of which files and other providers have, too."""
        names, key = {
            "alpha": ([f"alpha-{n}" for n in range(30)], None),
            "keyed": ([f"shared-{n}" for n in range(30)], "mine"),
            "keyless": ([f"shared-{n}" for n in range(20)] + [f"c{n % 6}-{n % 30}" for n in range(30)], None),
        }[provider]
        chosen = self.chance.sample(names, len(names) * 2 // 3)
        entities = (component(name, type=f"{provider}-{self.chance.randrange(3)}") for name in chosen)
        self.provided[provider] = offered(*entities, key=key)
        return Full(self.provided[provider])

    def _dependencies(self) -> str:
        targets = [f"component:c{self.chance.randrange(6)}-{self.chance.randrange(30)}" for _ in range(3)]
        return f"[{', '.join(targets)}]"


@dataclass(frozen=True, slots=True)
class Turmoil:
    """An installation in which everything changes at the same time."""

    installation: Installation
    database: Database
    sources: Sources

    def begin(self) -> None:
        """Write the first version of all files."""
        for name, content in _TREES.items():
            self.installation.put(name, content)
        self.installation.write({name: self.sources.draw_file(name) for name in _FILES}, orphans="delete")

    async def stir(self) -> None:
        """Let everybody say something new, at once."""
        chance = self.sources.chance
        await asyncio.gather(
            *(self._provider(name).apply(self.sources.draw_mutation(name)) for name in ("alpha", "keyed", "keyless")),
            *(self._change(name) for name in chance.sample(_FILES, 3)),
            *(self._refresh(f"c{n}-{chance.randrange(30)}") for n in range(6)),
            self._provider("delta").apply(self._delta()),
            *(self._toggle(tree) for tree in ("tree1.yaml", "tree2.yaml")),
        )

    async def finish(self) -> None:
        """Take back what is not in `sources`, and wait until nothing moves any more."""
        everything = [EntityRef("component", "default", f"delta-{n}") for n in range(20)]
        await asyncio.gather(
            self._provider("delta").apply(Delta(removed=everything)),
            *(self._unregister(tree) for tree in ("tree1.yaml", "tree2.yaml")),
        )
        await self.installation.until_quiet(locations=len(_FILES))

    def _provider(self, name: str) -> Connection:
        return Connection(self.database, name)

    def _delta(self) -> Delta:
        names = [f"delta-{n}" for n in range(20)]
        added = self.sources.chance.sample(names, 10)
        removed = [EntityRef("component", "default", name) for name in names if name not in added]
        return Delta(offered(*map(component, added)), removed)

    async def _change(self, name: str) -> None:
        self.installation.put(name, self.sources.draw_file(name))
        await self._provider("announcer").refresh([f"file:{self.installation.folder / name}"])

    async def _refresh(self, name: str) -> None:
        with contextlib.suppress(NotFound):
            await refreshing.refresh(self.database, EntityRef("component", "default", name))

    async def _toggle(self, tree: str) -> None:
        try:
            target = LocationRef("file", str(self.installation.folder / tree))
            await locations.register(self.database, target, on_conflict=OnConflict.REJECT)
        except Conflict:
            await self._unregister(tree)

    async def _unregister(self, tree: str) -> None:
        query = "select id::text from locations where target like $1"
        async with self.installation.connection() as connection:
            for row in await connection.fetch(query, f"%/{tree}"):
                await locations.unregister(self.database, row["id"])


@pytest.fixture
async def turmoil(tmp_path: Path, database_url: str) -> AsyncIterator[Turmoil]:
    """An installation with its first files, and a database in which time passes by itself."""
    database = await Database.open(database_url, clock=SystemClock())
    turmoil = Turmoil(Installation(tmp_path, database_url), database, Sources(random.Random(7)))
    turmoil.begin()
    yield turmoil
    await database.close()


async def of_one_engine(turmoil: Turmoil, database_url: str) -> dict[str, object]:
    """The catalog that one engine makes, in another database, of what was said last."""
    installation = Installation(turmoil.installation.folder, database_url)
    async with installation.engine() as engine:
        for provider, entities in turmoil.sources.provided.items():
            await Connection(engine.database, provider).apply(Full(entities))
        await installation.until_quiet(locations=len(_FILES))
    return {**await visible(database_url)}


async def deadlocks(database_url: str) -> int:
    """How many deadlocks PostgreSQL has counted in this database."""
    connection = await asyncpg.connect(database_url)
    try:
        query = "select deadlocks from pg_stat_database where datname = current_database()"
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def test_two_engines_make_the_catalog_that_one_makes(turmoil: Turmoil, second_database_url: str) -> None:
    before = await deadlocks(turmoil.installation.database_url)

    with structlog.testing.capture_logs() as logs:
        async with turmoil.installation.engine(), turmoil.installation.engine():
            for _ in range(_ROUNDS):
                await turmoil.stir()
            await turmoil.finish()

    await audit(turmoil.installation.database_url)
    assert await visible(turmoil.installation.database_url) == await of_one_engine(turmoil, second_database_url)
    assert [entry for entry in logs if entry["event"] in ("transaction.retried", "loop.failed")] == []
    assert await deadlocks(turmoil.installation.database_url) == before


async def test_two_engine_processes_make_the_catalog_that_one_makes(turmoil: Turmoil, second_database_url: str) -> None:
    async with turmoil.installation.process(), turmoil.installation.process():
        for _ in range(_ROUNDS):
            await turmoil.stir()
        await turmoil.finish()

    await audit(turmoil.installation.database_url)
    assert await visible(turmoil.installation.database_url) == await of_one_engine(turmoil, second_database_url)
    log = (turmoil.installation.folder / "engine.log").read_text()
    assert [line for line in log.splitlines() if "transaction.retried" in line or "loop.failed" in line] == []

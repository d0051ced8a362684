"""Random graphs of providers, files and failures, with engines killed in between: the catalog is what the rules say.

More steps, or others: CALLBOARD_TEST_STEPS=200 CALLBOARD_TEST_SEED=2.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from callboard.client import Entity
from callboard.model import json
from callboard.model.annotations import ORPHAN
from callboard.model.json import JsonObject, JsonValue
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.rules import Content, Files, Known, Rules
from tests.flows.started import Server, started
from tests.flows.stories import Story

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("CALLBOARD_TEST_STEPS", "12"))
SEED = int(os.environ.get("CALLBOARD_TEST_SEED", "1"))

_FILES = [f"file{number}.yaml" for number in range(6)]
_PROVIDERS = ["one", "two", "three"]
_NAMES = [f"component:default/{name}" for name in "abcdefgh"]
_LOCATIONS = [f"location:default/l{number}" for number in range(4)]
_UNDONE = (
    "select exists (select from schedule where due_at <= now() or lease is not null)"
    " or exists (select from stitch_queue)"
)


Apply = Callable[[], None]
"""Does to the rules what was done to the catalog."""


def entity_of(ref: str, content: Content) -> JsonObject:
    """An entity as its source writes it."""
    kind, _, name = ref.partition(":default/")
    spec: JsonObject = {"type": "url", "targets": [*(content.targets or ())]}
    if content.targets is None:
        spec = {"type": "service", "lifecycle": "production"}
        spec |= {"owner": content.owner} if content.owner else {}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind.capitalize(),
        "metadata": {"name": name},
        "spec": spec,
    }


@dataclass(slots=True)
class World:
    """A catalog, everything that feeds it, and the rules beside it."""

    story: Story
    rules: Rules
    chance: random.Random
    connection: "asyncpg.Connection[asyncpg.Record]"
    registered: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Id and ref of each registered location by its file."""
    provided: dict[str, set[str]] = field(default_factory=dict)
    uids: dict[tuple[str, int], str] = field(default_factory=dict)
    """By ref and birth."""
    done: list[str] = field(default_factory=list)

    async def step(self) -> None:
        """Let something happen, perhaps kill an engine, and wait until all is worked off."""
        ways = {
            self.push: 2,
            self.push_some: 1,
            self.withdraw: 1,
            self.edit: 3,
            self.break_file: 1,
            self.mend_file: 1,
            self.register: 2,
            self.unregister: 1,
            self.delete: 1,
        }
        [happen] = self.chance.choices(list(ways), list(ways.values()))
        killing = self.chance.random() < 0.2
        apply = await happen()
        if killing:
            self.done.append("an engine is killed")
            self.story.server.kill_engine(self.chance.choice(["engine-1", "engine-2"]))
            self.story.server.wait_until_whole()
        await self.settle()
        keys = {row["ref"]: row["location_key"] for row in await self.connection.fetch("select * from entities")}
        self.rules.watch = keys.get
        apply()

    async def settle(self) -> None:
        """Let every location be read once more, and wait until nothing moves."""
        for row in await self.connection.fetch("select ref from entities where ref like 'location:%'"):
            answer = await self.story.http.post("/refresh", json={"entityRef": row["ref"]})
            assert answer.status_code in (200, 404), answer.text

        async def quiet() -> bool:
            return not await self.connection.fetchval(_UNDONE)

        await self.story.until(quiet, f"everything to settle after {self.done}")
        # The process that is asked next has to have seen it as well.
        head = await self.connection.fetchval("select head from stream")
        seen = await self.story.http.get("/entity-facets", params={"facet": "kind", "minOffset": head})
        seen.raise_for_status()

    def content(self, ref: str, *, invalid: float = 0.15) -> Content:
        """Something to say about an entity."""
        if ref.startswith("location:"):
            names = self.chance.sample(_FILES, self.chance.randint(1, 2))
            return Content(targets=tuple(self.story.host.url(name) for name in names))
        return Content(owner=None if self.chance.random() < invalid else f"owner{self.chance.randrange(3)}")

    def some(self) -> dict[str, Content]:
        """Some entities."""
        chosen = self.chance.sample(_NAMES, self.chance.randint(0, 3))
        chosen += self.chance.sample(_LOCATIONS, self.chance.randint(0, 1))
        return {ref: self.content(ref) for ref in chosen}

    async def push(self) -> Apply:
        """A provider writes everything that it has."""
        name, offered = self.chance.choice(_PROVIDERS), self.some()
        self.done.append(f"{name} pushes {offered}")
        body = [entity_of(ref, content) for ref, content in offered.items()]
        (await self.story.http.put(f"/providers/{name}/entities", json=body)).raise_for_status()
        return lambda: self.rules.provide(f"provider:{name}", lambda _: f"provider:{name}", offered, full=True)

    async def push_some(self) -> Apply:
        """A provider adds something."""
        name, offered = self.chance.choice(_PROVIDERS), self.some()
        self.done.append(f"{name} adds {offered}")
        body = {"added": [entity_of(ref, content) for ref, content in offered.items()]}
        (await self.story.http.post(f"/providers/{name}/delta", json=body)).raise_for_status()
        return lambda: self.rules.provide(f"provider:{name}", lambda _: f"provider:{name}", offered, full=False)

    async def withdraw(self) -> Apply:
        """A provider takes something back."""
        name = self.chance.choice(_PROVIDERS)
        refs = self.chance.sample(_NAMES + _LOCATIONS, 3)
        self.done.append(f"{name} withdraws {refs}")
        (await self.story.http.post(f"/providers/{name}/delta", json={"removed": refs})).raise_for_status()
        return lambda: self.rules.withdraw(f"provider:{name}", refs)

    async def edit(self) -> Apply:
        """A file gets other content."""
        name, contents = self.chance.choice(_FILES), self.some()
        self.done.append(f"{name} says {contents}")
        self.rules.files.contents[self.story.host.url(name)] = contents
        self.rules.files.broken.discard(self.story.host.url(name))
        self.write(name)
        return self.rules.change_files

    def write(self, name: str) -> None:
        """Put the file where the server can read it."""
        contents = self.rules.files.contents[self.story.host.url(name)]
        # JSON is YAML as well.
        texts = [json.encode(entity_of(ref, content)).decode() for ref, content in contents.items()]
        self.story.host.put(name, "\n---\n".join(texts))

    async def break_file(self) -> Apply:
        """A file can't be read any more, in one way or another."""
        name = self.chance.choice(_FILES)
        url = self.story.host.url(name)
        if url not in self.rules.files.contents:
            return self.rules.change_files
        how = self.chance.choice(["500", "404", "cut", "garbage"])
        self.done.append(f"{name} breaks: {how}")
        self.rules.files.broken.add(url)
        match how:
            case "500" | "404":
                self.story.host.break_(name, int(how))
            case "cut" if self.rules.files.contents[url]:
                self.story.host.cut(name)
            case _:
                self.story.host.put(name, "kind: [")
        return self.rules.change_files

    async def mend_file(self) -> Apply:
        """A file is as it was before it broke."""
        broken = sorted(self.rules.files.broken)
        if broken:
            url = self.chance.choice(broken)
            self.done.append(f"{url} is mended")
            self.rules.files.broken.discard(url)
            self.write(url.rsplit("/", 1)[1])
        return self.rules.change_files

    async def register(self) -> Apply:
        """Somebody registers a file."""
        name = self.chance.choice(_FILES)
        if name in self.registered:
            return self.rules.change_files
        url = self.story.host.url(name)
        location = await self.story.register(url)
        assert location.entity_ref is not None
        ref = str(location.entity_ref)
        self.registered[name] = (location.id, ref)
        self.done.append(f"{name} is registered")
        content = Content(targets=(url,))
        return lambda: self.rules.provide("provider:locations", lambda _: f"url:{url}", {ref: content}, full=False)

    async def unregister(self) -> Apply:
        """Somebody unregisters a file."""
        if not self.registered:
            return self.rules.change_files
        name = self.chance.choice(sorted(self.registered))
        location_id, ref = self.registered.pop(name)
        self.done.append(f"{name} is unregistered")
        await self.story.catalog.remove_location(location_id)
        return lambda: self.rules.withdraw("provider:locations", [ref])

    async def delete(self) -> Apply:
        """Somebody deletes a component."""
        components = sorted(ref for ref, known in self.rules.known.items() if known.shown and ref in _NAMES)
        if not components:
            return self.rules.change_files
        ref = self.chance.choice(components)
        self.done.append(f"{ref} is deleted")
        await self.story.delete(ref)
        return lambda: self.rules.delete(ref)

    def story_so_far(self) -> str:
        """What was done, and what the rules make of it, for whoever looks for a mistake."""
        return "\n".join([*self.done, *map(repr, self.rules.claims), *map(repr, self.rules.known.items())])

    async def check(self) -> None:
        """Compare the catalog with what the rules say."""
        found = {_ref(entity): entity for entity in await self.story.catalog.get_entities()}
        shown = {ref: known for ref, known in self.rules.known.items() if known.shown is not None}
        assert sorted(found) == sorted(shown), self.story_so_far()
        for ref, known in shown.items():
            assert self.pictured(ref, found[ref]) == self.expected(ref, known), (ref, self.story_so_far())
        failed = {ref for ref, known in self.rules.known.items() if known.shown is None and known.failing}
        assert set(await self.story.failures()) == failed, self.story_so_far()

    def pictured(self, ref: str, entity: Entity) -> dict[str, object]:
        """What the rules have a say in."""
        metadata, spec = entity["metadata"], entity["spec"]
        items = entity.get("status", {}).get("items", [])
        assert isinstance(items, list)
        told = [item for item in items if isinstance(item, dict)]
        return {
            "uid": metadata["uid"],
            "owner": spec.get("owner"),
            "targets": _sorted(spec["targets"]) if "targets" in spec else None,
            "orphan": ORPHAN in metadata["annotations"],
            "failing": any(item["level"] == "error" for item in told),
            "rivals": {
                str(item["message"]).removeprefix("Conflict: ").partition(" offers")[0]
                for item in told
                if item["level"] == "warning"
            },
        }

    def expected(self, ref: str, known: Known) -> dict[str, object]:
        """The same, by the rules. The uid is that of the same life of the entity, seen before."""
        assert known.shown is not None
        targets = known.shown.targets
        return {
            "uid": self.uids[ref, known.birth],
            "owner": known.shown.owner,
            "targets": sorted(targets) if targets is not None and "/generated-" not in ref else None,
            "orphan": known.key is None,
            "failing": known.failing,
            "rivals": self.rules.rivals(ref),
        }

    async def note_uids(self) -> None:
        """Remember which uid each life of an entity has; it can't be foretold."""
        for row in await self.connection.fetch("select ref, uid::text as uid from entities"):
            known = self.rules.known.get(row["ref"])
            if known is not None:
                self.uids.setdefault((row["ref"], known.birth), row["uid"])
        assert len(set(self.uids.values())) == len(self.uids), self.done


def _sorted(value: JsonValue) -> list[str]:
    assert isinstance(value, list)
    return sorted(map(str, value))


def _ref(entity: Entity) -> str:
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()


@pytest.fixture(params=["keep", "delete"])
def strategy(request: pytest.FixtureRequest) -> str:
    """What becomes of orphans."""
    return str(request.param)


@pytest.fixture
def busy_server(strategy: str, lend_database: Lend, tmp_path: Path) -> Iterator[Server]:
    """A server with two engines, under each strategy for orphans."""
    configuration: JsonObject = {"catalog": {"orphanStrategy": strategy}}
    with lend_database() as url, started(tmp_path, url, configuration) as server:
        yield server


@pytest.fixture
async def world(strategy: str, busy_server: Server) -> AsyncIterator[World]:
    """An empty catalog, and the rules for it."""
    async with stories.story(busy_server) as story:
        connection = await asyncpg.connect(busy_server.database_url)
        rules = Rules(strategy == "delete", Files(), lambda ref: "")
        yield World(story, rules, random.Random(f"{SEED} {strategy}"), connection)
        await connection.close()


async def test_the_catalog_is_what_the_rules_say(world: World) -> None:
    for _ in range(STEPS):
        await world.step()
        await world.note_uids()
        await world.check()
    assert await asyncio.wait_for(world.story.events(), 30)

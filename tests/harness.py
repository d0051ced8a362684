"""A catalog to drive by hand: real database, real stages, fake time and fake hosts."""

import dataclasses
from collections.abc import Sequence

import httpx2

from callboard import app
from callboard.extend import Mutation, Offered
from callboard.ingestion import locations as registering
from callboard.ingestion import refreshing
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import OnConflict
from callboard.ingestion.mutations import Applied
from callboard.metrics import Metrics
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.changes import Change
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef, LocationRef
from callboard.settings import KindSetting, ReadingRule, RuleSetting, Settings
from callboard.store import changes, entities
from callboard.store.database import Database
from callboard.store.locations import RegisteredLocation
from callboard.stream.following import Follower
from callboard.testing import FakeClock, FakeHost
from callboard.view.views import View

ALL_KINDS = ("Component", "API", "Resource", "System", "Domain", "Group", "User", "Location", "Template")


@dataclasses.dataclass(slots=True)
class Catalog:
    """One engine and one reader over a database."""

    database: Database
    clock: FakeClock
    host: FakeHost
    configured: Settings
    client: httpx2.AsyncClient
    engine: app.Engine = dataclasses.field(init=False)
    follower: Follower = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.engine = app.assemble_engine(self.configured, self.database, self.clock, Metrics(), self.client)
        self.follower = Follower(self.database, self.clock)

    @staticmethod
    def settings(base: Settings) -> Settings:
        """*base* with all kinds allowed everywhere and https://host/ readable."""
        rules = (RuleSetting(tuple(KindSetting(kind) for kind in ALL_KINDS)),)
        return base.overridden({"catalog.rules": rules, "backend.reading.allow": (ReadingRule("host"),)})

    async def provide(self, provider: str, mutation: Mutation) -> Applied:
        """Apply a mutation in the name of *provider*."""
        return await Connection(self.database, provider).apply_and_tell(mutation)

    async def connect(self) -> None:
        """Let the providers of the installation deliver what they have."""
        for provider in self.engine.providers:
            await provider.connect(Connection(self.database, provider.name))

    async def register(self, target: str, on_conflict: OnConflict = OnConflict.REJECT) -> RegisteredLocation:
        """Register a URL."""
        return await registering.register(self.database, LocationRef("url", target), on_conflict=on_conflict)

    async def unregister(self, location: RegisteredLocation) -> int | None:
        """Delete a registered location."""
        return await registering.unregister(self.database, location.id)

    async def refresh(self, ref: str) -> None:
        """Ask for *ref* to be read again, and do it."""
        await refreshing.refresh(self.database, EntityRef.parse(ref))
        await self.settle()

    async def process(self) -> int:
        """Process what is due now, once; returns how many entities that were."""
        await self.engine.worker.claim()
        tasks = list(self.engine.worker._tasks)
        for task in tasks:
            await task
        while await self.engine.worker.settle() == 0:
            pass
        return len(tasks)

    async def stitch(self) -> None:
        """Stitch all that is marked, letting the short delay of neighbours pass."""
        while await self.engine.stitcher.stitch() == 0:
            pass
        self.clock.advance(0.5)
        while await self.engine.stitcher.stitch() == 0:
            pass

    async def settle(self) -> None:
        """Process and stitch until nothing is due any more."""
        while await self.process():
            pass
        await self.stitch()
        await self.look()

    async def look(self) -> View:
        """Bring the reader to the head of the stream."""
        while await self.follower.follow() == 0:
            pass
        return self.follower.view

    def refs(self) -> list[str]:
        """What readers see, but for Locations that only stand for a registration."""
        return [ref for ref in self.follower.view.refs() if "/generated-" not in ref]

    def entity(self, ref: str) -> JsonObject:
        """An entity as readers see it."""
        body = self.follower.view.by_ref(ref)
        assert body is not None, f"{ref} is not visible"
        entity = json.decode(body)
        assert isinstance(entity, dict)
        return entity

    def status(self, ref: str) -> list[str]:
        """The messages in the status of an entity."""
        status = self.entity(ref).get("status")
        items = status["items"] if isinstance(status, dict) else []
        assert isinstance(items, list)
        return [str(item["message"]) for item in items if isinstance(item, dict)]

    def orphans(self) -> list[str]:
        """The refs of the entities that say of themselves that nothing claims them."""
        return [
            ref for ref in self.refs() if b'"backstage.io/orphan":"true"' in (self.follower.view.by_ref(ref) or b"")
        ]

    async def history(self) -> list[Change]:
        """All changes so far."""
        async with self.database.transaction() as tx:
            return await changes.history(tx, 0, limit=100_000)

    async def failures(self) -> dict[str, str]:
        """The errors of entities that were never processed well, by ref."""
        async with self.database.transaction() as tx:
            found, _ = await entities.unprocessed(tx, failed=True)
            return {entity.ref: entity.errors or "" for entity in found}


def component(name: str, *, location: str = "url:https://host/a.yaml", **spec: JsonValue) -> JsonObject:
    """A valid Component as a provider would deliver it."""
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {
            "name": name,
            "annotations": {MANAGED_BY_LOCATION: location, MANAGED_BY_ORIGIN_LOCATION: location},
        },
        "spec": {"type": "service", "lifecycle": "production", "owner": "team", **spec},
    }


def plain(name: str, owner: str = "team", **spec: JsonValue) -> JsonObject:
    """A Component as somebody writes it who knows nothing of locations."""
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": "production", "owner": owner, **spec},
    }


def offered(*entities_offered: JsonObject, key: str | None = None) -> list[Offered]:
    """What a provider offers, all under one key."""
    return [Offered(entity, key) for entity in entities_offered]


def component_yaml(name: str, owner: str = "team", **spec: str) -> str:
    """A Component as it stands in a file."""
    more = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
        f"metadata:\n  name: {name}\nspec:\n  type: service\n  lifecycle: production\n  owner: {owner}{more}\n"
    )


def location_yaml(name: str, targets: Sequence[str]) -> str:
    """A Location as it stands in a file."""
    listed = "".join(f"\n    - {target}" for target in targets)
    return f"apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata:\n  name: {name}\nspec:\n  targets:{listed}\n"

"""A catalog that reads a fake code host: an engine driven by hand, with a client that reaches nothing else."""

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx2

from callboard.extend import HearsWebhooks, Webhook
from callboard.ingestion import pushes as applying
from callboard.ingestion.connections import Connection
from callboard.ingestion.incremental import Rounds
from callboard.ingestion.pushes import Wanted
from callboard.model import pushes
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import System
from callboard.settings import Integrations, Settings
from callboard.store.database import Database
from callboard.testing import FakeClock, FakeHost
from callboard.testing.repositories import FakeCodeHost
from tests.harness import Catalog


@dataclasses.dataclass(slots=True)
class HostStory:
    """A catalog, and the host that it reads."""

    catalog: Catalog
    host: FakeCodeHost

    def rounds(self, provider: str) -> Rounds:
        """The runner of an incremental provider."""
        return next(rounds for rounds in self.catalog.engine.rounds if rounds.provider.name == provider)

    async def round(self, provider: str) -> int:
        """One whole round of *provider*, and all that it leads to. Returns how many requests that took."""
        before = self.host.total
        rounds = self.rounds(provider)
        while (pause := await rounds.step()) == 0.0:
            pass
        assert pause > 0
        await self.catalog.settle()
        return self.host.total - before

    async def later(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.catalog.clock.advance(seconds)
        await self.catalog.settle()

    async def hear(self, system: System, event: str, body: JsonObject, *, roots: Sequence[str] = ()) -> int:
        """A webhook comes in, and all that it leads to is done. Returns how many requests that took."""
        before = self.host.total
        told = pushes.parse_pushes(system, body, roots=roots) if pushes.is_push(system, event) else []
        webhook = Webhook(system=system.value, event=event, body=body, pushes=told)
        for rounds in self.catalog.engine.rounds:
            if isinstance(rounds.provider, HearsWebhooks):
                connection = Connection(self.catalog.database, rounds.provider.name)
                await rounds.provider.on_webhook(webhook, connection)
        if told:
            reader = self.catalog.engine.pipeline.readers["url"]
            await applying.apply(self.catalog.database, told, Wanted(), reader)
        await self.catalog.settle()
        return self.host.total - before


@asynccontextmanager
async def story_of(
    database: Database,
    host: FakeCodeHost,
    clock: FakeClock,
    *,
    integrations: Mapping[str, JsonValue],
    providers: Mapping[str, JsonValue],
) -> AsyncIterator[HostStory]:
    """A catalog that is configured to read *host*."""
    settings = Catalog.settings(Settings()).overridden(
        {"integrations": Integrations(integrations), "catalog.providers": dict(providers)}
    )
    async with httpx2.AsyncClient(transport=host.transport) as client:
        yield HostStory(Catalog(database, clock, FakeHost(), settings, client), host)

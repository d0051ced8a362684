"""What the tests of several code hosts do: configure one that is a fake, read a file, and go through a round."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2

from callboard.extend import (
    CodeHost,
    Content,
    Delta,
    IncrementalEntityProvider,
    Mutation,
    Outside,
    PluginConfig,
    PluginContext,
)
from callboard.extend.outside import OwnBudgets
from callboard.model.json import JsonObject
from callboard.testing import FakeClock
from callboard.testing.repositories import FakeCodeHost


def context_of(host: FakeCodeHost, clock: FakeClock, integrations: JsonObject, providers: JsonObject) -> PluginContext:
    """A configuration, with *host* as all that can be reached."""
    outside = Outside(client=httpx2.AsyncClient(transport=host.transport), clock=clock, budgets=OwnBudgets(clock))
    return PluginContext(PluginConfig(providers, {}, integrations), {}, outside)


async def content(reader: CodeHost, url: str) -> str:
    """The file at *url*."""
    read = await reader.read(url)
    assert isinstance(read, Content), "the content is sent"
    return read.data.decode()


async def targets_of(provider: IncrementalEntityProvider) -> list[str]:
    """The targets of the Locations of a whole round."""
    found: list[str] = []
    page = await provider.next(None)
    while True:
        for each in page.entities:
            assert each.location_key == provider.name
            spec = each.entity["spec"]
            assert isinstance(spec, dict)
            found.append(str(spec["target"]))
        if page.done:
            return found
        page = await provider.next(page.cursor)


@dataclass(slots=True)
class Noted:
    """A provider's way into a catalog that is not there (an `extend.ProviderConnection`)."""

    added: list[str] = field(default_factory=list)
    """The targets of Locations."""
    removed: list[str] = field(default_factory=list)
    """The names of entities."""

    async def apply(self, mutation: Mutation) -> None:
        """Note what it brings and takes."""
        assert isinstance(mutation, Delta)
        for each in mutation.added:
            spec = each.entity["spec"]
            assert isinstance(spec, dict)
            self.added.append(str(spec["target"]))
        self.removed += [ref.name for ref in mutation.removed]

    async def refresh(self, keys: Sequence[str]) -> int:
        """Nobody asks for that."""
        raise AssertionError(f"nothing is refreshed here: {keys}")

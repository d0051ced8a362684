"""Ways of asking a fake code host, without a catalog around."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2

from callboard.extend import (
    CodeHost,
    Content,
    Delta,
    IncrementalEntityProvider,
    Mutation,
    Offered,
    Outside,
    PluginConfig,
    PluginContext,
)
from callboard.extend.outside import OwnBudgets
from callboard.model.json import JsonObject, JsonValue
from callboard.testing import FakeClock
from callboard.testing.repositories import FakeCodeHost

T = TypeVar("T")


@dataclass(slots=True)
class Applied:
    """A way into the catalog that notes what is to be applied (a `ProviderConnection`)."""

    deltas: list[Delta] = field(default_factory=list)

    async def apply(self, mutation: Mutation) -> None:
        assert isinstance(mutation, Delta)
        self.deltas.append(mutation)

    async def refresh(self, keys: Sequence[str]) -> int:
        raise AssertionError(f"nothing is to be read again, and least of all {keys}")


def context_of(
    host: FakeCodeHost, clock: FakeClock, integrations: JsonObject, providers: JsonObject | None = None
) -> PluginContext:
    """What a plugin is told that reads *host*."""
    return PluginContext(
        PluginConfig(providers=providers or {}, integrations=integrations),
        outside=Outside(client=httpx2.AsyncClient(transport=host.transport), clock=clock, budgets=OwnBudgets(clock)),
    )


async def content(reader: CodeHost, url: str, version: str | None = None) -> str:
    """The file at *url*, which is other than *version*."""
    read = await reader.read(url, version=version)
    assert isinstance(read, Content), "the content is sent"
    return read.data.decode()


async def while_time_passes(clock: FakeClock, work: Awaitable[T]) -> T:
    """The result of *work*, which waits for the clock."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=0.01)
        clock.advance(1)
    return await task


async def pages_of(provider: IncrementalEntityProvider) -> list[list[Offered]]:
    """All pages of a round."""
    pages, page = [], await provider.next(None)
    while not page.done:
        pages.append(list(page.entities))
        page = await provider.next(page.cursor)
    return [*pages, list(page.entities)]


async def targets_of(provider: IncrementalEntityProvider) -> list[str]:
    """The targets of the Locations of a round, sorted."""
    return sorted(str(spec_of(offer)["target"]) for page in await pages_of(provider) for offer in page)


def spec_of(offer: Offered) -> JsonObject:
    """The spec of what is offered."""
    return _object(offer.entity["spec"])


def annotations_of(entity: JsonObject) -> JsonObject:
    """The annotations of an entity."""
    return _object(_object(entity["metadata"])["annotations"])


def _object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)
    return value

"""A provider's name is its own."""

import asyncio

import pytest
import structlog

from callboard.errors import Conflict
from callboard.extend import Full
from callboard.ingestion.connections import Connection
from callboard.store import providers
from callboard.store.providers import ProviderKind
from tests.harness import Catalog, component, offered


async def give_away(catalog: Catalog, name: str) -> None:
    async with catalog.database.transaction() as tx:
        await providers.add(tx, name, ProviderKind.HTTP)


async def test_nobody_delivers_under_the_name_of_somebody_who_writes_over_http(catalog: Catalog) -> None:
    await give_away(catalog, "ci")

    with pytest.raises(Conflict, match="the provider name ci is taken"):
        await Connection(catalog.database, "ci").apply(Full(offered(component("a"))))

    await catalog.settle()
    assert catalog.refs() == []


async def test_an_engine_does_not_connect_a_provider_whose_name_is_taken_and_says_so(catalog: Catalog) -> None:
    await give_away(catalog, "config")
    (config, _) = catalog.engine.providers

    with structlog.testing.capture_logs() as logs:
        connecting = asyncio.create_task(catalog.engine._connect(config))
        while not logs:
            await catalog.clock.sleep(0)
        connecting.cancel()

    assert [(entry["event"], entry["provider"]) for entry in logs] == [("provider.refused", "config")]
    assert "its entities are written over HTTP" in logs[0]["reason"]

"""Causes over HTTP: whole for whoever sees everything, and in part for those who don't."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from callboard.access.decisions import Conditional, Decision
from callboard.access.permissions import Permission
from callboard.access.principals import Principal
from callboard.model.predicates import AnyOf, Equals, Predicate
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component_yaml

URL = "https://host/a.yaml"
COMPONENTS = Equals("kind", "component")
LOCATIONS = Equals("kind", "location")


class Only:
    """Lets everybody see some entities."""

    def __init__(self, predicate: Predicate) -> None:
        self.predicate = predicate

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Conditional(self.predicate)


@pytest.fixture
async def shop(api: Api) -> Api:
    """a and b in a file, of which b depends on a."""
    api.catalog.host.put(URL, component_yaml("a"))
    await api.catalog.register(URL)
    await api.catalog.settle()
    api.catalog.host.put(URL, component_yaml("a") + "---\n" + component_yaml("b", dependsOn="[component:a]"))
    await api.catalog.refresh("component:default/a")
    return api


async def seen_by(shop: Api, predicate: Predicate) -> AsyncIterator[Api]:
    async with client_of(app_of(shop.catalog, authorizer=Only(predicate))) as client:
        yield Api(shop.catalog, client)


async def last_causes(api: Api, **parameters: object) -> dict[str, Any]:
    events = (await api.get("/events", offset=0, **parameters)).json()["events"]
    return {event["entityRef"]: event["cause"] for event in events}


async def test_whoever_sees_everything_is_told_the_whole_cause(shop: Api) -> None:
    told = await last_causes(shop)

    source = told["component:default/b"]["source"]
    assert source.startswith("entity:location:default/generated-")
    assert told["component:default/b"] == {"source": source, "location": f"url:{URL}", "because": "refresh"}
    assert told["component:default/a"] == {
        "source": source,
        "location": f"url:{URL}",
        "because": "relations",
        "neighbour": "component:default/b",
    }


@pytest.mark.parametrize("mode", ["log", "compacted"])
async def test_a_source_that_a_caller_may_not_see_is_not_named(shop: Api, mode: str) -> None:
    async for api in seen_by(shop, COMPONENTS):
        told = await last_causes(api, mode=mode)

    assert told == {
        "component:default/a": {"because": "relations", "neighbour": "component:default/b"},
        "component:default/b": {"because": "refresh"},
    }


async def test_a_source_that_a_caller_sees_is_named(shop: Api) -> None:
    async for api in seen_by(shop, AnyOf((LOCATIONS, Equals("metadata.name", "a")))):
        told = await last_causes(api)

    assert told["component:default/a"].keys() == {"source", "because"}

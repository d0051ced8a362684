"""Refreshing: from an entity to everything above it that has to be read again."""

import asyncio

import pytest

from callboard.errors import NotFound
from callboard.ingestion import refreshing
from callboard.ingestion.connections import Connection
from callboard.model.refs import EntityRef
from callboard.store import claims, removal
from tests.harness import Catalog, component_yaml, location_yaml
from tests.waiting import until_blocked


async def test_the_entity_and_all_locations_above_it_are_due(catalog: Catalog) -> None:
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    location = await catalog.register("https://host/root.yaml")
    await catalog.settle()

    refs = await refreshing.refresh(catalog.database, EntityRef.parse("component:a"))

    assert refs == ["component:default/a", location.entity_ref, "location:default/root"]
    assert await catalog.process() == 3


async def test_an_unknown_entity_can_not_be_refreshed(catalog: Catalog) -> None:
    with pytest.raises(NotFound, match="component:default/nobody"):
        await refreshing.refresh(catalog.database, EntityRef.parse("component:nobody"))


async def test_a_key_refreshes_whoever_depends_on_it(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    connection = Connection(catalog.database, "webhooks")

    asked = [await connection.refresh([key]) for key in ("url:https://host/a.yaml", "url:https://host/other.yaml")]

    assert asked == [1, 0]
    assert await catalog.process() == 1


async def test_a_key_refreshes_what_has_never_been_good(catalog: Catalog) -> None:
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    catalog.host.put("https://host/a.yaml", component_yaml("a"))

    asked = await Connection(catalog.database, "webhooks").refresh(["url:https://host/a.yaml"])
    await catalog.settle()

    assert asked == 1
    assert catalog.refs() == ["component:default/a"]


async def test_a_broken_run_adds_to_what_is_looked_at_and_a_good_one_replaces_it(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", location_yaml("a", ["b.yaml"]))
    catalog.host.put("https://host/b.yaml", component_yaml("b"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    connection = Connection(catalog.database, "webhooks")

    catalog.host.put("https://host/a.yaml", location_yaml("a", ["c.yaml"]))
    await catalog.refresh("location:default/a")
    broken = [await connection.refresh([f"url:https://host/{name}.yaml"]) for name in ("b", "c")]
    catalog.host.put("https://host/c.yaml", component_yaml("c"))
    await catalog.settle()
    good = [await connection.refresh([f"url:https://host/{name}.yaml"]) for name in ("b", "c")]

    assert broken == [1, 1]
    assert good == [0, 1]


async def test_what_is_removed_at_the_same_time_is_not_due_afterwards(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()
    async with catalog.database.transaction() as tx:
        await claims.lock_targets(tx, ["component:default/a", location.entity_ref])
        refreshed = asyncio.create_task(refreshing.refresh(catalog.database, EntityRef.parse(location.entity_ref)))
        await until_blocked(catalog.database)
        await removal.remove(tx, ["component:default/a", location.entity_ref])

    with pytest.raises(NotFound):
        await refreshed
    assert await catalog.process() == 0

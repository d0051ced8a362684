"""Deleting single entities, whatever their sources say, told over HTTP, with two engines."""

import pytest

from callboard.client import Cause
from callboard.model.changes import ChangeType
from tests.flows.stories import Story
from tests.harness import component_yaml, location_yaml

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS, BELOW = "component:default/payments", "component:default/orders", "location:default/below"
BOTH = component_yaml("payments") + "---\n" + component_yaml("orders")


async def test_an_orphan_that_is_deleted_is_gone_for_good(story: Story) -> None:
    await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.refresh(PAYMENTS)
    await story.until_orphaned(ORDERS)

    await story.delete(ORDERS)
    story.host.put("a.yaml", component_yaml("payments", owner="others"))
    await story.refresh(PAYMENTS)
    await story.until_owned(PAYMENTS, "others")
    await story.quiet()

    assert await story.refs() == {PAYMENTS}


async def test_what_a_live_parent_emits_comes_back_under_a_new_uid(story: Story) -> None:
    await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    before, uid = await story.quiet(), await story.uid(ORDERS)

    await story.delete(ORDERS)
    await story.until_visible(PAYMENTS, ORDERS)

    assert await story.uid(ORDERS) != uid
    removed, added = await story.events(since=before)
    assert (removed.type, removed.ref, removed.cause) == (ChangeType.REMOVED, ORDERS, Cause(because="deleted"))
    assert (added.type, added.ref, added.cause and added.cause.because) == (ChangeType.ADDED, ORDERS, "removed")


async def test_the_children_of_a_deleted_entity_become_orphans(story: Story) -> None:
    story.host.put("leaf.yaml", component_yaml("orders"))
    below = location_yaml("below", ["./leaf.yaml"])
    await story.register(story.host.put("a.yaml", component_yaml("payments") + "---\n" + below))
    await story.until_visible(PAYMENTS, BELOW, ORDERS)
    uid = await story.uid(ORDERS)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.refresh(PAYMENTS)
    await story.until_orphaned(BELOW)

    await story.delete(BELOW)
    await story.until_orphaned(ORDERS)

    assert await story.refs() == {PAYMENTS, ORDERS}
    assert await story.uid(ORDERS) == uid


async def test_the_children_of_a_deleted_entity_that_comes_back_are_the_same_as_before(story: Story) -> None:
    story.host.put("leaf.yaml", component_yaml("orders"))
    await story.register(story.host.put("a.yaml", location_yaml("below", ["./leaf.yaml"])))
    await story.until_visible(BELOW, ORDERS)
    parent, child = await story.uid(BELOW), await story.uid(ORDERS)

    await story.delete(BELOW)
    await story.until_visible(BELOW, ORDERS)
    await story.until_orphaned()

    assert await story.uid(BELOW) != parent
    assert await story.uid(ORDERS) == child


async def test_a_deleted_root_comes_no_more_once_its_location_is_unregistered(story: Story) -> None:
    root = await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)

    await story.delete(PAYMENTS)
    await story.unregister(root)
    await story.quiet()

    assert await story.refs() == set()
    assert (await story.http.get("/entities/unprocessed/pending")).json()["entities"] == []


async def test_a_broken_entity_that_its_file_has_given_up_can_be_deleted(story: Story) -> None:
    broken = component_yaml("orders").replace("  owner: team\n", "")
    await story.register(story.host.put("a.yaml", component_yaml("payments") + "---\n" + broken))
    await story.until_visible(PAYMENTS)

    async def failed() -> bool:
        return set(await story.failures()) == {ORDERS}

    await story.until(failed, f"{ORDERS} to fail")
    story.host.put("a.yaml", component_yaml("payments", owner="others"))
    await story.refresh(PAYMENTS)
    await story.until_owned(PAYMENTS, "others")

    [left] = (await story.http.get("/entities/unprocessed/failed")).json()["entities"]
    deleted = await story.http.delete(f"/entities/unprocessed/delete/{left['entity_id']}")

    assert deleted.status_code == 204
    assert await story.failures() == {}

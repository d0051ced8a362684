"""The catalog explains itself: removals before they are done, conflicts and failures, over HTTP, with two engines."""

import pytest

from tests.flows.stories import Story
from tests.harness import component_yaml, location_yaml

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS, SHARED = "component:default/payments", "component:default/orders", "component:default/shared"
BELOW = "location:default/below"


async def test_unregistering_does_what_it_has_told_before(story: Story) -> None:
    story.host.put("shared.yaml", component_yaml("shared"))
    below = location_yaml("below", ["./shared.yaml"])
    first = await story.register(story.host.put("first.yaml", component_yaml("payments") + "---\n" + below))
    await story.register(story.host.put("second.yaml", location_yaml("other", ["./shared.yaml"])))
    await story.until_visible(PAYMENTS, BELOW, SHARED, "location:default/other")
    await story.quiet()

    told = await story.catalog.preview_location_removal(first.id)
    offset = await story.head()
    await story.unregister(first)

    removed = [event.ref for event in await story.events(since=offset)]
    assert sorted(removed) == sorted(entity.entity_ref for entity in told.removed)
    assert [(kept.entity_ref, kept.because[0].source) for kept in told.kept] == [
        (SHARED, "entity:location:default/other")
    ]
    assert await story.refs() == {SHARED, "location:default/other"}


async def test_deleting_what_a_parent_emits_says_that_it_comes_back(story: Story) -> None:
    location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    uid = await story.uid(PAYMENTS)

    told = await story.catalog.preview_entity_removal(uid)
    answer = await story.http.delete(f"/entities/by-uid/{uid}")
    await story.until_visible(PAYMENTS)

    assert [holder.source for holder in told.returns[0].because] == [f"entity:{location.entity_ref}"]
    assert (answer.status_code, answer.headers["callboard-returns"]) == (204, f"entity:{location.entity_ref}")
    assert await story.uid(PAYMENTS) != uid


async def test_where_no_orphans_are_kept_a_deletion_leaves_none(deleting: Story) -> None:
    deleting.host.put("leaf.yaml", component_yaml("orders"))
    below = location_yaml("below", ["./leaf.yaml"])
    await deleting.register(deleting.host.put("a.yaml", component_yaml("payments") + "---\n" + below))
    await deleting.until_visible(PAYMENTS, BELOW, ORDERS)
    await deleting.quiet()
    offset, uid = await deleting.head(), await deleting.uid(ORDERS)

    await deleting.delete(BELOW)
    await deleting.until_visible(PAYMENTS, BELOW, ORDERS)

    assert await deleting.uid(ORDERS) != uid
    removed = [event.ref for event in await deleting.events(since=offset) if event.entity is None]
    assert removed == [BELOW, ORDERS]


async def test_a_conflict_is_listed_until_one_of_the_files_lets_go(story: Story) -> None:
    await story.register(story.host.put("first.yaml", component_yaml("payments", owner="first")))
    await story.until_visible(PAYMENTS)
    second = story.host.put(
        "second.yaml", component_yaml("payments", owner="second") + "---\n" + component_yaml("orders")
    )
    await story.register(second)
    await story.until_visible(PAYMENTS, ORDERS)

    [conflict] = (await story.catalog.get_conflicts()).items
    story.host.put("first.yaml", component_yaml("shared"))
    await story.refresh(PAYMENTS)
    await story.until_owned(PAYMENTS, "second")

    assert (conflict.entity_ref, conflict.rivals[0].location_key) == (PAYMENTS, f"url:{second}")
    assert {"op": "replace", "path": "/spec/owner", "value": "second"} in (conflict.rivals[0].patch or [])
    assert (await story.catalog.get_conflicts()).total == 0


async def test_an_entity_that_readers_can_not_see_is_explained(story: Story) -> None:
    broken = component_yaml("payments").replace("lifecycle", "cycle")
    location = await story.register(story.host.put("a.yaml", component_yaml("orders") + "---\n" + broken))
    await story.until_visible(ORDERS)
    await story.quiet()

    told = await story.catalog.explain_entity(PAYMENTS)

    assert (told.state, told.processing.last and told.processing.last.outcome) == ("failed", "failed")
    assert "lifecycle" in told.errors[0]["message"]
    assert [node.source for node in told.chains.nodes] == [
        f"entity:{PAYMENTS}",
        f"entity:{location.entity_ref}",
        "provider:locations",
    ]
    assert told.claims[0].line == 10

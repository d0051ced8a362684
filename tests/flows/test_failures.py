"""Failures that owners can see, told over HTTP, with two engines."""

import pytest

from callboard.model.json import JsonObject
from tests.flows.stories import Story
from tests.harness import component_yaml, plain

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"
WAIT = 60.0
BROKEN = component_yaml("payments").replace("lifecycle", "cycle")
"""A Component that can be read, and is none."""


async def failed(story: Story) -> list[JsonObject]:
    """What was never good."""
    answer = (await story.http.get("/entities/unprocessed/failed")).raise_for_status()
    found: list[JsonObject] = answer.json()["entities"]
    return found


async def test_what_was_never_good_is_listed_from_its_first_run_on_with_the_place_of_the_error(story: Story) -> None:
    url = story.host.put("a.yaml", component_yaml("orders") + "---\n" + BROKEN)
    location = await story.register(url)
    await story.catalog.location_status(location.id, wait=WAIT)

    [listed] = await failed(story)
    told = await story.catalog.explain_entity(PAYMENTS)

    assert listed["entity_ref"] == PAYMENTS
    assert isinstance(listed["errors"], list)
    [error] = listed["errors"]
    assert isinstance(error, dict)
    assert (error["location"], error["line"], error["pointer"]) == (f"url:{url}", 10, "/spec")
    assert "lifecycle" in str(error["message"])
    assert told.processing.last is not None
    assert (told.processing.last.because, told.processing.last.outcome) == ("changed", "failed")
    # Nobody has asked twice for it.
    assert story.host.requests == {"a.yaml": 1}


async def test_what_was_never_good_is_visible_as_soon_as_it_is_mended(story: Story) -> None:
    await story.register(story.host.put("a.yaml", component_yaml("orders") + "---\n" + BROKEN))
    await story.until_visible(ORDERS)
    await story.quiet()

    story.host.put("a.yaml", component_yaml("orders") + "---\n" + component_yaml("payments"))
    await story.catalog.refresh_entity(ORDERS, wait=WAIT)

    assert await failed(story) == []
    assert await story.refs() == {PAYMENTS, ORDERS}


async def test_what_breaks_later_keeps_its_last_good_version_and_says_what_is_wrong(story: Story) -> None:
    await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    good = await story.entity(PAYMENTS)

    url = story.host.put("a.yaml", BROKEN)
    await story.catalog.refresh_entity(PAYMENTS, wait=WAIT)
    entity = await story.entity(PAYMENTS)

    assert (entity["spec"], entity["metadata"]["uid"]) == (good["spec"], good["metadata"]["uid"])
    answer = await story.http.get("/entities/by-name/component/default/payments")
    [item] = answer.json()["status"]["items"]
    assert (item["level"], item["error"]["name"]) == ("error", "InputError")
    assert (item["error"]["location"], item["error"]["line"]) == (f"url:{url}", 1)
    assert await failed(story) == []


async def test_what_broke_later_and_is_mended_says_nothing_any_more(story: Story) -> None:
    await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    good = await story.entity(PAYMENTS)
    story.host.put("a.yaml", BROKEN)
    await story.catalog.refresh_entity(PAYMENTS, wait=WAIT)

    story.host.put("a.yaml", component_yaml("payments"))
    await story.catalog.refresh_entity(PAYMENTS, wait=WAIT)

    assert await story.entity(PAYMENTS) == good


async def test_a_broken_entity_that_was_written_over_http_is_listed_too(story: Story) -> None:
    entity = plain("payments")
    await story.catalog.push_entities("ci", [{**entity, "spec": {"type": "service", "owner": "team"}}], wait=WAIT)

    [listed] = await failed(story)

    assert (listed["entity_ref"], listed["location_key"]) == (PAYMENTS, "provider:ci")


async def test_an_entity_tells_where_it_comes_from_and_why_it_was_processed(story: Story) -> None:
    url = story.host.put("a.yaml", component_yaml("payments"))
    location = await story.register(url)
    await story.until_visible(PAYMENTS)
    await story.quiet()
    story.host.put("a.yaml", component_yaml("payments", owner="others"))
    await story.catalog.refresh_entity(PAYMENTS, wait=WAIT)

    told = await story.catalog.explain_entity(PAYMENTS)
    above = await story.catalog.explain_entity(str(location.entity_ref))

    assert [(edge.source, edge.location_key, edge.role) for edge in told.chains.edges] == [
        (f"entity:{location.entity_ref}", f"url:{url}", "winner"),
        ("provider:locations", above.claims[0].location_key, "winner"),
    ]
    assert above.processing.last is not None
    assert above.processing.next is not None
    assert (above.processing.last.because, above.processing.next.because) == ("refresh", "interval")
    assert above.emitted.children == [PAYMENTS]
    assert {(relation.type, relation.target_ref) for relation in told.emitted.relations} == {
        ("ownedBy", "group:default/others"),
        ("ownerOf", PAYMENTS),
    }
    assert told.offsets is not None
    assert [event.offset for event in await story.events() if event.ref == PAYMENTS] == [
        told.offsets.first,
        told.offsets.last,
    ]


async def test_an_entity_tells_what_it_waits_for(story: Story) -> None:
    location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    await story.quiet()

    story.host.hold("a.yaml")
    await story.refresh(PAYMENTS)
    await story.until_asked("a.yaml", 2)
    told = await story.catalog.explain_entity(str(location.entity_ref))
    story.host.put("a.yaml", component_yaml("payments"))
    await story.quiet()

    assert told.processing.held_until is not None
    assert told.processing.next is not None
    assert (told.processing.next.because, told.processing.next.priority) == ("refresh", "asked")

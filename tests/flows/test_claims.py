"""Two files that claim one name, told over HTTP, with two engines."""

import pytest

from callboard.client import Cause, Holder
from tests.flows.stories import Story
from tests.harness import component_yaml, plain

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"
FIRST = component_yaml("payments", owner="first")
SECOND = component_yaml("payments", owner="second") + "---\n" + component_yaml("orders")
"""The second file has another entity, by which a story sees that the file was read and its claims are there."""


async def test_the_first_of_two_files_keeps_the_name(story: Story) -> None:
    await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    before = await story.entity(PAYMENTS)

    await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)
    await story.quiet()

    after = await story.entity(PAYMENTS)
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    [conflict] = await story.status(PAYMENTS)
    assert conflict.startswith("Conflict: entity:location:default/generated-")


async def test_the_second_file_takes_over_without_being_read_again_when_the_first_is_unregistered(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)
    uid = await story.uid(PAYMENTS)
    # Whoever reads the file now gets nothing from it.
    story.host.break_("second.yaml")

    await story.unregister(first)
    await story.until_owned(PAYMENTS, "second")

    assert await story.uid(PAYMENTS) == uid
    assert await story.refs() == {PAYMENTS, ORDERS}
    assert story.host.requests["second.yaml"] == 1


async def test_the_second_file_takes_over_when_the_first_gives_the_name_up(story: Story) -> None:
    other = component_yaml("other")
    await story.register(story.host.put("first.yaml", FIRST + "---\n" + other))
    await story.until_visible(PAYMENTS, "component:default/other")
    await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, "component:default/other", ORDERS)
    uid = await story.uid(PAYMENTS)

    story.host.put("first.yaml", other)
    await story.refresh("component:default/other")
    await story.until_owned(PAYMENTS, "second")

    assert await story.uid(PAYMENTS) == uid
    assert await story.orphans() == set()
    assert story.host.requests["second.yaml"] == 1


async def test_what_the_second_file_has_said_last_is_what_it_takes_over_with(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)
    newer = component_yaml("payments", owner="newer") + "---\n" + component_yaml("orders", owner="newer")
    story.host.put("second.yaml", newer)
    await story.refresh(ORDERS)
    await story.until_owned(ORDERS, "newer")
    await story.quiet()
    meanwhile = await story.owner(PAYMENTS)

    await story.unregister(first)
    await story.until_owned(PAYMENTS, "newer")

    assert meanwhile == "first"


async def test_unregistering_the_second_file_leaves_the_name_as_it_was(story: Story) -> None:
    await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    before = await story.entity(PAYMENTS)
    second = await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)

    await story.unregister(second)
    await story.quiet()

    assert await story.refs() == {PAYMENTS}
    assert await story.entity(PAYMENTS) == before


async def test_a_first_file_that_comes_back_has_to_stand_in_line(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)
    await story.unregister(first)
    await story.until_owned(PAYMENTS, "second")
    uid = await story.uid(PAYMENTS)

    story.host.put("first.yaml", FIRST + "---\n" + component_yaml("other"))
    await story.register(story.host.url("first.yaml"))
    await story.until_visible(PAYMENTS, ORDERS, "component:default/other")
    await story.quiet()

    assert await story.owner(PAYMENTS) == "second"
    assert await story.uid(PAYMENTS) == uid


async def test_a_name_that_nobody_claims_any_more_goes_with_its_last_claim(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    second = await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)

    await story.unregister(second)
    await story.unregister(first)

    assert await story.refs() == set()


async def test_a_conflict_names_both_sources_and_what_the_second_one_would_make_other(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    second = await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)

    [conflict] = (await story.catalog.get_conflicts()).items

    assert (conflict.entity_ref, conflict.winner.source) == (PAYMENTS, f"entity:{first.entity_ref}")
    [rival] = conflict.rivals
    assert rival.source == f"entity:{second.entity_ref}"
    assert {"op": "replace", "path": "/spec/owner", "value": "second"} in (rival.patch or [])


async def test_a_conflict_is_a_warning_on_the_entity_and_a_cause_in_the_stream(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    before = await story.quiet()
    url = story.host.put("second.yaml", SECOND)
    second = await story.register(url)
    await story.until_visible(PAYMENTS, ORDERS)
    await story.until_status(PAYMENTS, "Conflict")

    warned = await story.http.get("/entities", params={"filter": "status.level=warning"})
    [event] = [event for event in await story.events(before) if event.ref == PAYMENTS]

    [entity] = warned.json()
    [item] = entity["status"]["items"]
    assert (entity["metadata"]["name"], item["level"]) == ("payments", "warning")
    assert f"entity:{second.entity_ref}" in item["message"]
    assert event.cause == Cause(
        source=f"entity:{first.entity_ref}",
        location=f"url:{first.target}",
        because="conflict",
        conflict=[Holder(source=f"entity:{second.entity_ref}", location_key=f"url:{url}")],
    )


async def test_the_warning_goes_with_the_conflict_though_no_file_is_read_again(story: Story) -> None:
    first = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)
    await story.register(story.host.put("second.yaml", SECOND))
    await story.until_visible(PAYMENTS, ORDERS)
    await story.until_status(PAYMENTS, "Conflict")

    await story.unregister(first)
    await story.until_owned(PAYMENTS, "second")
    await story.until_status(PAYMENTS, "")

    assert (await story.catalog.get_conflicts()).total == 0
    assert story.host.requests == {"first.yaml": 1, "second.yaml": 1}


async def test_what_is_written_over_http_waits_in_line_behind_a_file_and_takes_over(story: Story) -> None:
    file = await story.register(story.host.put("first.yaml", FIRST))
    await story.until_visible(PAYMENTS)

    pushed = await story.catalog.push_entities("ci", [plain("payments", "ci")], wait=60)
    meanwhile = await story.owner(PAYMENTS)
    uid = await story.uid(PAYMENTS)
    await story.unregister(file)
    await story.until_owned(PAYMENTS, "ci")

    assert pushed.status is not None
    assert (list(pushed.conflicts), pushed.status.conflicts, meanwhile) == ([PAYMENTS], 1, "first")
    assert await story.uid(PAYMENTS) == uid

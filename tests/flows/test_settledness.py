"""Whoever asks is told when everything has settled, told over HTTP, with two engines."""

import asyncio

import pytest

from callboard.model.json import JsonObject
from tests.flows.stories import Story
from tests.harness import component_yaml, location_yaml, plain

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS, BILLING = "component:default/payments", "component:default/orders", "component:default/billing"
ROOT = "location:default/root"
WAIT = 60.0

BROKEN = component_yaml("billing").replace("lifecycle", "cycle")
"""A Component that can be read, and is none."""


async def test_a_location_tells_how_many_entities_it_led_to_and_what_became_of_them(story: Story) -> None:
    story.host.put("a.yaml", component_yaml("payments") + "---\n" + component_yaml("orders") + "---\n" + BROKEN)
    location = await story.register(story.host.put("root.yaml", location_yaml("root", ["./a.yaml"])))

    status = await story.catalog.location_status(location.id, wait=WAIT)
    seen = await story.refs()

    # The Location of the registration counts as well.
    assert (status.state, status.entities, status.pending, status.failed, status.settled) == ("settled", 5, 0, 1, 4)
    assert [(failure.ref, failure.visible) for failure in status.failures] == [(BILLING, False)]
    assert seen == {ROOT, PAYMENTS, ORDERS}
    assert {event.offset for event in await story.events()} <= set(range(status.offset + 1))


async def test_a_location_is_pending_while_one_of_its_files_is_being_read(story: Story) -> None:
    story.host.put("a.yaml", component_yaml("payments"))
    story.host.hold("b.yaml")
    root = location_yaml("root", ["./a.yaml"]) + "---\n" + location_yaml("slow", ["./b.yaml"])
    location = await story.register(story.host.put("root.yaml", root))
    await story.until_visible(ROOT, PAYMENTS)
    await story.until_asked("b.yaml", 1)

    meanwhile = await story.catalog.location_status(location.id, wait=0.1)
    waiting = asyncio.create_task(story.catalog.location_status(location.id, wait=WAIT))
    story.host.put("b.yaml", component_yaml("orders"))
    status = await waiting

    assert (meanwhile.state, meanwhile.pending, meanwhile.failed) == ("pending", 1, 0)
    assert (status.state, status.entities, status.pending) == ("settled", 5, 0)
    assert await story.refs() == {ROOT, "location:default/slow", PAYMENTS, ORDERS}


async def test_a_location_whose_file_is_gone_has_settled_with_a_failure_and_keeps_what_it_led_to(story: Story) -> None:
    location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)

    story.host.remove("a.yaml")
    await story.refresh(PAYMENTS)
    status = await story.catalog.location_status(location.id, wait=WAIT)

    assert (status.state, status.entities, status.failed) == ("settled", 2, 1)
    [failure] = status.failures
    assert (failure.ref, failure.visible) == (location.entity_ref, True)
    assert "404" in failure.errors[0].message


async def test_a_refresh_that_waits_tells_what_came_of_it_and_where(story: Story) -> None:
    location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    before = await story.quiet()

    story.host.put("a.yaml", component_yaml("payments", owner="others") + "---\n" + component_yaml("orders"))
    told = await story.catalog.refresh_entity(PAYMENTS, wait=WAIT)
    seen = (await story.owner(PAYMENTS), await story.refs())

    assert set(told.refreshed) == {PAYMENTS, str(location.entity_ref)}
    assert (told.status.state, told.status.entities, told.status.failed) == ("settled", 3, 0)
    assert seen == ("others", {PAYMENTS, ORDERS})
    happened = await story.events(before)
    assert {event.ref for event in happened} == {PAYMENTS, ORDERS}
    assert happened[-1].offset <= told.status.offset


async def test_a_refresh_that_waits_tells_what_is_wrong(story: Story) -> None:
    location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)

    story.host.put("a.yaml", component_yaml("payments") + "---\nkind: [Comp")
    told = await story.catalog.refresh_entity(PAYMENTS, wait=WAIT)

    [failure] = told.status.failures
    assert (told.status.state, failure.ref) == ("settled", location.entity_ref)
    assert (failure.errors[0].location, failure.errors[0].line) == (f"url:{story.host.url('a.yaml')}", 11)


async def test_an_answer_waits_for_the_neighbours_as_well(story: Story) -> None:
    group: JsonObject = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {"name": "team"},
        "spec": {"type": "team", "children": []},
    }
    await story.catalog.push_entities("groups", [group], wait=WAIT)

    await story.catalog.put_provider_entity("ci", plain("payments"), wait=WAIT)
    relations = (await story.entity("group:default/team"))["relations"]

    assert relations == [{"type": "ownerOf", "targetRef": PAYMENTS}]


async def test_nobody_waits_for_ever_because_a_neighbour_is_put_together_again_and_again(story: Story) -> None:
    group: JsonObject = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {"name": "hub"},
        "spec": {"type": "team", "children": []},
    }
    await story.catalog.push_entities("groups", [group], wait=WAIT)
    busy, enough = asyncio.Event(), asyncio.Event()

    async def keep_busy(name: str) -> None:
        for number in range(100_000):
            # Each of these marks the group once more, since a relation to it comes or goes.
            await story.catalog.put_provider_entity(name, plain(name, "hub" if number % 2 else "team"))
            if number == 10:
                busy.set()
            if enough.is_set():
                break

    async with asyncio.TaskGroup() as noise:
        makers = [noise.create_task(keep_busy(f"noise{number}")) for number in range(3)]
        await busy.wait()
        pushed = await story.catalog.put_provider_entity("ci", plain("payments", "hub"), wait=WAIT)
        relations = (await story.entity("group:default/hub"))["relations"]
        was_busy = not any(maker.done() for maker in makers)
        enough.set()

    assert was_busy
    assert pushed.status is not None
    assert pushed.status.state == "settled"
    assert {"type": "ownerOf", "targetRef": PAYMENTS} in relations

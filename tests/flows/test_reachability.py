"""What keeps an entity in the catalog, told over HTTP, with two engines."""

from collections.abc import Callable

import pytest

from callboard.client import Cause, Event
from callboard.model.changes import ChangeType
from tests.flows.stories import Story
from tests.flows.web import WebHost
from tests.harness import component_yaml, location_yaml

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"
BOTH = component_yaml("payments") + "---\n" + component_yaml("orders")

UNREADABLE: dict[str, tuple[Callable[[WebHost], None], str]] = {
    "gone": (lambda host: host.remove("a.yaml"), "404"),
    "failing": (lambda host: host.break_("a.yaml", 500), "500"),
    "refused": (WebHost.close, "a.yaml"),
    "cut off on the way": (lambda host: host.cut("a.yaml"), "a.yaml"),
    "cut off at its source": (lambda host: void(host.put("a.yaml", BOTH + "---\nkind: [Comp")), "YAML"),
    "no YAML": (lambda host: void(host.put("a.yaml", "\x01\x02{{")), "YAML"),
    "no entities": (lambda host: void(host.put("a.yaml", "[1, 2]")), "got array"),
}
"""Ways in which a file can't be read, and what its location says then."""


def void(_: object) -> None:
    """Drop a value, for a lambda that has none."""


def removals(events: list[Event]) -> list[Event]:
    """Those that took something away."""
    return [event for event in events if event.type is ChangeType.REMOVED]


async def test_unregistering_removes_the_whole_tree_in_one_go(story: Story) -> None:
    story.host.put("a.yaml", BOTH)
    story.host.put("below.yaml", location_yaml("below", ["./a.yaml"]))
    root = await story.register(story.host.put("root.yaml", location_yaml("root", ["./below.yaml"])))
    await story.until_visible("location:default/root", "location:default/below", PAYMENTS, ORDERS)
    before = await story.quiet()

    offset = await story.unregister(root)

    gone = removals(await story.events(since=before))
    assert {event.ref for event in gone} == {
        *(str(root.entity_ref), "location:default/root", "location:default/below", PAYMENTS, ORDERS)
    }
    assert [event.offset for event in gone] == list(range(before + 1, offset + 1))
    assert {event.at for event in gone} == {gone[0].at}
    unregistered = Cause(
        source="provider:locations", location=f"url:{root.target}", location_id=root.id, because="unregistered"
    )
    assert [event.cause for event in gone] == [unregistered] * len(gone)


async def test_files_that_name_one_another_go_together_with_their_root(story: Story) -> None:
    story.host.put("one.yaml", location_yaml("one", ["./two.yaml"]) + "---\n" + component_yaml("payments"))
    story.host.put("two.yaml", location_yaml("two", ["./one.yaml"]) + "---\n" + component_yaml("orders"))
    root = await story.register(story.host.url("one.yaml"))
    await story.until_visible("location:default/one", "location:default/two", PAYMENTS, ORDERS)
    before = await story.quiet()

    offset = await story.unregister(root)

    assert await story.refs() == set()
    assert [event.offset for event in removals(await story.events(since=before))] == list(range(before + 1, offset + 1))


async def test_what_is_being_read_while_its_root_is_unregistered_does_not_come_any_more(story: Story) -> None:
    story.host.hold("a.yaml")
    root = await story.register(story.host.url("a.yaml"))
    await story.until_asked("a.yaml", 1)

    await story.unregister(root)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.quiet()

    assert {event.ref for event in await story.events()}.isdisjoint({PAYMENTS, root.entity_ref})


async def test_what_another_root_still_reaches_stays_the_same_entity(story: Story) -> None:
    story.host.put("shared.yaml", component_yaml("payments"))
    one = await story.register(story.host.put("one.yaml", location_yaml("one", ["./shared.yaml"])))
    await story.register(story.host.put("two.yaml", location_yaml("two", ["./shared.yaml"])))
    await story.until_visible("location:default/one", "location:default/two", PAYMENTS)
    before, uid = await story.quiet(), await story.uid(PAYMENTS)

    await story.unregister(one)
    await story.quiet()

    assert await story.refs() == {"location:default/two", PAYMENTS}
    assert await story.uid(PAYMENTS) == uid
    assert {event.ref for event in removals(await story.events(since=before))} == {
        *(str(one.entity_ref), "location:default/one")
    }


async def test_what_its_file_drops_is_kept_as_an_orphan(story: Story) -> None:
    await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    before, uid = await story.quiet(), await story.uid(ORDERS)

    story.host.put("a.yaml", component_yaml("payments"))
    await story.refresh(PAYMENTS)
    await story.until_orphaned(ORDERS)
    await story.quiet()

    assert (await story.entity(ORDERS))["metadata"]["annotations"]["backstage.io/orphan"] == "true"
    assert await story.uid(ORDERS) == uid
    assert [event.ref for event in await story.events(since=before)] == [ORDERS]


async def test_an_orphan_that_its_file_mentions_again_is_the_entity_that_it_was(story: Story) -> None:
    await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    before = await story.entity(ORDERS)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.refresh(PAYMENTS)
    await story.until_orphaned(ORDERS)

    story.host.put("a.yaml", BOTH)
    await story.refresh(PAYMENTS)
    await story.until_orphaned()

    assert await story.entity(ORDERS) == before


async def test_an_orphan_that_another_file_mentions_keeps_its_uid_and_gets_its_new_content(story: Story) -> None:
    await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    uid = await story.uid(ORDERS)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.refresh(PAYMENTS)
    await story.until_orphaned(ORDERS)

    await story.register(story.host.put("b.yaml", component_yaml("orders", owner="adopters")))
    await story.until_owned(ORDERS, "adopters")

    assert await story.orphans() == set()
    assert await story.uid(ORDERS) == uid


async def test_an_orphan_outlives_the_root_that_it_came_from(story: Story) -> None:
    root = await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.refresh(PAYMENTS)
    await story.until_orphaned(ORDERS)

    await story.unregister(root)
    await story.quiet()

    assert await story.refs() == {ORDERS}


async def test_where_orphans_are_deleted_what_its_file_drops_goes_with_all_below_it(deleting: Story) -> None:
    deleting.host.put("leaf.yaml", component_yaml("orders"))
    deleting.host.put("root.yaml", component_yaml("payments") + "---\n" + location_yaml("below", ["./leaf.yaml"]))
    location = await deleting.register(deleting.host.url("root.yaml"))
    await deleting.until_visible(PAYMENTS, "location:default/below", ORDERS)
    before = await deleting.quiet()

    deleting.host.put("root.yaml", component_yaml("payments"))
    await deleting.refresh(PAYMENTS)
    await deleting.until_visible(PAYMENTS)

    gone = await deleting.events(since=before)
    orphaned = Cause(source=f"entity:{location.entity_ref}", because="orphaned")
    assert [(event.type, event.ref, event.cause) for event in gone] == [
        (ChangeType.REMOVED, ORDERS, orphaned),
        (ChangeType.REMOVED, "location:default/below", orphaned),
    ]
    assert gone[0].at == gone[1].at


async def test_where_orphans_are_deleted_what_another_file_still_mentions_stays(deleting: Story) -> None:
    deleting.host.put("leaf.yaml", component_yaml("orders"))
    await deleting.register(deleting.host.put("one.yaml", BOTH))
    await deleting.register(deleting.host.put("two.yaml", location_yaml("two", ["./leaf.yaml"])))
    await deleting.until_visible(PAYMENTS, ORDERS, "location:default/two")
    uid = await deleting.uid(ORDERS)

    deleting.host.put("one.yaml", component_yaml("payments", owner="others"))
    await deleting.refresh(PAYMENTS)
    await deleting.until_owned(PAYMENTS, "others")
    await deleting.quiet()

    assert await deleting.uid(ORDERS) == uid
    assert await deleting.orphans() == set()


@pytest.mark.parametrize("how", UNREADABLE)
async def test_a_file_that_can_not_be_read_changes_nothing_but_the_status_of_its_location(
    story: Story, how: str
) -> None:
    unread, text = UNREADABLE[how]
    location = await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    before = await story.quiet()

    unread(story.host)
    await story.refresh(PAYMENTS)
    await story.until_status(str(location.entity_ref), text)
    await story.quiet()

    assert await story.refs() == {PAYMENTS, ORDERS}
    assert [(event.type, event.ref) for event in await story.events(since=before)] == [
        (ChangeType.UPDATED, location.entity_ref)
    ]


@pytest.mark.parametrize("how", UNREADABLE)
async def test_a_file_that_can_be_read_again_takes_the_status_away(story: Story, how: str) -> None:
    unread, text = UNREADABLE[how]
    location = await story.register(story.host.put("a.yaml", BOTH))
    await story.until_visible(PAYMENTS, ORDERS)
    await story.quiet()
    before = await story.catalog.get_entities()
    unread(story.host)
    await story.refresh(PAYMENTS)
    await story.until_status(str(location.entity_ref), text)

    if how == "refused":
        story.host.open()
    story.host.put("a.yaml", BOTH)
    await story.refresh(PAYMENTS)
    await story.until_status(str(location.entity_ref), "")

    assert await story.catalog.get_entities() == before


@pytest.mark.parametrize("how", UNREADABLE)
async def test_where_orphans_are_deleted_a_file_that_can_not_be_read_removes_nothing(deleting: Story, how: str) -> None:
    unread, text = UNREADABLE[how]
    location = await deleting.register(deleting.host.put("a.yaml", BOTH))
    await deleting.until_visible(PAYMENTS, ORDERS)
    before = await deleting.quiet()

    unread(deleting.host)
    await deleting.refresh(PAYMENTS)
    await deleting.until_status(str(location.entity_ref), text)
    await deleting.quiet()

    assert await deleting.refs() == {PAYMENTS, ORDERS}
    assert removals(await deleting.events(since=before)) == []


async def test_of_two_files_of_one_location_the_readable_one_brings_nothing_new_while_the_other_is_broken(
    story: Story,
) -> None:
    story.host.put("a.yaml", component_yaml("payments"))
    story.host.put("b.yaml", component_yaml("orders"))
    root = location_yaml("root", ["./a.yaml", "./b.yaml"])
    await story.register(story.host.put("root.yaml", root))
    await story.until_visible("location:default/root", PAYMENTS, ORDERS)

    story.host.put("a.yaml", component_yaml("payments", owner="others"))
    story.host.break_("b.yaml")
    await story.refresh(PAYMENTS)
    await story.until_status("location:default/root", "500")
    meanwhile = await story.owner(PAYMENTS)
    story.host.put("b.yaml", component_yaml("orders"))
    await story.refresh(PAYMENTS)
    await story.until_owned(PAYMENTS, "others")

    assert meanwhile == "team"
    assert await story.refs() == {"location:default/root", PAYMENTS, ORDERS}
    assert await story.orphans() == set()


async def test_a_location_that_was_never_readable_is_listed_as_failed_and_comes_in_once_it_is(story: Story) -> None:
    location = await story.register(story.host.url("later.yaml"))
    ref = str(location.entity_ref)

    async def failed() -> bool:
        return ref in await story.failures()

    await story.until(failed, f"{ref} to fail")
    failures = await story.failures()

    story.host.put("later.yaml", component_yaml("payments"))
    await story.refresh(ref)
    await story.until_visible(PAYMENTS)

    assert story.host.url("later.yaml") in failures[ref]
    assert "404" in failures[ref]
    assert await story.failures() == {}

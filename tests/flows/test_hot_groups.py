"""A group with many members: they come one by one, and the group is not written anew for each of them."""

from callboard.extend import Delta, Full
from callboard.model.json import JsonObject
from callboard.store import stitch_queue
from tests.harness import Catalog, offered

GROUP = "group:default/everybody"
MEMBERS = 60
A_STEP = 0.02
"""Seconds from one member to the next."""


async def test_members_who_come_one_by_one_share_the_events_of_their_group(catalog: Catalog) -> None:
    await catalog.provide("teams", Full(offered(group())))
    await catalog.settle()

    for number in range(MEMBERS):
        await catalog.provide("people", Delta(offered(member(number))))
        await catalog.process()
        await stitch_what_is_due(catalog)
        catalog.clock.advance(A_STEP)
    await catalog.settle()

    assert members_of(catalog) == MEMBERS
    lasted = MEMBERS * A_STEP
    assert 2 <= await events_of_the_group(catalog) - 1 <= lasted / stitch_queue.SOON.total_seconds() + 2


async def test_members_who_come_in_one_go_are_one_event_of_their_group(catalog: Catalog) -> None:
    await catalog.provide("teams", Full(offered(group())))
    await catalog.settle()

    await catalog.provide("people", Full(offered(*(member(number) for number in range(MEMBERS)))))
    await catalog.settle()

    assert members_of(catalog) == MEMBERS
    assert await events_of_the_group(catalog) == 2


async def test_a_group_that_has_grown_large_waits_longer_for_more_members(catalog: Catalog) -> None:
    await catalog.provide("teams", Full(offered(group(about=words(80_000)))))
    await catalog.settle()
    await catalog.provide("people", Delta(offered(member(1))))
    await catalog.process()

    catalog.clock.advance(stitch_queue.SOON.total_seconds())
    await stitch_what_is_due(catalog)
    early = await events_of_the_group(catalog)
    catalog.clock.advance(10)
    await stitch_what_is_due(catalog)

    assert (early, await events_of_the_group(catalog)) == (1, 2)


async def test_what_somebody_has_changed_in_a_large_group_does_not_wait(catalog: Catalog) -> None:
    await catalog.provide("teams", Full(offered(group(about=words(80_000)))))
    await catalog.settle()

    await catalog.provide("people", Delta(offered(member(1))))
    await catalog.process()
    await catalog.provide("teams", Full(offered(group(about=words(90_000)))))
    await catalog.process()
    await stitch_what_is_due(catalog)

    assert await events_of_the_group(catalog) == 2


async def stitch_what_is_due(catalog: Catalog) -> None:
    """Stitch as an engine does in a moment that takes no time."""
    while await catalog.engine.stitcher.stitch() == 0:
        pass


async def events_of_the_group(catalog: Catalog) -> int:
    return sum(change.ref == GROUP for change in await catalog.history())


def members_of(catalog: Catalog) -> int:
    relations = catalog.entity(GROUP)["relations"]
    assert isinstance(relations, list)
    return len(relations)


def words(count: int) -> str:
    """Text of about so many characters."""
    return "word " * (count // 5) + "end"


def group(about: str = "") -> JsonObject:
    return _managed("Group", "everybody", {"type": "team", "children": []}, about)


def member(number: int) -> JsonObject:
    return _managed("User", f"user-{number}", {"memberOf": ["everybody"]})


def _managed(kind: str, name: str, spec: JsonObject, about: str = "") -> JsonObject:
    location = "url:https://host/people.yaml"
    annotations: JsonObject = {
        "backstage.io/managed-by-location": location,
        "backstage.io/managed-by-origin-location": location,
    }
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "annotations": annotations, **({"description": about} if about else {})},
        "spec": spec,
    }

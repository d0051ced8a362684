"""The stitcher: tickets in, publications out."""

import random

from callboard.extend import Delta, Full
from callboard.store import stitch_queue
from tests.audit import audit
from tests.harness import Catalog, component, offered


async def test_what_was_never_processed_well_is_not_published(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a", owner=7))))
    await catalog.settle()

    assert await catalog.history() == []
    assert catalog.engine.stitcher.tally.abandoned == 1


async def test_a_relation_from_elsewhere_changes_both_ends(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("a"))))
    await catalog.settle()

    await catalog.provide("two", Full(offered(component("b", dependsOn=["component:a"]))))
    await catalog.settle()

    assert {"type": "dependencyOf", "targetRef": "component:default/b"} in relations_of(catalog, "component:default/a")


async def test_a_relation_goes_with_the_entity_that_emitted_it(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("a"))))
    await catalog.provide("two", Full(offered(component("b", dependsOn=["component:a"]))))
    await catalog.settle()

    await catalog.provide("two", Full([]))
    await catalog.settle()

    assert relations_of(catalog, "component:default/a") == [{"type": "ownedBy", "targetRef": "group:default/team"}]


async def test_an_entity_that_comes_later_finds_the_relations_that_wait_for_it(catalog: Catalog) -> None:
    await catalog.provide("two", Full(offered(component("b", dependsOn=["component:a"]))))
    await catalog.settle()

    await catalog.provide("one", Full(offered(component("a"))))
    await catalog.settle()

    assert {"type": "dependencyOf", "targetRef": "component:default/b"} in relations_of(catalog, "component:default/a")


async def test_a_mark_that_changes_nothing_publishes_nothing(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.settle()

    async with catalog.database.transaction() as tx:
        await stitch_queue.mark(tx, ["component:default/a"])
    await catalog.stitch()

    assert len(await catalog.history()) == 1
    assert catalog.engine.stitcher.tally.unchanged == 1


async def test_what_is_marked_while_it_is_being_stitched_is_stitched_again(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a", type="old"))))
    await catalog.process()
    stitcher = catalog.engine.stitcher
    tickets, _ = await catalog.database.run(stitcher._claim)
    await catalog.provide("ci", Full(offered(component("a", type="new"))))
    await catalog.process()

    await catalog.database.run(lambda tx: stitcher._publish(tx, tickets, []))
    await catalog.settle()

    spec = catalog.entity("component:default/a")["spec"]
    assert isinstance(spec, dict)
    assert spec["type"] == "new"
    await audit(catalog.database.url)


async def test_a_stitcher_that_was_too_slow_publishes_nothing(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.process()
    stitcher = catalog.engine.stitcher
    tickets, _ = await catalog.database.run(stitcher._claim)
    catalog.clock.advance(stitcher.options.lease.total_seconds())
    await catalog.settle()
    before = await catalog.history()

    await catalog.database.run(lambda tx: stitcher._publish(tx, tickets, []))

    assert await catalog.history() == before
    await audit(catalog.database.url)


async def versions_of_a_hot_one(catalog: Catalog, *, size: int) -> int:
    """How often a thing of that size is put together while a hundred others come to depend on it in ten seconds."""
    text = random.Random(1).randbytes(size // 2).hex()
    await catalog.provide("hot", Full(offered(component("hot", text=text))))
    await catalog.settle()
    before = len(await catalog.history())
    for number in range(100):
        await catalog.provide("ci", Delta(offered(component(f"c{number}", dependsOn=["component:hot"]))))
        await catalog.process()
        catalog.clock.advance(0.1)
        while await catalog.engine.stitcher.stitch() == 0:
            pass
    return len([change for change in (await catalog.history())[before:] if change.ref == "component:default/hot"])


async def test_a_thing_that_many_come_to_depend_on_is_put_together_a_few_times_a_second(catalog: Catalog) -> None:
    versions = await versions_of_a_hot_one(catalog, size=100)

    assert 10 <= versions <= 50


async def test_a_large_one_is_put_together_the_more_seldom(catalog: Catalog) -> None:
    versions = await versions_of_a_hot_one(catalog, size=600_000)

    assert versions <= 2
    catalog.clock.advance(6)
    await catalog.settle()
    assert len(relations_of(catalog, "component:default/hot")) == 101


def relations_of(catalog: Catalog, ref: str) -> list[object]:
    relations = catalog.entity(ref)["relations"]
    assert isinstance(relations, list)
    return [*relations]

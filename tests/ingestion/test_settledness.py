"""Waiting until everything that a change has caused is there."""

from callboard.extend import Delta, Full
from callboard.ingestion import settledness
from callboard.ingestion.settledness import Status
from callboard.store import claims, stitch_queue
from callboard.store.progress import Part
from tests.harness import Catalog, component, component_yaml, location_yaml, offered

CI = Part(source=claims.of_provider("ci"))


async def status(catalog: Catalog, part: Part) -> Status:
    """How far a part has come, without waiting."""
    return await settledness.status(catalog.database, catalog.clock, part, wait=0, pause=catalog.clock.sleep)


async def numbers(catalog: Catalog, part: Part) -> tuple[bool, int, int, int]:
    found = await status(catalog, part)
    return found.settled, found.progress.entities, found.progress.pending, found.progress.failed


async def test_what_is_due_is_pending(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))

    assert await numbers(catalog, CI) == (False, 2, 2, 0)


async def test_what_is_processed_is_pending_until_it_is_stitched(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.process()

    assert await numbers(catalog, CI) == (False, 1, 1, 0)


async def test_what_has_failed_is_settled_and_named(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), {**component("b"), "spec": {}})))
    await catalog.settle()

    found = await status(catalog, CI)

    assert (found.settled, found.progress.failed) == (True, 1)
    assert [(failure.ref, failure.visible) for failure in found.failures] == [("component:default/b", False)]


async def test_a_neighbour_outside_is_waited_for(catalog: Catalog) -> None:
    await catalog.provide("other", Full(offered(component("target"))))
    await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.settle()
    await catalog.provide("ci", Delta(offered(component("a", dependsOn=["component:target"]))))
    await catalog.process()
    while await catalog.engine.stitcher.stitch() == 0:
        pass

    before = await status(catalog, CI)
    catalog.clock.advance(1)
    await catalog.stitch()
    after = await status(catalog, CI)

    assert (before.settled, before.progress.pending) == (False, 0)
    assert after.settled


async def test_all_below_a_location_counts(catalog: Catalog) -> None:
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml", "./b.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    catalog.host.put("https://host/b.yaml", component_yaml("b"))
    location = await catalog.register("https://host/root.yaml")

    before = await numbers(catalog, Part(refs=[location.entity_ref]))
    await catalog.settle()

    assert before == (False, 1, 1, 0)
    assert await numbers(catalog, Part(refs=[location.entity_ref])) == (True, 4, 0, 0)


async def test_what_others_mark_meanwhile_is_not_waited_for(catalog: Catalog) -> None:
    await catalog.provide("other", Full(offered(component("busy"))))
    await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.settle()
    waiting = settledness._Waiting(CI)
    async with catalog.database.transaction() as tx:
        assert (await waiting.look(tx)).settled

    async with catalog.database.transaction() as tx:
        await stitch_queue.mark(tx, ["component:default/busy"])
    async with catalog.database.transaction() as tx:
        found = await waiting.look(tx)

    assert found.settled


async def test_the_interval_of_what_depends_on_the_outside_is_not_waited_for(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()

    catalog.clock.advance(1_000)

    assert await numbers(catalog, Part(refs=[location.entity_ref])) == (True, 2, 0, 0)


async def test_what_is_not_there_is_settled(catalog: Catalog) -> None:
    assert await numbers(catalog, Part(refs=["component:default/none"])) == (True, 0, 0, 0)

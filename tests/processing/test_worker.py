"""The worker: batches, leases, back-off, and one bad entity among good ones."""

import asyncio
import itertools
import random
import string
from collections.abc import Mapping

import httpx2
import pytest

from callboard.extend import Full, Processor, Run
from callboard.ingestion import deleting, refreshing
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.processing.worker import Tally, Worker
from callboard.settings import KindSetting, OrphanStrategy, RuleSetting, Settings
from callboard.store import schedule
from callboard.store.database import Database
from callboard.testing import FakeClock, FakeHost
from tests.audit import audit
from tests.harness import Catalog, component, component_yaml, location_yaml, offered
from tests.waiting import until_blocked

_UNSTORABLE: Mapping[str, JsonObject] = {
    "a-nul-in-a-relation": component("bad", owner="te\0am"),
    "a-separator-in-a-relation": component("bad", owner="te\x1fam"),
    "a-relation-too-long-for-an-index": component(
        "bad", owner="".join(random.Random(1).choices(string.ascii_letters, k=6000))
    ),
}


class Surprises(Processor):
    """Emits what can't be written as JSON."""

    name = "surprises"

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        if run.ref.name == "bad":
            run.emit_entity(component("child", owner="\ud800"))
        return entity


async def due_in(catalog: Catalog, ref: str) -> float | None:
    """Seconds until the entity is due."""
    async with catalog.database.transaction() as tx:
        due_at = await tx.connection.fetchval("select nullif(due_at, 'infinity') from schedule where ref = $1", ref)
    return None if due_at is None else float((due_at - catalog.clock.now()).total_seconds())


async def run_what_is_due(catalog: Catalog) -> Worker:
    """Let the worker process a batch, but not settle it."""
    worker = catalog.engine.worker
    await worker.claim()
    for task in list(worker._tasks):
        await task
    return worker


@pytest.mark.parametrize("bad", _UNSTORABLE.values(), ids=_UNSTORABLE)
async def test_one_entity_that_cannot_be_stored_fails_alone(catalog: Catalog, bad: JsonObject) -> None:
    good = [component(f"good{number}") for number in range(6)]

    await catalog.provide("ci", Full(offered(*good[:3], bad, *good[3:])))
    await catalog.settle()

    assert catalog.refs() == [f"component:default/good{number}" for number in range(6)]
    assert list(await catalog.failures()) == ["component:default/bad"]
    await audit(catalog.database.url)


async def test_a_processor_that_emits_no_json_fails_its_entity_alone(
    database: Database, clock: FakeClock, host: FakeHost, settings: Settings
) -> None:
    async with httpx2.AsyncClient(transport=host.transport) as client:
        catalog = Catalog(database, clock, host, settings, client)
        pipeline = catalog.engine.pipeline
        pipeline.processors = [*pipeline.processors, Surprises()]
        pipeline.__post_init__()

        await catalog.provide("ci", Full(offered(component("bad"), component("good"))))
        await catalog.settle()

    assert catalog.refs() == ["component:default/good"]
    assert "surrogates" in (await catalog.failures())["component:default/bad"]


async def test_only_the_one_file_that_changed_is_fetched_and_the_others_children_stand(catalog: Catalog) -> None:
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml", "./b.yaml", "./c.yaml"]))
    for name in "abc":
        catalog.host.put(f"https://host/{name}.yaml", component_yaml(name))
    await catalog.register("https://host/root.yaml")
    await catalog.settle()
    catalog.host.bodies_sent.clear()
    before = len(await catalog.history())

    catalog.host.put("https://host/b.yaml", component_yaml("b", owner="new"))
    await catalog.refresh("component:default/b")

    assert dict(catalog.host.bodies_sent) == {"https://host/b.yaml": 1}
    assert [change.ref for change in (await catalog.history())[before:]] == ["component:default/b"]
    assert catalog.orphans() == []


async def test_a_file_that_is_dropped_from_a_location_orphans_its_own_children_only(catalog: Catalog) -> None:
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml", "./b.yaml"]))
    for name in "ab":
        catalog.host.put(f"https://host/{name}.yaml", component_yaml(name))
    await catalog.register("https://host/root.yaml")
    await catalog.settle()

    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml"]))
    await catalog.refresh("location:default/root")

    assert catalog.orphans() == ["component:default/b"]


async def test_a_child_of_a_forbidden_kind_is_an_error_of_its_location(
    database: Database, clock: FakeClock, host: FakeHost, settings: Settings
) -> None:
    rules = (RuleSetting((KindSetting("Location"),)),)
    host.put("https://host/a.yaml", component_yaml("a"))
    async with httpx2.AsyncClient(transport=host.transport) as client:
        catalog = Catalog(database, clock, host, settings.overridden({"catalog.rules": rules}), client)
        location = await catalog.register("https://host/a.yaml")
        await catalog.settle()

    assert catalog.refs() == []
    assert "is not of an allowed kind" in (await catalog.failures())[location.entity_ref]


async def test_a_failure_that_repeats_is_tried_less_and_less_often(catalog: Catalog) -> None:
    location = await catalog.register("https://host/nowhere.yaml")
    waits = []
    for _ in range(8):
        assert await catalog.process() == 1
        wait = await due_in(catalog, location.entity_ref)
        assert wait is not None
        waits.append(wait)
        catalog.clock.advance(wait)

    assert 100 <= waits[0] <= 150
    assert all(later > 1.3 * earlier for earlier, later in itertools.pairwise(waits[:5]))
    assert waits[-2:] == [3600, 3600]


async def test_a_success_ends_the_backing_off(catalog: Catalog) -> None:
    location = await catalog.register("https://host/a.yaml")
    for _ in range(5):
        await catalog.process()
        catalog.clock.advance(3600)

    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await catalog.process()

    assert 100 <= (await due_in(catalog, location.entity_ref) or 0) <= 150


async def test_an_entity_that_depends_on_nothing_outside_is_not_due_again(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("good"), component("bad", owner=7))))
    await catalog.settle()

    assert await due_in(catalog, "component:default/good") is None
    assert await due_in(catalog, "component:default/bad") is None


async def test_work_whose_lease_was_lost_is_dropped(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a", type="old"))))
    worker = await run_what_is_due(catalog)
    catalog.clock.advance(worker.options.lease.total_seconds())
    await catalog.provide("ci", Full(offered(component("a", type="new"))))
    async with catalog.database.transaction() as tx:
        (taken,) = await schedule.claim(tx, batch=10, lease=worker.options.lease)

    await worker.settle()

    async with catalog.database.transaction() as tx:
        assert await schedule.holding(tx, [(taken.ref, taken.lease)]) == {(taken.ref, taken.lease): taken.ticket}
        assert await tx.connection.fetchval("select processed from entities") is None


async def test_work_on_what_was_removed_meanwhile_is_dropped(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    await run_what_is_due(catalog)

    await catalog.provide("ci", Full(offered(component("b"))))
    await catalog.settle()

    assert catalog.refs() == ["component:default/b"]
    await audit(catalog.database.url)


async def test_a_parent_that_is_removed_while_its_children_are_settled_takes_them_along(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    location = await catalog.register("https://host/a.yaml")
    worker = await run_what_is_due(catalog)

    async with catalog.database.transaction() as tx:
        await tx.connection.execute("lock table relations in share mode")
        settling = asyncio.create_task(worker.settle())
        await until_blocked(catalog.database)
        removing = asyncio.create_task(catalog.unregister(location))
        await until_blocked(catalog.database, transactions=2)
    await settling
    await removing
    await catalog.settle()

    assert catalog.follower.view.count == 0
    await audit(catalog.database.url)


async def test_content_that_changes_while_it_is_processed_is_processed_again(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a", type="old"))))
    worker = await run_what_is_due(catalog)

    await catalog.provide("ci", Full(offered(component("a", type="new"))))
    await worker.settle()
    await catalog.settle()

    spec = catalog.entity("component:default/a")["spec"]
    assert isinstance(spec, dict)
    assert spec["type"] == "new"


async def test_a_child_that_is_deleted_while_its_parent_is_processed_is_emitted_anew(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a") + "---\n" + component_yaml("b"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()
    metadata = catalog.entity("component:default/b")["metadata"]
    assert isinstance(metadata, dict)
    catalog.host.put("https://host/a.yaml", component_yaml("a", owner="new") + "---\n" + component_yaml("b"))
    await refreshing.refresh(catalog.database, EntityRef.parse(location.entity_ref))
    await run_what_is_due(catalog)

    await deleting.delete(catalog.database, str(metadata["uid"]))
    await catalog.engine.worker.settle()
    await catalog.settle()

    assert catalog.refs() == ["component:default/a", "component:default/b"]
    await audit(catalog.database.url)


async def test_deleted_orphans_go_with_all_below_them(
    database: Database, clock: FakeClock, host: FakeHost, settings: Settings
) -> None:
    host.put("https://host/root.yaml", location_yaml("root", ["./sub.yaml", "./other.yaml"]))
    host.put("https://host/sub.yaml", location_yaml("sub", ["./a.yaml"]))
    host.put("https://host/a.yaml", component_yaml("a"))
    host.put("https://host/other.yaml", component_yaml("b"))
    async with httpx2.AsyncClient(transport=host.transport) as client:
        configured = settings.overridden({"catalog.orphan_strategy": OrphanStrategy.DELETE})
        catalog = Catalog(database, clock, host, configured, client)
        await catalog.register("https://host/root.yaml")
        await catalog.settle()

        host.put("https://host/root.yaml", location_yaml("root", ["./other.yaml"]))
        await catalog.refresh("location:default/root")

    assert catalog.refs() == ["component:default/b", "location:default/root"]
    await audit(database.url)


async def test_a_deploy_of_other_processors_makes_everything_due_once(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    await catalog.settle()
    worker = catalog.engine.worker
    await catalog.database.run(worker._after_a_deploy)
    unchanged = await catalog.process()

    catalog.engine.pipeline.fingerprint = "newer"
    await catalog.database.run(worker._after_a_deploy)

    assert (unchanged, await catalog.process(), await catalog.process()) == (0, 2, 0)


async def test_the_worker_counts_what_it_has_done(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    await catalog.refresh("component:default/a")

    await catalog.provide("ci", Full(offered(component("bad", owner=7))))
    await catalog.settle()

    assert catalog.engine.worker.tally == Tally(changed=2, unchanged=2, errors=1)


async def test_a_worker_that_is_stopped_gives_back_what_hangs(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await catalog.register("https://host/a.yaml")
    await catalog.provide("ci", Full(offered(component("b"))))
    worker = catalog.engine.worker
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while worker.tally.changed < 3:
            await catalog.clock.sleep(0)

    worker.stop()
    await running

    async with catalog.database.transaction() as tx:
        assert await tx.connection.fetchval("select count(*) from schedule where lease is not null") == 0

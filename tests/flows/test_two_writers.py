"""Two transactions at one moment, stopped at the points where they could hurt each other."""

import asyncio
import datetime as dt
import uuid

from callboard.extend import Full
from callboard.ingestion import locations as registering
from callboard.ingestion import mutations
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import REGISTERED, RegisteredLocations
from callboard.model import json
from callboard.model.refs import LocationRef
from callboard.store import claims, entities, leases, locations, relations, removal, schedule, stitch_queue
from callboard.store.database import Database, Transaction
from callboard.store.locations import RegisteredLocation
from callboard.store.relations import EmittedRelation
from tests.harness import Catalog, component, offered

X = "component:default/x"
Y = "component:default/y"


async def until_one_waits(database: Database, *tasks: "asyncio.Task[object]") -> None:
    """Return as soon as a transaction waits for a lock, or all *tasks* are done."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    while not all(task.done() for task in tasks):
        async with database.transaction() as tx:
            if await tx.connection.fetchval(waiting):
                return


async def test_a_claim_that_meets_a_removal_brings_its_entity_back(database: Database) -> None:
    async def claim(tx: Transaction) -> set[str]:
        return await claims.lock_targets(tx, [], create=[X])

    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[X])
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [X])
        claiming = asyncio.create_task(database.run(claim))
        await until_one_waits(database, claiming)
        await removal.remove(tx, [X])

    assert await claiming == {X}


async def test_a_relation_that_meets_a_removal_does_not_bring_the_entity_back(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("x"))))
    await catalog.settle()

    async def relate() -> None:
        async with catalog.database.transaction() as tx:
            changed = await relations.replace(tx, [Y], [EmittedRelation(Y, X, "dependencyOf", Y)])
            await stitch_queue.mark(tx, list(changed))

    async with catalog.database.transaction() as tx:
        await mutations.apply(tx, mutations.prepare("ci", Full([])))
        relating = asyncio.create_task(relate())
        await until_one_waits(catalog.database, relating)
        stitching = asyncio.create_task(catalog.engine.stitcher.stitch())
        await until_one_waits(catalog.database, stitching)
    await relating
    await stitching
    await catalog.stitch()
    await catalog.look()

    assert catalog.refs() == []


async def test_a_result_that_is_stored_while_its_entity_is_stitched_is_not_read_by_halves(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("x", owner="old"))))
    await catalog.settle()
    before = len(await catalog.history())
    async with catalog.database.transaction() as tx:
        await stitch_queue.mark(tx, [X])

    async with catalog.database.transaction() as tx:
        await tx.connection.execute("lock table relations")
        stitching = asyncio.create_task(catalog.engine.stitcher.stitch())
        await until_one_waits(catalog.database, stitching)
        processed = json.encode(component("x", owner="new")).decode()
        result = entities.Processed(ref=X, processed=processed, result_hash=b"new", state=None)
        await entities.save_processed(tx, [result], processors=catalog.engine.pipeline.fingerprint)
        await relations.replace(tx, [X], [EmittedRelation(X, X, "ownedBy", "group:default/new")])
        await stitch_queue.mark(tx, [X])
    await stitching
    await catalog.stitch()
    await catalog.look()

    assert len(await catalog.history()) == before + 1
    assert catalog.entity(X)["relations"] == [{"type": "ownedBy", "targetRef": "group:default/new"}]
    assert catalog.entity(X)["spec"] == component("x", owner="new")["spec"]


async def test_a_location_that_is_registered_while_an_engine_starts_stays(catalog: Catalog) -> None:
    location = LocationRef("url", "https://host/a.yaml")
    ref = str(registering.entity_ref_of(location))
    row = RegisteredLocation(id=str(uuid.uuid4()), type=location.type, target=location.target, entity_ref=ref)

    async with catalog.database.transaction() as tx:
        await leases.hold_for_transaction(tx, claims.of_provider(REGISTERED))
        provider = RegisteredLocations(catalog.database)
        starting = asyncio.create_task(provider.connect(Connection(catalog.database, REGISTERED)))
        await until_one_waits(catalog.database, starting)
        await locations.add(tx, row)
        await mutations.apply(tx, mutations.prepare(REGISTERED, Full([registering.offered(location)])))
    await starting
    await catalog.settle()

    assert catalog.follower.view.count + len(await catalog.failures()) == 1


async def test_renewing_leases_waits_for_nobody_who_settles(database: Database) -> None:
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=["a:b/1", "a:b/2"])
        await schedule.request(tx, ["a:b/1", "a:b/2"])
    lease = dt.timedelta(seconds=15)
    async with database.transaction() as tx:
        work = [(due.ref, due.lease) for due in await schedule.claim(tx, batch=2, lease=lease)]
    work.sort()

    async def renew() -> None:
        async with database.transaction() as tx:
            await schedule.extend(tx, work[::-1], lease)

    async with database.transaction() as tx:
        await schedule.holding(tx, work[:1], lock=True)
        renewing = asyncio.create_task(renew())
        await until_one_waits(database, renewing)
        second = await schedule.holding(tx, work[1:], lock=True)
    await renewing

    assert set(second) == set(work[1:])

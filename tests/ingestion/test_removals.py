"""A removal that is only looked at tells what the real one does."""

import asyncio
import itertools
import random
import uuid
from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import httpx2
import pytest

from callboard.errors import NotFound
from callboard.extend import Delta, Full
from callboard.ingestion import deleting, locations, removals
from callboard.ingestion.removals import Removal
from callboard.model.refs import LocationRef
from callboard.settings import OrphanStrategy, Settings
from callboard.store import claims, entities, schedule
from callboard.store import locations as registered
from callboard.store.claims import ClaimKey
from callboard.store.database import Database
from callboard.store.locations import RegisteredLocation
from callboard.testing import FakeClock, FakeHost
from tests.audit import audit
from tests.harness import Catalog, component, component_yaml, location_yaml, offered
from tests.waiting import until_blocked

_ONE, _TWO = "https://host/one.yaml", "https://host/two.yaml"
ONE, TWO, TEAM = "location:default/one", "location:default/two", "location:default/team"
A, B, SHARED = "component:default/a", "component:default/b", "component:default/shared"


@pytest.fixture(autouse=True)
def files(host: FakeHost) -> None:
    """One leads to a and, over the folder of a team, to b. Both lead to what they share."""
    host.put(_ONE, location_yaml("one", ["./a.yaml", "./team.yaml", "./shared.yaml"]))
    host.put(_TWO, location_yaml("two", ["./shared.yaml"]))
    host.put("https://host/team.yaml", location_yaml("team", ["./b.yaml"]))
    for name in ("a", "b", "shared"):
        host.put(f"https://host/{name}.yaml", component_yaml(name))


@pytest.fixture
async def deleting_orphans(
    database: Database, clock: FakeClock, host: FakeHost, settings: Settings
) -> AsyncIterator[Catalog]:
    """A catalog in which there are no orphans."""
    async with httpx2.AsyncClient(transport=host.transport) as client:
        configured = settings.overridden({"catalog.orphan_strategy": OrphanStrategy.DELETE})
        yield Catalog(database, clock, host, configured, client)


async def uid_of(catalog: Catalog, ref: str) -> str:
    async with catalog.database.transaction() as tx:
        return (await entities.uids(tx, [ref]))[ref]


async def look_at(catalog: Catalog, ref: str, *, delete_orphans: bool = False) -> Removal:
    return await deleting.preview(catalog.database, await uid_of(catalog, ref), delete_orphans=delete_orphans)


async def delete(catalog: Catalog, ref: str, *, delete_orphans: bool = False) -> deleting.Deleted:
    uid = await uid_of(catalog, ref)
    deleted = await deleting.delete(catalog.database, uid, delete_orphans=delete_orphans)
    await catalog.stitch()
    await catalog.look()
    return deleted


def sources(held: removals.Claims) -> dict[str, list[str]]:
    return {ref: sorted({claim.source for claim in found}) for ref, found in held.items()}


async def test_unregistering_tells_what_goes_and_because_of_whom_something_stays(catalog: Catalog) -> None:
    location = await catalog.register(_ONE)
    await catalog.register(_TWO)
    await catalog.settle()

    told = await locations.preview(catalog.database, location.id)

    assert sorted(told.removed) == sorted([location.entity_ref, ONE, TEAM, A, B])
    assert told.kept == {SHARED: [ClaimKey(f"entity:{TWO}", SHARED, "url:https://host/shared.yaml")]}
    assert told.returns == {}


async def test_what_was_only_looked_at_is_still_there(catalog: Catalog) -> None:
    location = await catalog.register(_ONE)
    await catalog.settle()
    before = await _everything(catalog.database.url)

    await locations.preview(catalog.database, location.id)
    await look_at(catalog, ONE)
    await look_at(catalog, ONE, delete_orphans=True)

    assert await _everything(catalog.database.url) == before


async def test_what_goes_has_the_uid_that_it_had(catalog: Catalog) -> None:
    location = await catalog.register(_ONE)
    await catalog.settle()

    told = await locations.preview(catalog.database, location.id)

    assert {told.removed[ref] for ref in (A, B)} == {await uid_of(catalog, ref) for ref in (A, B)}


async def test_what_stays_below_something_that_stays_is_told_as_well(catalog: Catalog) -> None:
    catalog.host.put(_TWO, location_yaml("two", ["./team.yaml"]))
    location = await catalog.register(_ONE)
    await catalog.register(_TWO)
    await catalog.settle()

    told = await locations.preview(catalog.database, location.id)

    assert sources(told.kept) == {TEAM: [f"entity:{TWO}"], B: [f"entity:{TEAM}"]}


async def test_a_location_that_somebody_else_names_stays_with_all_that_it_holds(catalog: Catalog) -> None:
    location = await catalog.register(_ONE)
    await catalog.provide("ci", Delta(added=[locations.offered(LocationRef("url", _ONE))]))
    await catalog.settle()

    told = await locations.preview(catalog.database, location.id)

    assert told.removed == {}
    assert sources(told.kept)[location.entity_ref] == ["provider:ci"]


async def test_looking_at_the_removal_of_an_unknown_location_or_entity_says_so(catalog: Catalog) -> None:
    with pytest.raises(NotFound, match="no location with ID none"):
        await locations.preview(catalog.database, "none")
    with pytest.raises(NotFound, match="No entity with uid none"):
        await deleting.preview(catalog.database, "none", delete_orphans=False)


async def test_an_entity_that_a_parent_emits_comes_back_and_its_children_stay_as_orphans(catalog: Catalog) -> None:
    await catalog.register(_ONE)
    await catalog.settle()

    told = await look_at(catalog, TEAM)
    deleted = await delete(catalog, TEAM)

    assert list(told.removed) == [TEAM]
    assert told.kept == {B: []}
    assert sources(told.returns) == {TEAM: [f"entity:{ONE}"]}
    assert list(deleted.offered_by) == [f"entity:{ONE}"]
    assert catalog.orphans() == [B]
    await catalog.settle()
    assert TEAM in catalog.refs()
    assert catalog.orphans() == []


async def test_an_entity_that_a_provider_has_comes_back_with_its_next_mutation(catalog: Catalog) -> None:
    full = Full(offered(component("a")))
    await catalog.provide("ci", full)
    await catalog.settle()

    told = await look_at(catalog, A)
    await delete(catalog, A)
    await catalog.provide("ci", full)
    await catalog.settle()

    assert sources(told.returns) == {A: ["provider:ci"]}
    assert catalog.refs() == [A]


async def test_an_orphan_does_not_come_back(catalog: Catalog) -> None:
    await catalog.register(_ONE)
    await catalog.settle()
    catalog.host.put("https://host/team.yaml", location_yaml("team", ["./a.yaml"]))
    await catalog.refresh(TEAM)

    told = await look_at(catalog, B)
    deleted = await delete(catalog, B)

    assert (list(told.removed), told.kept, told.returns) == ([B], {}, {})
    assert list(deleted.offered_by) == []


async def test_where_there_are_no_orphans_a_deletion_makes_none(deleting_orphans: Catalog) -> None:
    catalog = deleting_orphans
    await catalog.register(_ONE)
    await catalog.register(_TWO)
    await catalog.settle()

    told = await look_at(catalog, ONE, delete_orphans=True)
    await delete(catalog, ONE, delete_orphans=True)

    assert sorted(told.removed) == sorted([ONE, TEAM, A, B])
    assert sources(told.kept) == {SHARED: [f"entity:{TWO}"]}
    assert catalog.refs() == [SHARED, TWO]
    assert catalog.orphans() == []
    causes = {change.ref: change.cause for change in await catalog.history() if change.body is None}
    assert causes[ONE] == '{"because":"deleted"}'
    assert {causes[ref] for ref in (TEAM, A, B)} == {f'{{"source":"entity:{ONE}","because":"orphaned"}}'}
    await audit(catalog.database.url)


async def test_what_comes_back_brings_its_children_back(deleting_orphans: Catalog) -> None:
    catalog = deleting_orphans
    await catalog.register(_ONE)
    await catalog.settle()

    told = await look_at(catalog, TEAM, delete_orphans=True)
    await delete(catalog, TEAM, delete_orphans=True)
    gone = {TEAM, B}.isdisjoint(catalog.refs())
    await catalog.settle()

    assert sources(told.returns) == {TEAM: [f"entity:{ONE}"], B: [f"entity:{TEAM}"]}
    assert gone
    assert {TEAM, B}.issubset(catalog.refs())
    await audit(catalog.database.url)


async def test_a_cycle_below_a_deleted_entity_goes_where_there_are_no_orphans(deleting_orphans: Catalog) -> None:
    catalog = deleting_orphans
    catalog.host.put("https://host/team.yaml", location_yaml("team", ["./back.yaml"]))
    catalog.host.put("https://host/back.yaml", location_yaml("back", ["./team.yaml"]))
    await catalog.register("https://host/team.yaml")
    await catalog.settle()

    told = await look_at(catalog, TEAM, delete_orphans=True)
    deleted = await delete(catalog, TEAM, delete_orphans=True)
    gone = catalog.refs()
    await audit(catalog.database.url)
    await catalog.settle()

    assert (sorted(told.removed), told.kept) == (["location:default/back", TEAM], {})
    assert "entity:location:default/back" not in deleted.offered_by
    assert len(deleted.offered_by) == 1
    assert gone == []
    assert catalog.refs() == ["location:default/back", TEAM]


async def test_a_deletion_waits_for_whoever_takes_hold_of_what_would_become_an_orphan(
    deleting_orphans: Catalog,
) -> None:
    catalog = deleting_orphans
    await catalog.register(_ONE)
    await catalog.settle()
    uid = await uid_of(catalog, ONE)
    async with catalog.database.transaction() as tx:
        await claims.lock_targets(tx, [A])

        doing = asyncio.create_task(deleting.delete(catalog.database, uid, delete_orphans=True))
        await until_blocked(catalog.database)
        await tx.connection.execute(
            "insert into claims (source, target_ref, content, content_hash, changed)"
            " values ('provider:p', $1, '{}', '', 1)",
            A,
        )

    await doing
    left = await _entities(catalog.database)
    assert A in left
    assert B not in left


async def test_whoever_looks_at_a_removal_waits_for_nobody(catalog: Catalog) -> None:
    location = await catalog.register(_ONE)
    await catalog.settle()
    uid = await uid_of(catalog, ONE)
    async with catalog.database.transaction() as tx:
        await claims.lock_targets(tx, [location.entity_ref, ONE, TEAM, A, B])

        unregistering = await locations.preview(catalog.database, location.id)
        told = await deleting.preview(catalog.database, uid, delete_orphans=True)

    assert {*told.removed, location.entity_ref} == {*unregistering.removed}


class Random(NamedTuple):
    """A graph of claims, and what becomes of it."""

    edges: list[tuple[str, str]]
    root: str


def graphs(number: int) -> list[Random]:
    found = []
    for seed in range(number):
        chance = random.Random(seed)
        names = [f"component:default/{name}" for name in "abcdef"]
        every = [
            *((f"provider:{p}", name) for p in "pq" for name in names),
            *((f"entity:{parent}", child) for parent, child in itertools.permutations(names, 2)),
        ]
        found.append(Random(chance.sample(every, 9), chance.choice(names)))
    return found


@pytest.mark.parametrize("delete_orphans", [False, True])
async def test_what_is_told_is_what_happens(catalog: Catalog, delete_orphans: bool) -> None:
    for graph in graphs(40):
        await _grow(catalog.database, graph.edges)
        before = await _entities(catalog.database)
        if graph.root not in before:
            continue

        told = await look_at(catalog, graph.root, delete_orphans=delete_orphans)
        await deleting.delete(catalog.database, before[graph.root], delete_orphans=delete_orphans)

        after = await _entities(catalog.database)
        assert told.removed == {ref: uid for ref, uid in before.items() if ref not in after}, graph
        async with catalog.database.transaction() as tx:
            assert told.kept == {ref: (await claims.holders(tx, [ref])).get(ref, []) for ref in told.kept}, graph
        await audit(catalog.database.url)


async def test_what_unregistering_is_told_to_do_is_what_it_does(catalog: Catalog) -> None:
    for graph in graphs(15):
        await _grow(catalog.database, [*graph.edges, (f"provider:{locations.REGISTERED}", graph.root)])
        location = RegisteredLocation(id=str(uuid.uuid4()), type="url", target=graph.root, entity_ref=graph.root)
        async with catalog.database.transaction() as tx:
            await registered.add(tx, location)
        before = await _entities(catalog.database)

        told = await locations.preview(catalog.database, location.id)
        await locations.unregister(catalog.database, location.id)

        after = await _entities(catalog.database)
        assert told.removed == {ref: uid for ref, uid in before.items() if ref not in after}, graph
        assert told.removed.keys().isdisjoint(told.kept)
        async with catalog.database.transaction() as tx:
            assert told.kept == {ref: (await claims.holders(tx, [ref])).get(ref, []) for ref in told.kept}, graph
        await audit(catalog.database.url)


async def _grow(database: Database, edges: list[tuple[str, str]]) -> None:
    """Replace everything by these claims, of entities that were never seen."""
    refs = sorted({target for _, target in edges} | {source[7:] for source, _ in edges if source.startswith("entity")})
    async with database.transaction() as tx:
        for table in ("claims", "entities", "schedule", "stitch_queue"):
            await tx.connection.execute(f"delete from {table}")
        await claims.lock_targets(tx, [], create=refs)
        await claims.offer(
            tx,
            [
                claims.Claim(source=source, ref=target, location_key="", content="{}", content_hash=b"")
                for source, target in edges
            ],
        )
        decision = await claims.decide(tx, refs)
        await schedule.request(tx, decision.to_process)


async def _entities(database: Database) -> dict[str, str]:
    async with database.transaction() as tx:
        return {row[0]: row[1] for row in await tx.connection.fetch("select ref, uid::text from entities")}


async def _everything(url: str) -> list[list[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    try:
        tables = "claims", "entities", "schedule", "relations", "stitch_queue", "final_entities", "locations", "stream"
        return [await connection.fetch(f"select * from {table} order by 1, 2") for table in tables]
    finally:
        await connection.close()

"""Registered and configured locations."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from callboard.errors import Conflict, NotFound
from callboard.extend import Full
from callboard.ingestion import locations
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import ConfiguredLocations, OnConflict, RegisteredLocations
from callboard.model.refs import LocationRef
from callboard.store import locations as store
from callboard.store.locations import RegisteredLocation
from callboard.testing import FakeHost
from tests.audit import audit
from tests.harness import Catalog, component, component_yaml, location_yaml, offered
from tests.waiting import until_blocked

_URL = "https://host/a.yaml"
_OTHER = "https://host/b.yaml"


@pytest.fixture(autouse=True)
def files(host: FakeHost) -> None:
    """What the locations point at."""
    for url in (_URL, _OTHER):
        host.put(url, component_yaml("a"))


async def start(catalog: Catalog) -> None:
    """Do what the provider of registered locations does when an engine starts."""
    provider = RegisteredLocations(catalog.database)
    await provider.connect(Connection(catalog.database, provider.name))


async def test_a_location_that_is_there_already_is_rejected(catalog: Catalog) -> None:
    await catalog.register(_URL)

    with pytest.raises(Conflict, match=f"url:{_URL} already exists"):
        await catalog.register(_URL)


async def test_registering_again_may_read_it_again_instead(catalog: Catalog) -> None:
    first = await catalog.register(_URL)
    await catalog.settle()

    second = await catalog.register(_URL, OnConflict.REFRESH)
    await catalog.settle()

    assert second == first
    assert catalog.host.requests[_URL] == 2


async def test_registering_again_notices_what_has_gone(catalog: Catalog) -> None:
    catalog.host.put(_URL, component_yaml("a") + "---\n" + component_yaml("b"))
    await catalog.register(_URL)
    await catalog.settle()

    catalog.host.put(_URL, component_yaml("a"))
    await catalog.register(_URL, OnConflict.REFRESH)
    await catalog.settle()

    assert catalog.orphans() == ["component:default/b"]


async def test_two_who_register_the_same_location_at_once_register_it_once(catalog: Catalog) -> None:
    outcomes = await asyncio.gather(*(catalog.register(_URL) for _ in range(3)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Conflict", "RegisteredLocation"]


async def test_unregistering_what_is_not_there_says_so(catalog: Catalog) -> None:
    for unknown in (str(uuid.uuid4()), "not-a-uuid"):
        with pytest.raises(NotFound, match=unknown):
            await locations.unregister(catalog.database, unknown)


async def test_an_engine_that_starts_changes_nothing_about_registered_locations(catalog: Catalog) -> None:
    await catalog.register(_URL)
    await catalog.settle()
    before = len(await catalog.history())

    await start(catalog)
    await catalog.settle()

    assert len(await catalog.history()) == before


async def test_an_engine_that_starts_does_not_take_back_what_is_being_registered(catalog: Catalog) -> None:
    async with catalog.database.transaction() as tx:
        await tx.connection.execute("lock table claims in share mode")
        registering = asyncio.create_task(catalog.register(_URL))
        await until_blocked(catalog.database)
        starting = asyncio.create_task(start(catalog))
        await until_blocked(catalog.database, transactions=2)
    location = await registering
    await starting
    await catalog.settle()

    assert location.entity_ref in catalog.follower.view.refs()
    await audit(catalog.database.url)


async def test_a_claim_that_was_lost_comes_back_when_an_engine_starts(catalog: Catalog) -> None:
    location = await catalog.register(_URL)
    await catalog.provide(locations.REGISTERED, Full([]))

    await start(catalog)
    await catalog.settle()

    assert location.entity_ref in catalog.follower.view.refs()


async def test_locations_that_the_configuration_names_no_more_go(catalog: Catalog) -> None:
    both = [LocationRef("url", _URL), LocationRef("url", _OTHER)]
    connection = Connection(catalog.database, locations.CONFIGURED)
    await ConfiguredLocations(both).connect(connection)
    await catalog.settle()

    await ConfiguredLocations(both[:1]).connect(connection)
    await catalog.look()

    assert [ref for ref in catalog.follower.view.refs() if ref.startswith("location:")] == [
        str(locations.entity_ref_of(both[0]))
    ]


async def test_a_location_that_is_configured_and_registered_goes_with_the_last_of_both(catalog: Catalog) -> None:
    connection = Connection(catalog.database, locations.CONFIGURED)
    await ConfiguredLocations([LocationRef("url", _URL)]).connect(connection)
    registered = await catalog.register(_URL)
    await catalog.settle()

    await catalog.unregister(registered)
    kept = (await catalog.look()).count
    await ConfiguredLocations([]).connect(connection)

    assert (kept, (await catalog.look()).count) == (2, 0)


async def retarget(catalog: Catalog, location: RegisteredLocation, target: str) -> RegisteredLocation:
    changed, _ = await locations.retarget(catalog.database, location.id, LocationRef("url", target))
    return changed


async def test_a_location_that_points_elsewhere_keeps_its_entity(catalog: Catalog) -> None:
    catalog.host.put(_OTHER, component_yaml("b"))
    location = await catalog.register(_URL)
    await catalog.settle()
    before = catalog.entity(location.entity_ref)["metadata"]

    changed = await retarget(catalog, location, _OTHER)
    await catalog.settle()

    entity = catalog.entity(location.entity_ref)
    after = entity["metadata"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert changed == replace(location, target=_OTHER)
    assert after["uid"] == before["uid"]
    assert entity["spec"] == {"type": "url", "target": _OTHER}
    assert catalog.refs() == ["component:default/b"]
    await audit(catalog.database.url)


async def test_what_only_the_old_target_kept_goes_at_once(catalog: Catalog) -> None:
    catalog.host.put(_URL, location_yaml("nested", ["c.yaml"]) + "---\n" + component_yaml("a"))
    catalog.host.put("https://host/c.yaml", component_yaml("c"))
    location = await catalog.register(_URL)
    await catalog.settle()
    await catalog.provide("p", Full(offered(component("a"))))

    await retarget(catalog, location, "https://host/missing.yaml")
    await catalog.settle()

    assert catalog.refs() == ["component:default/a"]
    assert catalog.orphans() == []
    await audit(catalog.database.url)


async def test_a_location_can_go_elsewhere_and_back(catalog: Catalog) -> None:
    location = await catalog.register(_URL)
    await catalog.settle()

    await retarget(catalog, location, _OTHER)
    back = await retarget(catalog, location, _URL)
    await catalog.settle()

    assert back == location
    assert catalog.refs() == ["component:default/a"]


async def test_a_location_that_points_where_it_did_loses_nothing(catalog: Catalog) -> None:
    location = await catalog.register(_URL)
    await catalog.settle()
    before = len(await catalog.history())

    await retarget(catalog, location, _URL)
    await catalog.settle()

    assert len(await catalog.history()) == before


async def test_what_is_being_made_of_the_old_target_is_not_stored(catalog: Catalog) -> None:
    location = await catalog.register(_URL)
    await catalog.engine.worker.claim()
    for task in list(catalog.engine.worker._tasks):
        await task

    await retarget(catalog, location, "https://host/missing.yaml")
    await catalog.engine.worker.settle()
    await catalog.settle()

    assert catalog.refs() == []
    assert list(await catalog.failures()) == [location.entity_ref]


async def test_an_engine_that_starts_knows_under_which_name_a_location_goes(catalog: Catalog) -> None:
    catalog.host.put(_OTHER, component_yaml("b"))
    location = await catalog.register(_URL)
    await retarget(catalog, location, _OTHER)
    await catalog.settle()
    before = len(await catalog.history())

    await start(catalog)
    await catalog.settle()

    assert len(await catalog.history()) == before
    assert location.entity_ref in catalog.follower.view.refs()


async def test_a_target_that_was_left_can_be_registered_anew(catalog: Catalog) -> None:
    catalog.host.put(_OTHER, component_yaml("b"))
    moved = await catalog.register(_URL)
    await retarget(catalog, moved, _OTHER)

    new = await catalog.register(_URL)
    await start(catalog)
    await catalog.settle()
    both = catalog.refs()
    await catalog.unregister(moved)
    await catalog.look()

    assert new.entity_ref != moved.entity_ref
    assert both == ["component:default/a", "component:default/b"]
    assert catalog.refs() == ["component:default/a"]
    await audit(catalog.database.url)


async def test_a_location_that_the_configuration_names_too_stays_where_it_is(catalog: Catalog) -> None:
    connection = Connection(catalog.database, locations.CONFIGURED)
    await ConfiguredLocations([LocationRef("url", _URL)]).connect(connection)
    location = await catalog.register(_URL)
    await catalog.settle()

    with pytest.raises(Conflict, match="another provider claims its entity"):
        await retarget(catalog, location, _OTHER)

    await catalog.settle()
    assert catalog.refs() == ["component:default/a"]


async def test_two_locations_that_exchange_their_targets_at_once_both_keep_one(catalog: Catalog) -> None:
    first, second = await catalog.register(_URL), await catalog.register(_OTHER)

    outcomes = await asyncio.gather(
        retarget(catalog, first, _OTHER), retarget(catalog, second, _URL), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Conflict, Conflict]


async def test_whatever_is_done_to_locations_at_once_leaves_them_whole(catalog: Catalog) -> None:
    targets = [f"https://host/{number}.yaml" for number in range(6)]
    for number, target in enumerate(targets):
        catalog.host.put(target, component_yaml(f"c{number}"))
    registered = [await catalog.register(target) for target in targets[:4]]
    await catalog.settle()

    outcomes = await asyncio.gather(
        catalog.unregister(registered[0]),
        *(retarget(catalog, location, targets[4]) for location in registered[1:]),
        *(catalog.register(target) for target in targets),
        start(catalog),
        catalog.process(),
        return_exceptions=True,
    )
    await catalog.settle()

    assert {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)} <= {Conflict, NotFound}
    async with catalog.database.transaction() as tx:
        rows = await store.every(tx)
    assert catalog.refs() == sorted(f"component:default/c{targets.index(row.target)}" for row in rows)
    assert {row.entity_ref for row in rows} <= set(catalog.follower.view.refs())
    await audit(catalog.database.url)


async def test_what_is_not_there_can_not_point_elsewhere(catalog: Catalog) -> None:
    for unknown in (str(uuid.uuid4()), "not-a-uuid"):
        with pytest.raises(NotFound, match=unknown):
            await locations.retarget(catalog.database, unknown, LocationRef("url", _URL))

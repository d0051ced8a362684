"""Registered and configured locations."""

import asyncio
import uuid

import pytest

from callboard.errors import Conflict, NotFound
from callboard.extend import Full
from callboard.ingestion import locations
from callboard.ingestion.connections import Connection
from callboard.ingestion.locations import ConfiguredLocations, OnConflict, RegisteredLocations
from callboard.model.refs import LocationRef
from callboard.testing import FakeHost
from tests.audit import audit
from tests.harness import Catalog, component_yaml
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

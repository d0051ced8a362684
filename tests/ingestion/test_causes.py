"""Causes: who asked for a change, and who let go of what went."""

import json

import pytest

from callboard.ingestion import deleting, locations, pushing, refreshing
from callboard.ingestion.locations import OnConflict
from callboard.ingestion.pushing import Writing
from callboard.model.causes import Because, Reason
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.store import entities
from callboard.store.locations import RegisteredLocation
from tests.harness import Catalog, component, component_yaml, location_yaml

A, B = "component:default/a", "component:default/b"
ANN = "user:default/ann"
BELOW = "location:default/below"
_ROOT, _LEAF = "https://host/root.yaml", "https://host/leaf.yaml"


async def causes(catalog: Catalog, since: int) -> dict[str, JsonObject]:
    """The last cause of each entity that has changed after an offset."""
    return {
        change.ref: json.loads(change.cause or "null")
        for change in await catalog.history()
        if change.offset > since and "/generated-" not in change.ref
    }


async def uid_of(catalog: Catalog, ref: str) -> str:
    async with catalog.database.transaction() as tx:
        return (await entities.uids(tx, [ref]))[ref]


@pytest.fixture
async def pushed(catalog: Catalog) -> Catalog:
    """a and b, which somebody has written over HTTP."""
    writing = Writing(provider="ci", writer=ANN)
    offer = pushing.carried([pushing.claimed("ci", component(name, location="provider:ci")) for name in "ab"])
    await pushing.push(catalog.database, writing, offer, full=False)
    await catalog.settle()
    return catalog


async def test_what_is_written_over_http_says_by_whom(pushed: Catalog) -> None:
    told = {"source": "provider:ci", "location": "provider:ci", "because": "changed", "by": ANN}

    assert await causes(pushed, 0) == {A: told, B: told}


async def test_what_is_withdrawn_over_http_says_by_whom(pushed: Catalog) -> None:
    offer = pushing.carried((), [EntityRef.parse(A)])
    await pushing.push(pushed.database, Writing(provider="ci", writer=ANN), offer, full=False)

    assert await causes(pushed, 2) == {A: {"source": "provider:ci", "because": "withdrawn", "by": ANN}}


async def test_what_goes_with_its_provider_says_so(pushed: Catalog) -> None:
    await pushing.forget(pushed.database, Writing(provider="ci", writer=ANN), operator=False)

    told = {"source": "provider:ci", "because": "forgotten", "by": ANN}
    assert await causes(pushed, 2) == {A: told, B: told}


async def test_what_somebody_deletes_says_by_whom_and_what_brings_it_back(pushed: Catalog) -> None:
    await deleting.delete(pushed.database, await uid_of(pushed, A), by=ANN)

    assert await causes(pushed, 2) == {A: {"because": "deleted", "by": ANN}}


@pytest.fixture
async def registered(catalog: Catalog) -> RegisteredLocation:
    """A location that somebody has registered, with a, and over another Location with b."""
    catalog.host.put(_ROOT, component_yaml("a") + "---\n" + location_yaml("below", ["./leaf.yaml"]))
    catalog.host.put(_LEAF, component_yaml("b"))
    root = LocationRef("url", _ROOT)
    location = await locations.register(catalog.database, root, on_conflict=OnConflict.REJECT, by=ANN)
    await catalog.settle()
    return location


async def head(catalog: Catalog) -> int:
    return (await catalog.look()).offset


async def test_what_comes_with_a_location_says_who_registered_that(
    catalog: Catalog, registered: RegisteredLocation
) -> None:
    told = {"because": "changed", "by": ANN}
    root = f"entity:{registered.entity_ref}"

    assert await causes(catalog, 0) == {
        A: {"source": root, "location": f"url:{_ROOT}", **told},
        BELOW: {"source": root, "location": f"url:{_ROOT}", **told},
        B: {"source": f"entity:{BELOW}", "location": f"url:{_LEAF}", **told},
    }


async def test_what_a_refresh_brings_says_who_asked_for_it(catalog: Catalog, registered: RegisteredLocation) -> None:
    before = await head(catalog)
    catalog.host.put(_LEAF, component_yaml("b", owner="others"))

    await refreshing.refresh(catalog.database, EntityRef.parse(B), by="external:ci")
    await catalog.settle()

    told = {"source": f"entity:{BELOW}", "location": f"url:{_LEAF}", "because": "refresh", "by": "external:ci"}
    assert await causes(catalog, before) == {B: told}


async def test_what_is_found_on_the_interval_says_so(catalog: Catalog, registered: RegisteredLocation) -> None:
    before = await head(catalog)
    catalog.host.put(_LEAF, component_yaml("b", owner="others"))

    catalog.clock.advance(10_000)
    await catalog.settle()

    told = {"source": f"entity:{BELOW}", "location": f"url:{_LEAF}", "because": "interval"}
    assert await causes(catalog, before) == {B: told}


async def test_what_goes_with_a_location_says_which_and_who_unregistered_it(
    catalog: Catalog, registered: RegisteredLocation
) -> None:
    before = await head(catalog)

    await locations.unregister(catalog.database, registered.id, Reason(Because.UNREGISTERED, ANN))

    told = {
        "source": "provider:locations",
        "location": f"url:{_ROOT}",
        "locationId": registered.id,
        "because": "unregistered",
        "by": ANN,
    }
    assert await causes(catalog, before) == dict.fromkeys((A, BELOW, B), told)


async def test_what_a_location_led_to_before_it_pointed_elsewhere_says_where_that_was(
    catalog: Catalog, registered: RegisteredLocation
) -> None:
    before = await head(catalog)
    catalog.host.put("https://host/other.yaml", component_yaml("c"))
    elsewhere = LocationRef("url", "https://host/other.yaml")

    await locations.retarget(catalog.database, registered.id, elsewhere, Reason(Because.RETARGETED, ANN))
    await catalog.settle()

    told = await causes(catalog, before)
    assert told[B] == {
        "source": "provider:locations",
        "location": f"url:{_ROOT}",
        "locationId": registered.id,
        "because": "retargeted",
        "by": ANN,
    }
    assert told["component:default/c"] == {
        "source": f"entity:{registered.entity_ref}",
        "location": "url:https://host/other.yaml",
        "because": "retargeted",
        "by": ANN,
    }


async def test_an_orphan_says_who_let_go_of_it_and_whoever_takes_it_that_it_was_one(
    catalog: Catalog, registered: RegisteredLocation
) -> None:
    before = await head(catalog)
    catalog.host.put(_ROOT, location_yaml("below", ["./leaf.yaml"]))
    await refreshing.refresh(catalog.database, EntityRef.parse(A), by=ANN)
    await catalog.settle()
    orphaned = await causes(catalog, before)
    catalog.host.put(_ROOT, component_yaml("a") + "---\n" + location_yaml("below", ["./leaf.yaml"]))

    await refreshing.refresh(catalog.database, EntityRef.parse(BELOW))
    await catalog.settle()

    root = f"entity:{registered.entity_ref}"
    assert orphaned == {A: {"source": root, "because": "orphaned", "by": ANN}}
    assert await causes(catalog, before) == {A: {"source": root, "location": f"url:{_ROOT}", "because": "reclaimed"}}


async def test_what_is_deleted_and_brought_back_says_so(catalog: Catalog, registered: RegisteredLocation) -> None:
    before = await head(catalog)

    await deleting.delete(catalog.database, await uid_of(catalog, B), by=ANN)
    await catalog.settle()

    told = {"source": f"entity:{BELOW}", "location": f"url:{_LEAF}", "because": "removed", "by": ANN}
    assert await causes(catalog, before) == {B: told}

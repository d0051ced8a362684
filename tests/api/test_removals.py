"""What a removal would lead to, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from callboard.access.decisions import Allowed, Conditional, Decision, Denied
from callboard.access.permissions import ENTITY_READ, LOCATION_DELETE, Permission
from callboard.access.principals import Principal
from callboard.api import removals
from callboard.extend import Full
from callboard.model.predicates import Equals
from callboard.settings import OrphanStrategy
from callboard.store.locations import RegisteredLocation
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, component_yaml, location_yaml, offered

CART, SHOP, SHARED, BROKEN = (
    "component:default/cart",
    "location:default/shop",
    "component:default/shared",
    "component:default/broken",
)


class OnlyComponents:
    """Lets everybody see components, and do all that needs no conditions."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Conditional(Equals("kind", "component")) if permission == ENTITY_READ else Allowed()


class NoUnregistering:
    """Lets everybody do everything but unregister locations."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Denied() if permission == LOCATION_DELETE else Allowed()


@pytest.fixture
async def location(api: Api) -> RegisteredLocation:
    """A location that leads to four entities, of which a provider has one as well, and one never was good."""
    host = api.catalog.host
    host.put("https://host/shop.yaml", location_yaml("shop", ["./cart.yaml", "./shared.yaml", "./broken.yaml"]))
    for name in ("cart", "shared"):
        host.put(f"https://host/{name}.yaml", component_yaml(name))
    host.put("https://host/broken.yaml", component_yaml("broken").replace("lifecycle", "cycle"))
    registered = await api.catalog.register("https://host/shop.yaml")
    await api.catalog.settle()
    await api.catalog.provide("ci", Full(offered(component("shared"), key="k")))
    await api.catalog.settle()
    return registered


@pytest.fixture
async def restricted(api: Api, location: RegisteredLocation) -> AsyncIterator[Api]:
    """The same for those who see components alone."""
    async with client_of(app_of(api.catalog, authorizer=OnlyComponents())) as client:
        yield Api(api.catalog, client)


async def uid_of(api: Api, ref: str) -> str:
    kind, name = ref.split(":")
    answer = await api.get(f"/entities/by-name/{kind}/{name}")
    return str(answer.json()["metadata"]["uid"])


def refs(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["entityRef"] for entry in entries]


async def test_a_dry_run_tells_what_unregistering_leads_to(api: Api, location: RegisteredLocation) -> None:
    answer = await api.delete(f"/locations/{location.id}", dryRun="true")

    told = answer.json()
    assert answer.status_code == 200
    assert refs(told["removed"]) == [BROKEN, CART, location.entity_ref, SHOP]
    assert {"entityRef": CART, "uid": await uid_of(api, CART)} in told["removed"]
    assert told["kept"] == [
        {"entityRef": SHARED, "because": [{"source": "provider:ci", "locationKey": "k"}], "orphan": False}
    ]
    assert (told["dryRun"], told["returns"], told["hidden"]) == (True, [], 0)


async def test_after_a_dry_run_everything_is_there(api: Api, location: RegisteredLocation) -> None:
    offset = (await api.delete(f"/locations/{location.id}", dryRun="1")).headers["callboard-offset"]

    assert (await api.get(f"/locations/{location.id}")).status_code == 200
    assert (await api.get("/entities")).headers["callboard-offset"] == offset


async def test_a_deletion_that_is_not_dry_is_done(api: Api, location: RegisteredLocation) -> None:
    answer = await api.delete(f"/locations/{location.id}", dryRun="false")

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.catalog.refs() == [SHARED]


async def test_a_dry_run_of_a_deletion_tells_who_brings_the_entity_back(api: Api, location: RegisteredLocation) -> None:
    uid = await uid_of(api, SHOP)

    told = (await api.delete(f"/entities/by-uid/{uid}", dryRun="true")).json()

    assert told["removed"] == [{"entityRef": SHOP, "uid": uid}]
    assert told["returns"] == [{"entityRef": SHOP, "because": [{"source": f"entity:{location.entity_ref}"}]}]
    assert {entry["entityRef"]: entry["orphan"] for entry in told["kept"]} == {
        BROKEN: True,
        CART: True,
        SHARED: False,
    }


async def test_a_deletion_says_who_brings_the_entity_back(api: Api, location: RegisteredLocation) -> None:
    shop = await api.delete(f"/entities/by-uid/{await uid_of(api, SHOP)}")
    shared = await api.delete(f"/entities/by-uid/{await uid_of(api, SHARED)}")

    assert (shop.status_code, shop.content) == (204, b"")
    assert shop.headers["callboard-returns"] == f"entity:{location.entity_ref}"
    assert shared.headers["callboard-returns"] == "provider:ci"


async def test_a_deletion_of_what_nobody_offers_says_nothing(api: Api, location: RegisteredLocation) -> None:
    await api.catalog.provide("ci", Full([]))
    await api.catalog.unregister(location)
    await api.catalog.provide("ci", Full(offered(component("shared"), key="k")))
    await api.catalog.settle()
    uid = await uid_of(api, SHARED)
    async with api.catalog.database.transaction() as tx:
        await tx.connection.execute("delete from claims")

    answer = await api.delete(f"/entities/by-uid/{uid}")

    assert answer.status_code == 204
    assert "callboard-returns" not in answer.headers


async def test_what_failed_and_is_deleted_comes_back_as_well(api: Api, location: RegisteredLocation) -> None:
    [failed] = (await api.get("/entities/unprocessed/failed")).json()["entities"]

    answer = await api.delete(f"/entities/unprocessed/delete/{failed['entity_id']}")

    assert answer.headers["callboard-returns"] == f"entity:{SHOP}"


async def test_what_the_caller_may_not_see_is_counted(restricted: Api, location: RegisteredLocation) -> None:
    told = (await restricted.delete(f"/locations/{location.id}", dryRun="true")).json()

    assert refs(told["removed"]) == [CART]
    assert refs(told["kept"]) == [SHARED]
    # Two Locations, and the one that nobody has seen yet.
    assert told["hidden"] == 3


async def test_sources_that_the_caller_may_not_see_are_not_named(restricted: Api, location: RegisteredLocation) -> None:
    uid = await uid_of(restricted, CART)

    told = (await restricted.delete(f"/entities/by-uid/{uid}", dryRun="true")).json()
    deleted = await restricted.delete(f"/entities/by-uid/{uid}")

    assert told["returns"] == [{"entityRef": CART, "because": []}]
    assert told["hidden"] == 1
    assert "callboard-returns" not in deleted.headers


async def test_where_there_are_no_orphans_they_go_as_well(api: Api, location: RegisteredLocation) -> None:
    settings = api.catalog.configured.overridden({"catalog.orphan_strategy": OrphanStrategy.DELETE})
    uid = await uid_of(api, SHOP)

    async with client_of(app_of(api.catalog, settings=settings)) as client:
        strict = Api(api.catalog, client)
        told = (await strict.delete(f"/entities/by-uid/{uid}", dryRun="true")).json()
        await strict.delete(f"/entities/by-uid/{uid}")

    assert refs(told["removed"]) == [BROKEN, CART, SHOP]
    assert api.catalog.refs() == [SHARED]


async def test_looking_is_allowed_where_writing_is_not(readonly: Api) -> None:
    location = await readonly.catalog.register("https://host/a.yaml")

    assert (await readonly.delete(f"/locations/{location.id}", dryRun="true")).status_code == 200
    assert (await readonly.delete(f"/locations/{location.id}")).status_code == 403


async def test_looking_needs_the_permission_to_do_it(api: Api, location: RegisteredLocation) -> None:
    async with client_of(app_of(api.catalog, authorizer=NoUnregistering())) as client:
        answer = await Api(api.catalog, client).delete(f"/locations/{location.id}", dryRun="true")

    assert answer.status_code == 403


async def test_a_dry_run_for_what_is_not_there_is_a_404(api: Api) -> None:
    location = await api.delete("/locations/none", dryRun="true")
    entity = await api.delete("/entities/by-uid/none", dryRun="true")

    assert complaint(location) == (404, "NotFoundError", "Found no location with ID none")
    assert complaint(entity) == (404, "NotFoundError", "No entity with uid none")


@pytest.mark.parametrize("path", ["/locations/none", "/entities/by-uid/none"])
async def test_nothing_is_removed_by_a_misspelt_dry_run(api: Api, path: str) -> None:
    answer = await api.delete(path, dryRun="maybe")

    assert complaint(answer) == (400, "InputError", "request/query/dryRun must be true or false")


async def test_a_part_of_a_dry_run_is_listed_and_all_of_it_counted(api: Api, location: RegisteredLocation) -> None:
    path = f"/locations/{location.id}"
    whole = (await api.delete(path, dryRun="true")).json()

    first = (await api.delete(path, dryRun="true", limit=2)).json()
    rest = (await api.delete(path, dryRun="true", limit=2, offset=2)).json()
    none = (await api.delete(path, dryRun="true", limit=0)).json()

    assert refs(first["removed"]) == [location.entity_ref, BROKEN]
    assert refs(rest["removed"]) == [CART, SHOP]
    assert (first["kept"], rest["kept"]) == (whole["kept"], [])
    assert none["removed"] == none["kept"] == []
    assert {"counts", "digest"}.isdisjoint(whole)
    for part in (first, rest, none):
        assert part["counts"] == {"removed": 4, "kept": 1, "orphans": 0, "returns": 0}
        assert (part["digest"], part["hidden"]) == (first["digest"], 0)


async def test_orphans_are_a_list_of_their_own_when_a_part_is_asked_for(api: Api, location: RegisteredLocation) -> None:
    path = f"/entities/by-uid/{await uid_of(api, SHOP)}"

    told = (await api.delete(path, dryRun="true", limit=1)).json()
    next_one = (await api.delete(path, dryRun="true", limit=1, offset=1)).json()

    assert told["counts"] == {"removed": 1, "kept": 1, "orphans": 2, "returns": 1}
    assert refs(told["kept"]) == [SHARED, BROKEN]
    assert refs(next_one["kept"]) == [CART]
    assert refs(told["returns"]) == [SHOP]


async def test_the_digest_is_another_when_the_plan_is(api: Api, location: RegisteredLocation) -> None:
    path = f"/locations/{location.id}"
    before = (await api.delete(path, dryRun="true", limit=1)).json()
    await api.catalog.provide("ci", Full([]))

    after = (await api.delete(path, dryRun="true", limit=1)).json()

    assert before["removed"] == after["removed"]
    assert before["digest"] != after["digest"]


async def test_what_may_not_be_seen_is_not_among_the_counts(restricted: Api, location: RegisteredLocation) -> None:
    told = (await restricted.delete(f"/locations/{location.id}", dryRun="true", limit=9)).json()

    assert told["counts"] == {"removed": 1, "kept": 1, "orphans": 0, "returns": 0}
    assert told["hidden"] == 3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"dryRun": "true", "limit": "-1"}, "request/query/limit must be >= 0"),
        ({"dryRun": "true", "offset": "x"}, "request/query/offset must be integer"),
        ({"limit": "1"}, "request/query/limit is for a dry run only: a removal removes everything"),
        ({"dryRun": "no", "offset": "1"}, "request/query/offset is for a dry run only: a removal removes everything"),
    ],
)
async def test_nothing_is_removed_by_a_part_that_can_not_be_meant(
    api: Api, location: RegisteredLocation, asked: dict[str, str], message: str
) -> None:
    answer = await api.delete(f"/locations/{location.id}", **asked)

    assert complaint(answer) == (400, "InputError", message)
    assert CART in api.catalog.refs()


def test_a_header_holds_any_ref_and_not_too_many() -> None:
    header = removals.header(["entity:component:default/käse, 100%", "provider:p"])
    long = removals.header([f"entity:component:default/{'x' * 63}{number}" for number in range(1_000)])

    assert header == "entity:component:default/k%C3%A4se%2C%20100%25, provider:p"
    assert 3_900 < len(long) <= 4_000
    assert not long.endswith(",")

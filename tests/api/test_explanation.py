"""One entity explained over HTTP."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from callboard.access.decisions import Allowed, Conditional, Decision, Denied
from callboard.access.permissions import ENTITY_READ, UNPROCESSED_READ, Permission
from callboard.access.principals import Principal
from callboard.extend import Delta, Full
from callboard.model.causes import Reason
from callboard.model.json import JsonObject
from callboard.model.predicates import Equals
from callboard.store import schedule, stitch_queue
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, component_yaml, location_yaml, offered

CART, SHOP = "component:default/cart", "location:default/shop"
LEASE = dt.timedelta(seconds=10)
GROUP: JsonObject = {"type": "team", "children": []}


@dataclass(frozen=True, slots=True)
class Seeing:
    """Says what everybody may see, and does not let anybody do more."""

    entities: Decision = field(default_factory=Allowed)
    unprocessed: Decision = field(default_factory=Denied)

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return {ENTITY_READ: self.entities, UNPROCESSED_READ: self.unprocessed}.get(permission, Denied())


COMPONENTS = Conditional(Equals("kind", "component"))


@pytest.fixture
async def shop(api: Api) -> Api:
    """A registered location leads to a shop, and that to a cart, which a provider would have as well."""
    catalog = api.catalog
    catalog.host.put("https://host/shop.yaml", location_yaml("shop", ["./cart.yaml"]))
    catalog.host.put("https://host/cart.yaml", component_yaml("cart"))
    await catalog.register("https://host/shop.yaml")
    await catalog.settle()
    await catalog.provide("ci", Full(offered(component("cart"), key="ci")))
    await catalog.settle()
    return api


@asynccontextmanager
async def seeing(api: Api, authorizer: Seeing) -> AsyncIterator[Api]:
    async with client_of(app_of(api.catalog, authorizer=authorizer)) as client:
        yield Api(api.catalog, client)


def path(ref: str) -> str:
    kind, name = ref.split(":")
    return f"/entities/by-name/{kind}/{name}/explain"


async def explained(api: Api, ref: str) -> dict[str, Any]:
    answer = await api.get(path(ref))
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def generated(api: Api) -> str:
    [ref] = [ref for ref in api.catalog.follower.view.refs() if "/generated-" in ref]
    return ref


async def test_an_entity_is_told_with_what_readers_have(shop: Api) -> None:
    told = await explained(shop, "Component:default/CART")

    metadata = shop.catalog.entity(CART)["metadata"]
    assert isinstance(metadata, dict)
    [first, *_, last] = [change.offset for change in await shop.catalog.history() if change.ref == CART]
    assert (told["entityRef"], told["uid"], told["etag"]) == (CART, metadata["uid"], metadata["etag"])
    assert (told["state"], told["orphan"], told["errors"]) == ("visible", False, [])
    assert told["offsets"] == {"first": first, "last": last}
    assert dt.datetime.fromisoformat(told["discoveredAt"]) == shop.catalog.clock.now() - dt.timedelta(seconds=1)


async def test_each_claim_says_what_has_become_of_it(shop: Api) -> None:
    told = await explained(shop, CART)

    winner = {"source": f"entity:{SHOP}", "locationKey": "url:https://host/cart.yaml"}
    rival = {"source": "provider:ci", "locationKey": "ci"}
    claimed = [{key: claim[key] for key in ("source", "locationKey", "role")} for claim in told["claims"]]
    assert claimed == [{**winner, "role": "winner"}, {**rival, "role": "rival"}]
    assert told["conflict"] == {"winner": winner, "rivals": [rival]}


async def test_a_claim_under_the_key_of_the_winner_is_no_rival(shop: Api) -> None:
    await shop.catalog.provide("ci", Full(offered(component("cart"), key="url:https://host/cart.yaml")))

    told = await explained(shop, CART)

    assert [claim["role"] for claim in told["claims"]] == ["equal", "winner"]
    assert told["conflict"] is None


async def test_the_line_of_an_entity_is_told_where_it_is_known(shop: Api) -> None:
    async with shop.catalog.database.transaction() as tx:
        await tx.connection.execute("update claims set line = null")
        await tx.connection.execute("update claims set line = 7 where source = $1", f"entity:{SHOP}")

    told = await explained(shop, CART)

    assert [claim.get("line") for claim in told["claims"]] == [7, None]
    assert [edge.get("line") for edge in told["chains"]["edges"]] == [7, None, None, None]


async def test_the_chains_lead_up_to_the_providers(shop: Api) -> None:
    chains = (await explained(shop, CART))["chains"]

    top = generated(shop)
    assert chains["nodes"] == [
        {"source": f"entity:{CART}", "state": "visible", "orphan": False},
        {"source": f"entity:{SHOP}", "state": "visible", "orphan": False},
        {"source": f"entity:{top}", "state": "visible", "orphan": False},
        {"source": "provider:ci"},
        {"source": "provider:locations"},
    ]
    assert [(edge["source"], edge["entityRef"]) for edge in chains["edges"]] == [
        (f"entity:{SHOP}", CART),
        ("provider:ci", CART),
        (f"entity:{top}", SHOP),
        ("provider:locations", top),
    ]


async def test_chains_that_go_in_a_circle_come_to_an_end(api: Api) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        api.catalog.host.put(f"https://host/{name}.yaml", location_yaml(name, [f"./{other}.yaml"]))
    await api.catalog.register("https://host/a.yaml")
    await api.catalog.settle()

    chains = (await explained(api, "location:default/a"))["chains"]

    assert len(chains["nodes"]) == 4
    assert len(chains["edges"]) == 4


async def test_a_run_is_told_with_its_reason_and_its_outcome(shop: Api) -> None:
    before = await explained(shop, CART)
    shop.catalog.clock.advance(60)
    await shop.catalog.refresh(CART)

    after = await explained(shop, CART)

    assert before["processing"]["last"]["outcome"] == "changed"
    assert before["processing"]["last"]["because"] == "changed"
    assert (after["processing"]["last"]["because"], after["processing"]["last"]["outcome"]) == ("refresh", "unchanged")
    assert after["processing"]["last"]["at"] > before["processing"]["last"]["at"]


async def test_what_depends_on_nothing_outside_is_never_due_again(shop: Api) -> None:
    assert (await explained(shop, CART))["processing"]["next"] is None


async def test_the_next_run_is_told_with_its_reason_and_its_urgency(shop: Api) -> None:
    following = (await explained(shop, SHOP))["processing"]["next"]

    assert (following["because"], following["priority"], following["attempts"]) == ("interval", "periodic", 0)
    assert dt.datetime.fromisoformat(following["at"]) > shop.catalog.clock.now()


async def test_what_waits_for_a_worker_says_so(shop: Api) -> None:
    async with shop.catalog.database.transaction() as tx:
        await schedule.request(tx, [CART], schedule.Priority.ASKED, reason=Reason("somebody wants it"))

    told = (await explained(shop, CART))["processing"]

    assert (told["waiting"], told["heldUntil"]) == (True, None)
    assert (told["next"]["because"], told["next"]["priority"]) == ("somebody wants it", "asked")


async def test_what_a_worker_has_is_held_until_its_lease_runs_out(shop: Api) -> None:
    catalog = shop.catalog
    async with catalog.database.transaction() as tx:
        await schedule.request(tx, [CART])
        await schedule.claim(tx, batch=1, lease=LEASE)

    held = (await explained(shop, CART))["processing"]
    catalog.clock.advance(11)
    lost = (await explained(shop, CART))["processing"]

    assert held["waiting"] is False
    assert dt.datetime.fromisoformat(held["heldUntil"]) == catalog.clock.now() - dt.timedelta(seconds=1)
    assert (lost["waiting"], lost["heldUntil"]) == (True, None)


async def test_what_waits_for_a_stitcher_or_is_held_by_one_says_so(shop: Api) -> None:
    catalog = shop.catalog
    async with catalog.database.transaction() as tx:
        await stitch_queue.mark(tx, [], neighbours={CART: "component:default/other"})
    later = (await explained(shop, CART))["stitching"]
    catalog.clock.advance(1)
    now = (await explained(shop, CART))["stitching"]
    async with catalog.database.transaction() as tx:
        await stitch_queue.claim(tx, batch=1, lease=LEASE)

    held = (await explained(shop, CART))["stitching"]

    assert (later["waiting"], later["next"] is not None, later["heldUntil"]) == (False, True, None)
    assert (now["waiting"], now["heldUntil"]) == (True, None)
    assert dt.datetime.fromisoformat(held["heldUntil"]) == catalog.clock.now() + LEASE
    assert held["waiting"] is False


async def test_what_a_run_has_emitted_is_told(shop: Api) -> None:
    cart = (await explained(shop, CART))["emitted"]
    location = (await explained(shop, SHOP))["emitted"]

    assert {"sourceRef": CART, "type": "ownedBy", "targetRef": "group:default/team"} in cart["relations"]
    assert {"sourceRef": "group:default/team", "type": "ownerOf", "targetRef": CART} in cart["relations"]
    assert cart["children"] == []
    assert location["children"] == [CART]
    assert "url:https://host/cart.yaml" in location["refreshKeys"]


async def test_an_entity_that_breaks_later_is_failing(shop: Api) -> None:
    shop.catalog.host.put("https://host/cart.yaml", component_yaml("cart").replace("lifecycle", "cycle"))
    await shop.catalog.refresh(CART)

    told = await explained(shop, CART)

    assert told["state"] == "failing"
    assert "lifecycle" in told["errors"][0]["message"]
    assert told["processing"]["last"]["outcome"] == "failed"
    assert told["offsets"] is not None


async def test_an_entity_that_was_never_good_has_failed(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("cart", lifecycle=None))))
    await api.catalog.settle()

    told = await explained(api, CART)

    assert (told["state"], told["etag"], told["offsets"]) == ("failed", None, None)
    assert "lifecycle" in told["errors"][0]["message"]


async def test_an_entity_is_pending_until_it_has_been_stitched(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("cart"))))
    new = await explained(api, CART)
    await api.catalog.process()

    processed = await explained(api, CART)

    assert (new["state"], new["processing"]["last"], new["processing"]["waiting"]) == ("pending", None, True)
    assert (processed["state"], processed["stitching"]["waiting"]) == ("pending", True)


async def test_an_orphan_says_so(shop: Api) -> None:
    await shop.catalog.provide("ci", Full([]))
    shop.catalog.host.put("https://host/other.yaml", component_yaml("other"))
    shop.catalog.host.put("https://host/shop.yaml", location_yaml("shop", ["./other.yaml"]))
    await shop.catalog.refresh(SHOP)

    told = await explained(shop, CART)

    assert (told["state"], told["orphan"], told["claims"]) == ("visible", True, [])
    assert told["chains"] == {
        "nodes": [{"source": f"entity:{CART}", "state": "visible", "orphan": True}],
        "edges": [],
    }


async def test_a_run_from_before_runs_were_written_down_has_its_time(shop: Api) -> None:
    async with shop.catalog.database.transaction() as tx:
        await tx.connection.execute("delete from schedule where ref = $1", CART)

    last = (await explained(shop, CART))["processing"]["last"]

    assert last["at"] is not None
    assert (last["because"], last["outcome"]) == (None, None)


async def test_what_is_not_there_can_not_be_explained(api: Api) -> None:
    assert complaint(await api.get(path(CART))) == (404, "NotFoundError", f"No such entity {CART}")


async def test_what_readers_can_not_see_yet_needs_a_permission(api: Api) -> None:
    await api.catalog.provide("p", Delta(added=offered(component("cart", lifecycle=None))))
    await api.catalog.settle()

    async with seeing(api, Seeing()) as reader, seeing(api, Seeing(COMPONENTS, Allowed())) as operator:
        refused, answered = await reader.get(path(CART)), await operator.get(path(CART))

    assert complaint(refused) == (404, "NotFoundError", f"No such entity {CART}")
    assert answered.json()["state"] == "failed"


async def test_what_the_caller_may_not_see_is_not_explained(shop: Api) -> None:
    async with seeing(shop, Seeing(COMPONENTS, Allowed())) as reader:
        assert (await reader.get(path(SHOP))).status_code == 404


async def test_sources_that_the_caller_may_not_see_are_counted(shop: Api) -> None:
    async with seeing(shop, Seeing(COMPONENTS)) as reader:
        told = await explained(reader, CART)

    assert [claim["source"] for claim in told["claims"]] == ["provider:ci"]
    assert told["conflict"] == {
        "winner": {"source": None, "locationKey": None},
        "rivals": [{"source": "provider:ci", "locationKey": "ci"}],
    }
    assert [node["source"] for node in told["chains"]["nodes"]] == [f"entity:{CART}", "provider:ci"]
    assert told["hidden"] == 2


async def test_children_and_relations_that_the_caller_may_not_see_are_counted(shop: Api) -> None:
    await shop.catalog.provide("p", Full(offered({**component("team"), "kind": "Group", "spec": GROUP})))
    shop.catalog.host.put("https://host/late.yaml", component_yaml("late").replace("lifecycle", "cycle"))
    shop.catalog.host.put("https://host/shop.yaml", location_yaml("shop", ["./cart.yaml", "./late.yaml"]))
    await shop.catalog.refresh(SHOP)

    async with seeing(shop, Seeing(COMPONENTS)) as reader:
        cart = await explained(reader, CART)
    async with seeing(shop, Seeing(Conditional(Equals("kind", "location")))) as reader:
        location = await explained(reader, SHOP)

    assert cart["emitted"]["relations"] == []
    assert cart["hidden"] == 3
    # One component is another caller's, the other one nobody sees yet.
    assert location["emitted"]["children"] == []
    assert location["hidden"] == 2

"""Conflicts over HTTP."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import jsonpatch
import pytest

from callboard.access.decisions import Conditional, Decision
from callboard.access.permissions import Permission
from callboard.access.principals import Principal
from callboard.extend import Full
from callboard.model import json
from callboard.model.predicates import Equals, Predicate
from callboard.store import claims
from callboard.store.claims import ClaimKey
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, component_yaml, offered

A, B, BROKEN = "component:default/a", "component:default/b", "component:default/broken"


@dataclass(frozen=True, slots=True)
class Only:
    """Lets everybody see what a predicate holds for."""

    predicate: Predicate

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Conditional(self.predicate)


@pytest.fixture
async def contested(api: Api) -> Api:
    """p holds a, b and something broken, which q would have otherwise; a file would have a as well."""
    broken = component("broken", lifecycle=None)
    catalog = api.catalog
    await catalog.provide("p", Full(offered(component("a"), component("b"), broken, component("c"), key="p")))
    await catalog.settle()
    await catalog.provide(
        "q", Full(offered(component("a", owner="bank"), component("b", type="website"), broken, key="q"))
    )
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    return api


@asynccontextmanager
async def seeing_only(api: Api, predicate: Predicate) -> AsyncIterator[Api]:
    async with client_of(app_of(api.catalog, authorizer=Only(predicate))) as client:
        yield Api(api.catalog, client)


async def listed(api: Api, **parameters: object) -> dict[str, Any]:
    answer = await api.get("/conflicts", **parameters)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def refs(content: dict[str, Any]) -> list[str]:
    return [item["entityRef"] for item in content["items"]]


def sources(content: dict[str, Any]) -> dict[str, list[str]]:
    return {item["entityRef"]: [rival["source"] for rival in item["rivals"]] for item in content["items"]}


async def test_without_conflicts_there_is_nothing_to_tell(api: Api) -> None:
    assert await listed(api) == {"items": [], "totalItems": 0, "pageInfo": {}}


async def test_a_conflict_tells_who_won_and_who_else_offers_the_entity(contested: Api) -> None:
    content = await listed(contested)

    generated = next(ref for ref in contested.catalog.follower.view.refs() if "generated" in ref)
    assert content["totalItems"] == 3
    assert refs(content) == [A, B, BROKEN]
    assert content["items"][0]["winner"] == {"source": "provider:p", "locationKey": "p"}
    assert sources(content) == {
        A: [f"entity:{generated}", "provider:q"],
        B: ["provider:q"],
        BROKEN: ["provider:q"],
    }
    assert content["items"][0]["rivals"][0]["locationKey"] == "url:https://host/a.yaml"


async def test_a_patch_makes_the_contents_of_a_rival(contested: Api) -> None:
    [item] = (await listed(contested, entityRef="Component:a"))["items"]

    async with contested.catalog.database.transaction() as tx:
        held = await claims.find(tx, ClaimKey("provider:p", A, "p"))
        wanted = await claims.find(tx, ClaimKey("provider:q", A, "q"))
    assert held is not None
    assert wanted is not None
    patch = item["rivals"][1]["patch"]
    assert patch == [{"op": "replace", "path": "/spec/owner", "value": "bank"}]
    assert jsonpatch.apply_patch(json.decode(held.content), patch) == json.decode(wanted.content)


async def test_equals_have_no_difference(contested: Api) -> None:
    [item] = (await listed(contested, entityRef=BROKEN))["items"]

    assert item["rivals"][0]["patch"] == []


async def test_one_entity_can_be_asked_for(contested: Api) -> None:
    assert refs(await listed(contested, entityRef=B)) == [B]
    assert await listed(contested, entityRef="component:c") == {"items": [], "totalItems": 0, "pageInfo": {}}


async def test_pages_of_conflicts_follow_one_another(contested: Api) -> None:
    first = await listed(contested, limit=2)
    second = await listed(contested, cursor=first["pageInfo"]["nextCursor"])

    assert (refs(first), refs(second)) == ([A, B], [BROKEN])
    assert (first["totalItems"], second["totalItems"]) == (3, 3)
    assert second["pageInfo"] == {}


async def test_a_page_goes_on_where_the_last_one_ended_even_if_that_has_been_resolved(contested: Api) -> None:
    cursor = (await listed(contested, limit=1))["pageInfo"]["nextCursor"]
    await contested.catalog.provide("p", Full(offered(component("b"), component("broken"), key="p")))
    await contested.catalog.settle()
    await contested.catalog.provide("q", Full(offered(component("b"), component("broken"), key="q")))

    assert refs(await listed(contested, cursor=cursor, limit=5)) == [B, BROKEN]


async def test_a_resolved_conflict_is_none(contested: Api) -> None:
    await contested.catalog.provide("q", Full([]))

    assert sources(await listed(contested)).keys() == {A}


async def test_only_conflicts_of_what_the_caller_sees_are_told(contested: Api) -> None:
    async with seeing_only(contested, Equals("metadata.name", "b")) as api:
        content = await listed(api)

    assert (refs(content), content["totalItems"]) == ([B], 1)


async def test_what_readers_can_not_see_yet_is_told_to_whoever_sees_everything(contested: Api) -> None:
    async with seeing_only(contested, Equals("kind", "component")) as api:
        assert refs(await listed(api)) == [A, B]


async def test_a_source_that_the_caller_may_not_see_is_counted(contested: Api) -> None:
    async with seeing_only(contested, Equals("kind", "component")) as api:
        [item] = (await listed(api, entityRef=A))["items"]

    assert [rival["source"] for rival in item["rivals"]] == ["provider:q"]
    assert item["hidden"] == 1


async def test_a_winner_that_the_caller_may_not_see_has_no_name(contested: Api) -> None:
    await contested.catalog.provide("p", Full([]))
    await contested.catalog.provide("q", Full([]))
    await contested.catalog.provide("q", Full(offered(component("a"), key="q")))
    await contested.catalog.settle()

    async with seeing_only(contested, Equals("kind", "component")) as api:
        [item] = (await listed(api))["items"]

    assert item["winner"] == {"source": None, "locationKey": None}
    assert [rival["source"] for rival in item["rivals"]] == ["provider:q"]


async def test_a_content_that_the_caller_could_not_see_is_not_told(contested: Api) -> None:
    async with seeing_only(contested, Equals("spec.type", "service")) as api:
        rivals = {item["entityRef"]: item["rivals"] for item in (await listed(api))["items"]}

    assert [rival.keys() for rival in rivals[B]] == [{"source", "locationKey"}]
    assert rivals[A][0]["patch"] == [{"op": "replace", "path": "/spec/owner", "value": "bank"}]


@pytest.mark.parametrize(
    "cursor",
    ["zzz", *(base64.b64encode(text).decode() for text in (b"[]", b"{}", b'{"limit":0,"afterRef":"a"}', b"nothing"))],
)
async def test_a_cursor_that_was_not_given_out_is_refused(api: Api, cursor: str) -> None:
    status, name, message = complaint(await api.get("/conflicts", cursor=cursor))

    assert (status, name) == (400, "InputError")
    assert message.startswith("Malformed cursor")


async def test_what_is_no_ref_is_refused(api: Api) -> None:
    assert (await api.get("/conflicts", entityRef=":")).status_code == 400


async def test_conflicts_are_counted(contested: Api) -> None:
    text = (await contested.client.get("/metrics")).text

    assert "catalog_conflicts_count 3.0" in text


async def handed_over(api: Api, ref: str, key: str, **parameters: str) -> Any:
    body = {"entityRef": ref, "locationKey": key}
    return await api.client.post("/api/catalog/conflicts/hand-over", json=body, params=parameters)


async def test_the_loser_has_the_entity_when_somebody_says_so_and_keeps_it(contested: Api) -> None:
    answer = await handed_over(contested, "component:A", "q")
    await contested.catalog.settle()
    owner = contested.catalog.entity(A)["spec"]["owner"]  # type: ignore[index, call-overload]
    await contested.catalog.provide("p", Full(offered(component("a", type="website"), key="p")))
    await contested.catalog.settle()

    told = (await listed(contested, entityRef=A))["items"][0]
    assert answer.status_code == 200, answer.text
    assert answer.json()["winner"] == {"source": "provider:q", "locationKey": "q"}
    assert (answer.json()["entityRef"], answer.json()["status"]["state"]) == (A, "pending")
    assert owner == contested.catalog.entity(A)["spec"]["owner"] == "bank"  # type: ignore[index, call-overload]
    assert told["winner"]["source"] == "provider:q"
    assert [rival["source"] for rival in told["rivals"]] == sorted(rival["source"] for rival in told["rivals"])
    assert "provider:p" in {rival["source"] for rival in told["rivals"]}


async def test_what_a_location_brings_hangs_below_it_again_when_it_gets_the_entity(contested: Api) -> None:
    key = next(rival["locationKey"] for rival in (await listed(contested, entityRef=A))["items"][0]["rivals"][:1])

    await handed_over(contested, A, key)
    await contested.catalog.settle()

    annotations: Any = contested.catalog.entity(A)["metadata"]["annotations"]  # type: ignore[index, call-overload]
    assert key == "url:https://host/a.yaml"
    assert annotations["backstage.io/managed-by-origin-location"] == key
    history = [change for change in await contested.catalog.history() if change.ref == A]
    assert json.decode(history[-1].cause or "null")["because"] == "conflict"  # type: ignore[index, call-overload]


async def test_who_has_an_entity_already_keeps_it_without_any_work(contested: Api) -> None:
    before = await contested.catalog.history()

    answer = await handed_over(contested, A, "p", wait="5")
    await contested.catalog.settle()

    assert answer.json()["status"]["state"] == "settled"
    assert await contested.catalog.history() == before


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (
            {"entityRef": A, "locationKey": "ghost"},
            404,
            "Nobody claims component:default/a under the location key ghost",
        ),
        ({"entityRef": "component:ghost", "locationKey": "p"}, 404, "Nobody claims component:default/ghost"),
        ({"entityRef": ":", "locationKey": "p"}, 400, ""),
        ({"entityRef": A}, 400, "locationKey"),
        ({"entityRef": A, "locationKey": ""}, 409, "yields to those that have one"),
    ],
)
async def test_an_entity_is_handed_over_to_nobody_but_who_claims_it(
    contested: Api, body: dict[str, str], status: int, said: str
) -> None:
    answer = await contested.client.post("/api/catalog/conflicts/hand-over", json=body)

    assert answer.status_code == status
    assert said in answer.text


async def test_who_may_not_take_care_of_sources_hands_nothing_over(contested: Api) -> None:
    async with seeing_only(contested, Equals("kind", "component")) as limited:
        answer = await handed_over(limited, A, "q")

    assert answer.status_code == 403
    assert (await listed(contested, entityRef=A))["items"][0]["winner"]["source"] == "provider:p"

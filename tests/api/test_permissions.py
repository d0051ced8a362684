"""What permission backends ask the catalog for."""

from dataclasses import dataclass
from typing import Any

import pytest

from callboard.access.decisions import Conditional, Decision
from callboard.access.permissions import ALL, Permission
from callboard.access.principals import Principal
from callboard.extend import Full
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import Equals
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered

METADATA = "/.well-known/backstage/permissions/metadata"
APPLY = "/.well-known/backstage/permissions/apply-conditions"

SERVICE: JsonObject = {
    "rule": "HAS_SPEC",
    "resourceType": "catalog-entity",
    "params": {"key": "type", "value": "service"},
}
TILL = "component:default/till"


def item(conditions: JsonValue = SERVICE, ref: JsonValue = TILL, **more: JsonValue) -> dict[str, JsonValue]:
    return {"id": "1", "resourceRef": ref, "resourceType": "catalog-entity", "conditions": conditions, **more}


@pytest.fixture
async def shop(api: Api) -> Api:
    """A service and a website."""
    await api.catalog.provide("p", Full(offered(component("till"), component("window", type="website"))))
    await api.catalog.settle()
    return api


async def result(api: Api, asked: dict[str, JsonValue]) -> Any:
    answer = await api.post(APPLY, {"items": [asked]})
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["items"]
    assert found["id"] == "1"
    return found["result"]


async def test_a_backend_learns_what_can_be_granted_and_under_which_conditions(api: Api) -> None:
    metadata = (await api.get(METADATA)).json()

    assert [permission["name"] for permission in metadata["permissions"]] == [permission.name for permission in ALL]
    assert metadata["permissions"][0] == {
        "type": "resource",
        "name": "catalog.entity.read",
        "attributes": {"action": "read"},
        "resourceType": "catalog-entity",
    }
    assert {"type": "basic", "name": "catalog.entity.validate", "attributes": {}} in metadata["permissions"]
    assert [rule["name"] for rule in metadata["rules"]] == [
        "HAS_ANNOTATION",
        "HAS_LABEL",
        "HAS_METADATA",
        "HAS_SPEC",
        "IS_ENTITY_KIND",
        "IS_ENTITY_OWNER",
    ]


async def test_conditions_are_applied_to_an_entity(shop: Api) -> None:
    assert await result(shop, item()) == "ALLOW"
    assert await result(shop, item({"not": SERVICE})) == "DENY"
    assert await result(shop, item(ref="Component:Till")) == "ALLOW"


async def test_conditions_are_applied_to_each_of_several_entities(shop: Api) -> None:
    refs: list[JsonValue] = ["component:default/window", TILL, "component:default/nothing", TILL]

    assert await result(shop, item(ref=refs)) == ["DENY", "ALLOW", "DENY", "ALLOW"]
    assert await result(shop, item(ref=[TILL])) == ["ALLOW"]
    assert await result(shop, item(ref=[])) == []


@pytest.mark.parametrize("ref", ["component:default/nothing", "till", "::", ""])
async def test_nothing_holds_for_an_entity_that_is_not_there(shop: Api, ref: str) -> None:
    assert await result(shop, item(ref=ref)) == "DENY"
    assert await result(shop, item({"not": SERVICE}, ref=ref)) == "DENY"


async def test_each_item_has_its_own_answer(shop: Api) -> None:
    asked = [item(id="a"), item({"not": SERVICE}, id="b"), item(id="a")]

    answer = await shop.post(APPLY, {"items": asked})

    assert answer.json() == {
        "items": [{"id": "a", "result": "ALLOW"}, {"id": "b", "result": "DENY"}, {"id": "a", "result": "ALLOW"}]
    }
    assert (await shop.post(APPLY, {"items": []})).json() == {"items": []}


@dataclass(frozen=True)
class OnlyWebsites:
    """Lets everybody see websites, and nothing else."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Conditional(Equals("spec.type", "website"))


async def test_nobody_learns_what_is_in_an_entity_that_he_may_not_read(shop: Api) -> None:
    any_component: JsonValue = {**SERVICE, "rule": "IS_ENTITY_KIND", "params": {"kinds": ["component"]}}

    async with client_of(app_of(shop.catalog, authorizer=OnlyWebsites())) as client:
        found = await result(Api(shop.catalog, client), item(any_component, ref=[TILL, "component:default/window"]))

    assert found == ["DENY", "ALLOW"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "request/body/items must be array"),
        ({"items": {}}, "request/body/items must be array"),
        ({"items": [None]}, "request/body/items/0 must be object"),
        ({"items": [item(), item(id=1)]}, "request/body/items/1/id must be string"),
        ({"items": [item(ref=None)]}, "request/body/items/0/resourceRef must be string, or array of strings"),
        ({"items": [item(ref=[TILL, 1])]}, "request/body/items/0/resourceRef must be string, or array of strings"),
        ({"items": [item(resourceType="task")]}, "request/body/items/0/resourceType must be catalog-entity"),
        (
            {"items": [item(None)]},
            "request/body/items/0/conditions: Invalid permission conditions: conditions must be object",
        ),
        (
            {"items": [item({"rule": "X", "resourceType": "catalog-entity", "params": {}})]},
            (
                "request/body/items/0/conditions: Invalid permission conditions: conditions.rule is 'X', expected one"
                " of HAS_ANNOTATION, HAS_LABEL, HAS_METADATA, HAS_SPEC, IS_ENTITY_KIND, IS_ENTITY_OWNER"
            ),
        ),
    ],
)
async def test_what_is_wrong_in_a_question_is_named(shop: Api, body: object, problem: str) -> None:
    assert complaint(await shop.post(APPLY, body)) == (400, "InputError", problem)


async def test_conditions_can_not_be_applied_before_the_view_is_loaded(starting: Api) -> None:
    answer = await starting.post(APPLY, {"items": [item()]})

    assert answer.status_code == 503

"""Entities, tried out over HTTP."""

from typing import Any

import pytest

from callboard.model.json import JsonObject
from tests.api.answers import complaint
from tests.api.conftest import Api
from tests.harness import component

HERE = "url:https://host/here.yaml"


def entity(**metadata: Any) -> JsonObject:
    """A valid Component as it would stand in a file."""
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "a", **metadata},
        "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
    }


def with_placeholder() -> JsonObject:
    """A spec whose owner stands in a file of its own."""
    return {"type": "service", "lifecycle": "production", "owner": {"$text": "./owner"}}


async def errors_of(api: Api, sent: object, location: object = HERE) -> list[dict[str, Any]]:
    answer = await api.post("/validate-entity", {"entity": sent, "location": location})
    assert answer.status_code == 400
    assert answer.json().keys() == {"errors"}
    errors: list[dict[str, Any]] = answer.json()["errors"]
    return errors


async def test_nothing_is_said_about_a_valid_entity(api: Api) -> None:
    answer = await api.post("/validate-entity", {"entity": entity(), "location": HERE})

    assert (answer.status_code, answer.content) == (200, b"")
    await api.catalog.settle()
    assert api.catalog.follower.view.count == 0


async def test_what_can_not_be_named_is_refused_before_its_location(api: Api) -> None:
    [error] = await errors_of(api, {**entity(), "metadata": {}}, "nonsense")

    assert error == {
        "name": "TypeError",
        "message": "/metadata must have required property 'name' - missingProperty: name",
    }


@pytest.mark.parametrize("location", ["file:/etc/passwd", "nonsense", "", "https://host/a.yaml"])
async def test_only_urls_are_locations(api: Api, location: str) -> None:
    [error] = await errors_of(api, entity(), location)

    assert error["name"] == "TypeError"
    assert "location ref" in error["message"]


async def test_what_a_policy_refuses_is_told_with_its_cause(api: Api) -> None:
    [error] = await errors_of(api, {**entity(), "status": {}})

    assert error["name"] == "InputError"
    assert error["message"].startswith("Policy check failed for component:default/a; caused by ")
    assert error["cause"] == {"name": "Error", "message": "Unknown field status"}


async def test_what_the_schema_of_a_kind_refuses_is_told_with_its_cause(api: Api) -> None:
    [error] = await errors_of(api, {**entity(), "spec": {"type": "service", "owner": "team"}})

    assert error["name"] == "InputError"
    assert error["cause"] == {
        "name": "TypeError",
        "message": "/spec must have required property 'lifecycle' - missingProperty: lifecycle",
    }


async def test_an_unknown_kind_has_no_cause(api: Api) -> None:
    [error] = await errors_of(api, {**entity(), "kind": "Unicorn"})

    assert error.keys() == {"name", "message"}


async def test_a_placeholder_is_looked_up_beside_the_location(api: Api) -> None:
    sent = {**entity(), "spec": with_placeholder()}

    [error] = await errors_of(api, sent)
    api.catalog.host.put("https://host/owner", "team")
    answer = await api.post("/validate-entity", {"entity": sent, "location": HERE})

    assert error["name"] == "InputError"
    assert error["cause"].keys() == {"name", "message"}
    assert answer.status_code == 200


async def test_a_host_that_is_down_is_an_error_of_the_entity(api: Api) -> None:
    api.catalog.host.down = True
    sent = {**entity(), "spec": with_placeholder()}

    [error] = await errors_of(api, sent)

    assert (error["name"], error["cause"]["name"]) == ("InputError", "Error")


async def test_the_targets_of_a_location_are_read(api: Api) -> None:
    sent = {**entity(), "kind": "Location", "spec": {"targets": ["./gone.yaml", "./lost.yaml"]}}

    errors = await errors_of(api, sent)

    assert [error["name"] for error in errors] == ["NotFoundError", "NotFoundError"]
    assert all(error.keys() == {"name", "message"} for error in errors)
    assert api.catalog.host.requests.keys() == {"https://host/gone.yaml", "https://host/lost.yaml"}


async def test_an_entity_can_not_claim_to_stand_elsewhere(api: Api) -> None:
    moved = component("a", location="file:/etc/catalog.yaml", owner={"$text": "./hostname"})

    [error] = await errors_of(api, moved)

    assert "file:" not in error["message"]
    assert api.catalog.host.requests.keys() == {"https://host/hostname"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"location": HERE}, "request/body must have required property 'entity'"),
        ({"entity": entity()}, "request/body must have required property 'location'"),
        ({"entity": None, "location": HERE}, "request/body/entity must be object"),
        ({"entity": [entity()], "location": HERE}, "request/body/entity must be object"),
        ({"entity": entity(), "location": 5}, "request/body/location must be string"),
    ],
)
async def test_a_body_of_another_shape_is_refused_like_everywhere(api: Api, body: object, message: str) -> None:
    assert complaint(await api.post("/validate-entity", body)) == (400, "InputError", message)


@pytest.mark.parametrize(
    "sent",
    [
        entity(name="\0"),
        entity(annotations=5),
        entity(annotations={"a": "\0"}),
        entity(name="x" * 100_000),
        {**entity(), "kind": "a:b"},
    ],
)
async def test_nothing_that_is_sent_is_too_odd_to_be_refused(api: Api, sent: JsonObject) -> None:
    answer = await api.post("/validate-entity", {"entity": sent, "location": HERE})

    assert answer.status_code in (200, 400)

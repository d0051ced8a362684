"""Several operations in one request."""

from typing import Any

import pytest

from callboard.model.json import JsonObject
from tests.api.scim.conftest import PATCH, IdentityProvider

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


async def send(idp: IdentityProvider, *operations: JsonObject, **more: Any) -> list[JsonObject]:
    """A bulk request. Returns what became of the operations."""
    idp.catalog.clock.advance(1)
    answer = await idp.ask("POST", "/Bulk", {"schemas": [BULK], "Operations": [*operations], **more})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]
    found: list[JsonObject] = told["Operations"]
    return found


def posted(path: str, bulk_id: str, **data: Any) -> JsonObject:
    return {"method": "POST", "path": path, "bulkId": bulk_id, "data": data}


async def test_a_group_and_its_members_are_made_in_one_request_whatever_their_order(idp: IdentityProvider) -> None:
    told = await send(
        idp,
        posted("/Groups", "g", displayName="bakers", members=[{"value": "bulkId:jo"}, {"value": "bulkId:al"}]),
        posted("/Users", "jo", userName="jo"),
        posted("/Users", "al", userName="al"),
    )
    await idp.catalog.settle()

    assert [(each["bulkId"], each["status"], each["method"]) for each in told] == [
        ("g", "201", "POST"),
        ("jo", "201", "POST"),
        ("al", "201", "POST"),
    ]
    assert idp.catalog.refs() == ["group:default/bakers", "user:default/al", "user:default/jo"]
    spec = idp.catalog.entity("group:default/bakers")["spec"]
    assert isinstance(spec, dict)
    assert spec["members"] == ["user:default/al", "user:default/jo"]
    location, version = str(told[1]["location"]), told[1]["version"]
    assert (await idp.get(f"/Users/{location.rpartition('/')[2]}"))["meta"]["version"] == version  # type: ignore[index,call-overload]


async def test_what_is_there_is_changed_and_deleted(idp: IdentityProvider) -> None:
    jo, al = await idp.add("/Users", userName="jo"), await idp.add("/Users", userName="al")
    changed: JsonObject = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "Baker"}]}

    told = await send(
        idp,
        {"method": "PATCH", "path": f"/Users/{jo}", "data": changed},
        {"method": "PUT", "path": f"/Users/{jo}", "version": 'W/"1"', "data": {"userName": "jo"}},
        {"method": "delete", "path": f"/Users/{al}"},
    )
    await idp.catalog.settle()

    assert [each["status"] for each in told] == ["200", "412", "204"]
    assert (await idp.get(f"/Users/{jo}"))["title"] == "Baker"
    assert idp.catalog.refs() == ["user:default/jo"]


async def test_one_that_fails_says_so_and_the_others_go_on(idp: IdentityProvider) -> None:
    told = await send(
        idp,
        posted("/Users", "a", userName="jo"),
        posted("/Users", "b", userName="jo"),
        posted("/Groups", "c", displayName="x", members=[{"value": "bulkId:b"}]),
        posted("/Cats", "d", name="x"),
        {"method": "DELETE", "path": "/Groups/nobody"},
        posted("/Users", "e", userName="al"),
    )

    assert [each["status"] for each in told] == ["201", "409", "409", "404", "404", "201"]
    assert told[1]["response"]["scimType"] == "uniqueness"  # type: ignore[index,call-overload]
    assert "bulkId b" in told[2]["response"]["detail"]  # type: ignore[index,call-overload,operator]


async def test_as_many_errors_as_are_borne_end_it(idp: IdentityProvider) -> None:
    bad, good = posted("/Users", "a", userName=""), posted("/Users", "b", userName="jo")

    told = await send(idp, bad, bad, good, failOnErrors=2)

    assert [each["status"] for each in told] == ["400", "400"]
    assert (await idp.get("/Users"))["totalResults"] == 0


async def test_operations_that_wait_for_each_other_are_refused(idp: IdentityProvider) -> None:
    told = await send(
        idp,
        posted("/Groups", "a", displayName="a", members=[{"value": "bulkId:b"}]),
        posted("/Groups", "b", displayName="b", members=[{"value": "bulkId:a"}]),
    )

    assert [each["status"] for each in told] == ["409", "409"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "Operations must be a list"),
        ({"Operations": ["x"]}, 400, "Operations[0].method must be one of POST, PUT, PATCH, DELETE"),
        ({"Operations": [{"method": "GET", "path": "/Users"}]}, 400, "Operations[0].method must be one of"),
        ({"Operations": [{"method": "POST", "path": "Users"}]}, 400, "Operations[0].path must be a path"),
        (
            {"Operations": [{"method": "POST", "path": "/Users", "bulkId": 5}]},
            400,
            "Operations[0].bulkId must be a text",
        ),
        ({"Operations": [], "failOnErrors": 0}, 400, "failOnErrors must be a whole number"),
        ({"Operations": [{}] * 501}, 413, "may have 500 operations, and this one has 501"),
    ],
)
async def test_what_is_no_bulk_request_is_refused(idp: IdentityProvider, body: object, status: int, said: str) -> None:
    refused = await idp.refused("POST", "/Bulk", body)

    assert refused[0] == status
    assert said in refused[2]

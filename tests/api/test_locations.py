"""Registered locations over HTTP, and refreshing."""

import uuid

import pytest

from tests.api.answers import complaint
from tests.api.conftest import Api
from tests.harness import component_yaml

URL = "https://host/a.yaml"
LOCATION = {"type": "url", "target": URL}


async def test_a_location_is_registered_and_read(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))

    answer = await api.post("/locations", {**LOCATION, "presence": "required"})
    await api.catalog.settle()

    location = answer.json()["location"]
    assert answer.status_code == 201
    assert answer.json()["entities"] == []
    assert location.keys() == {"id", "type", "target", "entityRef"}
    assert location | LOCATION == location
    assert location["entityRef"].startswith("location:default/generated-")
    assert api.catalog.refs() == ["component:default/payments"]


async def test_registered_locations_are_listed_and_found_by_id(api: Api) -> None:
    first = (await api.post("/locations", LOCATION)).json()["location"]
    second = (await api.post("/locations", {**LOCATION, "target": "https://host/b.yaml"})).json()["location"]

    listed = await api.get("/locations")
    found = await api.get(f"/locations/{first['id']}")

    assert listed.json() == [{"data": location} for location in sorted((first, second), key=lambda it: it["id"])]
    assert found.json() == first


@pytest.mark.parametrize("location_id", [str(uuid.UUID(int=1)), "1"])
async def test_an_unknown_location_is_not_found(api: Api, location_id: str) -> None:
    found = await api.get(f"/locations/{location_id}")
    deleted = await api.delete(f"/locations/{location_id}")

    expected = (404, "NotFoundError", f"Found no location with ID {location_id}")
    assert [complaint(found), complaint(deleted)] == [expected, expected]


async def test_a_location_can_not_be_registered_twice(api: Api) -> None:
    await api.post("/locations", LOCATION)

    again = await api.post("/locations", LOCATION)
    explicit = await api.post("/locations", LOCATION, onConflict="reject")

    expected = (409, "ConflictError", f"Location url:{URL} already exists")
    assert [complaint(again), complaint(explicit)] == [expected, expected]


async def test_registering_again_may_read_it_again_instead(api: Api) -> None:
    first = await api.post("/locations", LOCATION)
    await api.catalog.settle()
    api.catalog.host.put(URL, component_yaml("payments"))

    again = await api.post("/locations", LOCATION, onConflict="refresh")
    await api.catalog.settle()

    assert again.status_code == 201
    assert again.json() == first.json()
    assert api.catalog.refs() == ["component:default/payments"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "file", "target": "/etc/passwd"}, 'Registered locations must be of an allowed type ["url"]'),
        ({"target": URL}, "Malformed request: type: expected a text, got None"),
        ({"type": "url"}, "Malformed request: target: expected a text, got None"),
        ({"type": "url", "target": 1}, "Malformed request: target: expected a text, got 1"),
        ({**LOCATION, "b": 1, "a": 1}, "Malformed request: unrecognized_keys: a, b"),
        ([LOCATION], "request/body must be object"),
    ],
)
async def test_a_location_that_can_not_be_meant_is_refused(api: Api, body: object, message: str) -> None:
    assert complaint(await api.post("/locations", body)) == (400, "InputError", message)
    assert (await api.get("/locations")).json() == []


async def test_there_are_only_two_ways_out_of_a_conflict(api: Api) -> None:
    answer = await api.post("/locations", LOCATION, onConflict="merge")

    message = "request/query/onConflict must be equal to one of the allowed values: reject, refresh"
    assert complaint(answer) == (400, "InputError", message)


async def test_unregistering_takes_everything_away_at_once(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))
    location = (await api.post("/locations", LOCATION)).json()["location"]
    await api.catalog.settle()

    answer = await api.delete(f"/locations/{location['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.catalog.follower.view.count == 0
    assert (await api.get("/locations")).json() == []


async def test_nothing_is_registered_or_unregistered_in_readonly_mode(api: Api, readonly: Api) -> None:
    location = (await api.post("/locations", LOCATION)).json()["location"]

    registered = await readonly.post("/locations", {**LOCATION, "target": "https://host/b.yaml"})
    deleted = await readonly.delete(f"/locations/{location['id']}")

    expected = (403, "NotAllowedError", "This operation not allowed in readonly mode")
    assert [complaint(registered), complaint(deleted)] == [expected, expected]
    assert (await readonly.get("/locations")).json() == [{"data": location}]


async def test_a_refresh_reads_an_entity_again(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))
    await api.post("/locations", LOCATION)
    await api.catalog.settle()
    api.catalog.host.put(URL, component_yaml("payments", owner="bank"))

    answer = await api.post("/refresh", {"entityRef": "Component:payments", "authorizationToken": "x"})
    await api.catalog.settle()

    entity = (await api.get("/entities/by-name/component/default/payments")).json()
    assert (answer.status_code, answer.content) == (200, b"")
    assert entity["spec"]["owner"] == "bank"


async def test_only_what_is_there_can_be_refreshed(api: Api) -> None:
    nobody = await api.post("/refresh", {"entityRef": "component:nobody"})
    nothing = await api.post("/refresh", {})
    wrong = await api.post("/refresh", {"entityRef": "payments"})
    unknown = await api.post("/refresh", {"entityRef": "component:nobody"}, force="true")

    assert complaint(nobody) == (404, "NotFoundError", "Entity component:default/nobody not found")
    assert complaint(nothing) == (400, "InputError", "request/body must have required property 'entityRef'")
    assert complaint(wrong)[:2] == (400, "InputError")
    assert complaint(unknown) == (400, "InputError", "Unknown query parameter 'force'")

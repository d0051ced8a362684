"""Registered locations over HTTP, and refreshing."""

import uuid

import pytest

from callboard.extend import Full
from tests.api.answers import complaint
from tests.api.conftest import Api
from tests.harness import component, component_yaml, location_yaml, offered

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
    changed = await api.put(f"/locations/{location_id}", LOCATION)
    deleted = await api.delete(f"/locations/{location_id}")

    expected = (404, "NotFoundError", f"Found no location with ID {location_id}")
    assert [complaint(answer) for answer in (found, changed, deleted)] == [expected] * 3


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
        ({"target": URL}, "request/body must have required property 'type'"),
        ({"type": "url"}, "request/body must have required property 'target'"),
        ({"type": "url", "target": 1}, "request/body/target must be string"),
        ({"type": "url", "target": ""}, "Malformed request: target: expected a text that is not empty"),
        ({**LOCATION, "presence": 1}, "request/body/presence must be string"),
        ({**LOCATION, "b": 1, "a": 1}, "Malformed request: unrecognized_keys: a, b"),
        ([LOCATION], "request/body must be object"),
    ],
)
async def test_a_location_that_can_not_be_meant_is_refused(api: Api, body: object, message: str) -> None:
    location = await api.catalog.register("https://host/b.yaml")

    registered = await api.post("/locations", body)
    changed = await api.put(f"/locations/{location.id}", body)

    assert [complaint(registered), complaint(changed)] == [(400, "InputError", message)] * 2
    assert len((await api.get("/locations")).json()) == 1


@pytest.mark.parametrize("target", ["https://host/\0", "https://host/\x1f", f"https://host/{'x' * 2_000}"])
async def test_a_location_that_can_not_be_claimed_is_refused(api: Api, target: str) -> None:
    location = await api.catalog.register("https://host/b.yaml")

    registered = await api.post("/locations", {"type": "url", "target": target})
    changed = await api.put(f"/locations/{location.id}", {"type": "url", "target": target})

    assert [complaint(answer)[:2] for answer in (registered, changed)] == [(400, "InputError")] * 2
    assert len((await api.get("/locations")).json()) == 1


async def test_a_dry_run_tells_what_would_come_in_and_stores_nothing(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))

    answer = await api.post("/locations", LOCATION, dryRun="true")
    await api.catalog.settle()

    content = answer.json()
    ref = content["location"]["entityRef"]
    assert answer.status_code == 201
    assert content["exists"] is False
    assert content["location"] == {"id": f"url:{URL}", **LOCATION, "entityRef": ref}
    assert [f"{entity['kind']} {entity['metadata']['name']}" for entity in content["entities"]] == [
        f"Location {ref.partition('/')[2]}",
        "Component payments",
    ]
    assert (await api.get("/locations")).json() == []
    assert api.catalog.follower.view.count == 0


async def test_a_dry_run_says_whether_the_location_is_there(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))
    api.catalog.host.put("https://host/b.yaml", component_yaml("cart"))
    location = await api.catalog.register("https://host/b.yaml")
    await api.put(f"/locations/{location.id}", LOCATION)

    answer = await api.post("/locations", LOCATION, dryRun="YES")

    assert answer.json()["exists"] is True
    assert answer.json()["location"]["entityRef"] == location.entity_ref


async def test_a_dry_run_tells_what_is_wrong(api: Api) -> None:
    answer = await api.post("/locations", LOCATION, dryRun="true")

    message = f"NotFoundError: Unable to read url, nothing was found at {URL} (404 Not Found)"
    assert complaint(answer) == (400, "InputError", message)


async def test_a_dry_run_tells_where_each_error_is(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments") + "---\n" + component_yaml("cart", owner=""))

    error = (await api.post("/locations", LOCATION, dryRun="true")).json()["error"]

    [problem] = error["errors"]
    assert error["errorCount"] == 1
    assert problem["entityRef"] == "component:default/cart"
    assert (problem["location"], problem["line"], problem["pointer"]) == (f"url:{URL}", 10, "/spec/owner")
    assert problem["message"] in error["message"]


async def test_a_dry_run_is_not_a_matter_of_guessing(api: Api) -> None:
    unknown = await api.post("/locations", LOCATION, dryRun="maybe")
    no = await api.post("/locations", LOCATION, dryRun="false")

    assert complaint(unknown) == (400, "InputError", "request/query/dryRun must be true or false")
    assert no.json().keys() == {"location", "entities"}
    assert len((await api.get("/locations")).json()) == 1


async def test_a_location_can_point_elsewhere(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))
    api.catalog.host.put("https://host/b.yaml", component_yaml("cart"))
    location = (await api.post("/locations", LOCATION)).json()["location"]
    await api.catalog.settle()

    answer = await api.put(f"/locations/{location['id']}", {**LOCATION, "target": "https://host/b.yaml"})
    at_once = api.catalog.refs()
    await api.catalog.settle()

    assert answer.status_code == 200
    assert answer.json() == {**location, "target": "https://host/b.yaml"}
    assert (await api.get(f"/locations/{location['id']}")).json() == answer.json()
    assert at_once == []
    assert api.catalog.refs() == ["component:default/cart"]


async def test_a_location_can_not_point_where_another_does(api: Api) -> None:
    await api.catalog.register(URL)
    location = await api.catalog.register("https://host/b.yaml")

    answer = await api.put(f"/locations/{location.id}", LOCATION)

    assert complaint(answer) == (409, "ConflictError", f"Location url:{URL} already exists")


async def test_the_registered_location_behind_an_entity_is_found(api: Api) -> None:
    api.catalog.host.put(URL, location_yaml("nested", ["b.yaml"]))
    api.catalog.host.put("https://host/b.yaml", component_yaml("payments"))
    location = (await api.post("/locations", LOCATION)).json()["location"]
    await api.catalog.settle()

    answer = await api.get("/locations/by-entity/Component/Default/Payments")

    assert answer.json() == location


async def test_an_entity_without_a_registered_location_has_none(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("cart"))))
    await api.catalog.settle()

    provided = await api.get("/locations/by-entity/component/default/cart")
    nobody = await api.get("/locations/by-entity/component/default/nobody")

    assert complaint(provided) == (404, "NotFoundError", f"Found no location with type url and target {URL}")
    assert complaint(nobody) == (404, "NotFoundError", "found no entity for ref component:default/nobody")


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
    changed = await readonly.put(f"/locations/{location['id']}", {**LOCATION, "target": "https://host/b.yaml"})
    deleted = await readonly.delete(f"/locations/{location['id']}")

    expected = (403, "NotAllowedError", "This operation not allowed in readonly mode")
    assert [complaint(answer) for answer in (registered, changed, deleted)] == [expected] * 3
    assert (await readonly.get("/locations")).json() == [{"data": location}]


async def test_a_location_can_be_tried_out_in_readonly_mode(readonly: Api) -> None:
    readonly.catalog.host.put(URL, component_yaml("payments"))

    assert (await readonly.post("/locations", LOCATION, dryRun="true")).status_code == 201


async def test_a_refresh_reads_an_entity_again(api: Api) -> None:
    api.catalog.host.put(URL, component_yaml("payments"))
    await api.post("/locations", LOCATION)
    await api.catalog.settle()
    api.catalog.host.put(URL, component_yaml("payments", owner="bank"))

    answer = await api.post("/refresh", {"entityRef": "Component:payments"})
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
    assert complaint(wrong) == (404, "NotFoundError", "Entity payments not found")
    assert complaint(unknown) == (400, "InputError", "Unknown query parameter 'force'")

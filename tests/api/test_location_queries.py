"""Registered locations, asked for by predicates."""

import base64
import json
from typing import Any

import pytest

from tests.api.answers import complaint
from tests.api.conftest import Api
from tests.harness import component_yaml

TARGETS = [f"https://host/{name}.yaml" for name in ("a", "b", "B", "c")]


@pytest.fixture
async def four(api: Api) -> Api:
    """An API with four locations."""
    for target in TARGETS:
        await api.catalog.register(target)
    return api


async def query(api: Api, **body: Any) -> dict[str, Any]:
    answer = await api.post("/locations/by-query", body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def targets(api: Api, predicate: object) -> set[str]:
    found = await query(api, query=predicate)
    assert found["totalItems"] == len(found["items"])
    return {item["target"] for item in found["items"]}


def encoded(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


async def test_nothing_is_found_where_there_is_nothing(api: Api) -> None:
    assert await query(api) == {"items": [], "totalItems": 0, "pageInfo": {}}


async def test_without_a_body_everything_is_found(four: Api) -> None:
    answer = await four.client.post("/api/catalog/locations/by-query")

    assert answer.json()["totalItems"] == 4


async def test_locations_come_by_id(four: Api) -> None:
    listed = [entry["data"] for entry in (await four.get("/locations")).json()]

    assert (await query(four))["items"] == listed


async def test_a_page_tells_how_far_each_location_has_come_if_that_is_asked_for(four: Api) -> None:
    four.catalog.host.put(TARGETS[0], component_yaml("a"))
    await four.catalog.settle()
    await four.catalog.register("https://host/later.yaml")

    page = (await four.post("/locations/by-query?status=true", {})).json()["items"]

    assert len(page) == 5
    for item in page:
        alone = (await four.get(f"/locations/{item['id']}/status")).json()
        assert item["status"] == alone
    told = {item["target"]: (item["status"]["state"], item["status"]["entities"]) for item in page}
    assert told[TARGETS[0]] == ("settled", 2)
    assert told["https://host/later.yaml"] == ("pending", 1)


@pytest.mark.parametrize("predicate", [None, {"target": {"$hasPrefix": "https://host/"}}])
async def test_pages_follow_one_another(four: Api, predicate: object) -> None:
    first = await query(four, limit=3, **({"query": predicate} if predicate else {}))
    second = await query(four, cursor=first["pageInfo"]["nextCursor"])

    assert [len(first["items"]), len(second["items"])] == [3, 1]
    assert first["items"] + second["items"] == (await query(four))["items"]
    assert [first["totalItems"], second["totalItems"]] == [4, 4]
    assert second["pageInfo"] == {}


async def test_a_full_last_page_has_no_next_one(four: Api) -> None:
    assert (await query(four, limit=4))["pageInfo"] == {}


async def test_a_limit_beside_a_cursor_counts(four: Api) -> None:
    cursor = (await query(four, limit=1))["pageInfo"]["nextCursor"]

    assert len((await query(four, cursor=cursor, limit=2))["items"]) == 2


async def test_predicates_choose_locations(four: Api) -> None:
    [one] = (await query(four, query={"target": "https://host/a.yaml"}))["items"]

    assert await targets(four, {"target": "HTTPS://host/B.yaml"}) == {"https://host/b.yaml", "https://host/B.yaml"}
    assert await targets(four, {"target": {"$hasPrefix": "https://host/A"}}) == {"https://host/a.yaml"}
    assert await targets(four, {"type": {"$in": ["url"]}, "id": one["id"]}) == {"https://host/a.yaml"}
    assert await targets(four, {"entityRef": one["entityRef"]}) == {"https://host/a.yaml"}
    assert await targets(four, {"$not": {"id": one["id"]}}) == set(TARGETS) - {"https://host/a.yaml"}
    assert await targets(four, {"target": {"$exists": False}}) == set()
    assert await targets(four, {"type": "file"}) == set()


@pytest.mark.parametrize("predicate", [{}, {"$all": []}, {"type": {"$exists": True}}])
async def test_some_predicates_choose_everything(four: Api, predicate: object) -> None:
    assert await targets(four, predicate) == set(TARGETS)


@pytest.mark.parametrize("predicate", [{"bogus": "x"}, {"$any": [{"$not": {"bogus": "x"}}]}])
async def test_locations_have_four_keys(four: Api, predicate: object) -> None:
    answer = await four.post("/locations/by-query", {"query": predicate})

    message = "Invalid filter predicate, expected one of the keys 'id', 'type', 'target', 'entityRef', got 'bogus'"
    assert complaint(answer) == (400, "InputError", message)


@pytest.mark.parametrize(
    "cursor",
    [
        "zzz",
        "\u00e9",
        encoded([]),
        encoded({}),
        encoded({"limit": 0, "afterId": TARGETS[0]}),
        encoded({"limit": True, "afterId": "00000000-0000-0000-0000-000000000000"}),
        encoded({"limit": 1, "afterId": "a"}),
        encoded({"limit": 1, "afterId": None}),
        encoded({"limit": 1, "afterId": "00000000-0000-0000-0000-000000000000", "query": "x"}),
    ],
)
async def test_a_cursor_that_was_not_given_out_is_refused(four: Api, cursor: str) -> None:
    status, name, message = complaint(await four.post("/locations/by-query", {"cursor": cursor}))

    assert (status, name) == (400, "InputError")
    assert message.startswith("Malformed cursor")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"limit": 0}, "Limit must be a positive integer >= 1"),
        ({"limit": "1"}, "request/body/limit must be number"),
        ({"cursor": 1}, "request/body/cursor must be string"),
        ({"query": None}, "request/body/query must be object"),
    ],
)
async def test_a_body_of_another_shape_is_refused(four: Api, body: object, message: str) -> None:
    assert complaint(await four.post("/locations/by-query", body)) == (400, "InputError", message)


async def test_a_limit_may_be_as_large_as_json_can_say(four: Api) -> None:
    assert len((await query(four, limit=2**64 - 1))["items"]) == 4

"""What readers can't see, over HTTP."""

import uuid

import pytest

from callboard.extend import Full
from callboard.model.json import JsonObject, JsonValue
from tests.api.answers import complaint
from tests.api.conftest import Api
from tests.audit import audit
from tests.harness import component, offered

FIELDS = {
    "entity_id",
    "entity_ref",
    "unprocessed_entity",
    "processed_entity",
    "cache",
    "errors",
    "next_update_at",
    "last_discovery_at",
    "location_key",
    "result_hash",
    "unprocessed_hash",
}


@pytest.fixture
async def shop(api: Api) -> Api:
    """Two components without a lifecycle, of different owners, and a good one."""
    broken = component("broken", lifecycle=None), component("bent", lifecycle=None, owner="bank")
    await api.catalog.provide("p", Full(offered(*broken, component("good"), key="k")))
    return api


def uid_of(api: Api, ref: str) -> str:
    metadata = api.catalog.entity(ref)["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])


async def test_what_waits_for_its_first_run_is_pending(shop: Api) -> None:
    pending = (await shop.get("/entities/unprocessed/pending")).json()
    failed = (await shop.get("/entities/unprocessed/failed")).json()

    assert pending["type"] == "pending"
    assert sorted(row["entity_ref"] for row in pending["entities"]) == [
        "component:default/bent",
        "component:default/broken",
        "component:default/good",
    ]
    assert failed == {"type": "failed", "entities": []}


async def test_what_has_never_been_good_is_failed_and_says_why(shop: Api) -> None:
    await shop.catalog.settle()

    failed = (await shop.get("/entities/unprocessed/failed")).json()["entities"]
    pending = (await shop.get("/entities/unprocessed/pending")).json()["entities"]

    [row] = [row for row in failed if row["entity_ref"] == "component:default/broken"]
    assert len(failed) == 2
    assert pending == []
    assert row.keys() == FIELDS
    assert row["unprocessed_entity"]["metadata"]["name"] == "broken"
    assert row["processed_entity"] is None
    assert row["location_key"] == "k"
    assert "lifecycle" in row["errors"][0]["message"]


async def test_only_those_of_one_owner_are_listed_when_asked(shop: Api) -> None:
    await shop.catalog.settle()

    failed = await shop.get("/entities/unprocessed/failed", owner="bank")
    nobody = await shop.get("/entities/unprocessed/failed", owner="ban")

    assert [row["entity_ref"] for row in failed.json()["entities"]] == ["component:default/bent"]
    assert nobody.json()["entities"] == []


async def test_what_failed_and_what_waits_can_be_deleted(shop: Api) -> None:
    pending = (await shop.get("/entities/unprocessed/pending")).json()["entities"]
    [waiting] = [row["entity_id"] for row in pending if row["entity_ref"].endswith("/broken")]

    first = await shop.delete(f"/entities/unprocessed/delete/{waiting}")
    await shop.catalog.settle()
    [failed] = (await shop.get("/entities/unprocessed/failed")).json()["entities"]
    second = await shop.delete(f"/entities/unprocessed/delete/{failed['entity_id']}")

    assert failed["entity_ref"] == "component:default/bent"
    assert [(answer.status_code, answer.content) for answer in (first, second)] == [(204, b"")] * 2
    assert (await shop.get("/entities/unprocessed/failed")).json()["entities"] == []
    await audit(shop.catalog.database.url)


async def test_what_was_good_and_fails_now_can_be_deleted(shop: Api) -> None:
    await shop.catalog.settle()
    uid = uid_of(shop, "component:default/good")
    await shop.catalog.provide("p", Full(offered(component("good", lifecycle=None), key="k")))
    await shop.catalog.settle()

    answer = await shop.delete(f"/entities/unprocessed/delete/{uid}")

    assert answer.status_code == 204
    assert shop.catalog.refs() == []


async def test_what_is_all_right_stays(shop: Api) -> None:
    await shop.catalog.settle()

    answer = await shop.delete(f"/entities/unprocessed/delete/{uid_of(shop, 'component:default/good')}")

    assert answer.status_code == 204
    assert (await shop.catalog.look()).by_ref("component:default/good") is not None


@pytest.mark.parametrize("entity_id", [str(uuid.UUID(int=1)), "1", "%00"])
async def test_what_is_not_there_need_not_be_deleted(api: Api, entity_id: str) -> None:
    answer = await api.delete(f"/entities/unprocessed/delete/{entity_id}")

    assert answer.status_code in (204, 400)


@pytest.mark.parametrize("state", ["failed", "pending"])
async def test_a_part_is_listed_and_all_are_counted(shop: Api, state: str) -> None:
    if state == "failed":
        await shop.catalog.settle()
    path = f"/entities/unprocessed/{state}"
    every = (await shop.get(path)).json()["entities"]

    first = (await shop.get(path, limit=1)).json()
    rest = (await shop.get(path, limit=10, offset=1)).json()
    none, beyond = (await shop.get(path, limit=0)).json(), (await shop.get(path, offset=99)).json()

    assert first["entities"] == every[:1]
    assert rest["entities"] == every[1:]
    assert none["entities"] == beyond["entities"] == []
    assert {answer["totalItems"] for answer in (first, rest, none, beyond)} == {len(every)}


async def test_those_of_one_owner_are_counted_by_themselves(shop: Api) -> None:
    await shop.catalog.settle()

    found = (await shop.get("/entities/unprocessed/failed", owner="bank", limit=0)).json()

    assert found == {"type": "failed", "entities": [], "totalItems": 1}


@pytest.mark.parametrize(
    ("part", "counted"),
    [({"limit": 1, "countUpTo": 1}, 1), ({"limit": 0, "countUpTo": 9}, 2), ({"limit": 2, "countUpTo": 0}, 2)],
)
async def test_they_are_counted_no_further_than_is_asked_for(shop: Api, part: dict[str, int], counted: int) -> None:
    await shop.catalog.settle()
    path = "/entities/unprocessed/failed"
    every = (await shop.get(path)).json()["entities"]

    found = (await shop.get(path, **part)).json()

    assert (found["totalItems"], found["entities"]) == (counted, every[: part["limit"]])


@pytest.mark.parametrize("owner", [{"bank": 1}, 7, ["bank"], None])
async def test_an_owner_is_a_text(api: Api, owner: JsonValue) -> None:
    await api.catalog.provide("p", Full(offered({**component("a"), "spec": {"owner": owner}})))
    await api.catalog.settle()

    for asked in ("7", "bank", '{"bank":1}'):
        assert (await api.get("/entities/unprocessed/failed", owner=asked)).json()["entities"] == []


async def test_a_character_that_postgresql_has_no_room_for_hides_nobody(api: Api) -> None:
    spec: JsonObject = {"owner": "bank", "type": "here", "text": "a \\ and \\u0000"}
    await api.catalog.provide("p", Full(offered({**component("a"), "spec": spec})))
    async with api.catalog.database.transaction() as tx:
        await tx.connection.execute("update claims set content = replace(content, 'here', '\\u0000')")

    found = (await api.get("/entities/unprocessed/pending", owner="bank", limit=0)).json()

    assert found["totalItems"] == 1


async def test_one_is_found_by_its_id(shop: Api) -> None:
    await shop.catalog.settle()
    _, row = (await shop.get("/entities/unprocessed/failed")).json()["entities"]

    found = (await shop.get("/entities/unprocessed/failed", entityId=row["entity_id"])).json()["entities"]
    elsewhere = (await shop.get("/entities/unprocessed/pending", entityId=row["entity_id"])).json()["entities"]
    unknown = (await shop.get("/entities/unprocessed/failed", entityId="no uid")).json()["entities"]

    assert (found, elsewhere, unknown) == ([row], [], [])


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("limit", "-1", "request/query/limit must be >= 0"),
        ("limit", "many", "request/query/limit must be integer"),
        ("limit", "1.5", "request/query/limit must be integer"),
        ("offset", "-1", "request/query/offset must be >= 0"),
        ("offset", "", "Empty value found for query parameter 'offset'"),
        ("from", "1", "Unknown query parameter 'from'"),
    ],
)
async def test_what_can_not_be_meant_is_refused(api: Api, parameter: str, value: str, message: str) -> None:
    answer = await api.get("/entities/unprocessed/failed", **{parameter: value})

    assert complaint(answer) == (400, "InputError", message)


async def test_each_error_says_where_it_is(api: Api) -> None:
    broken = component("broken", lifecycle=None)
    await api.catalog.provide("p", Full(offered(broken)))
    api.catalog.host.put("https://host/a.yaml", "kind: API\nmetadata: a: b")
    await api.catalog.register("https://host/a.yaml")
    await api.catalog.settle()

    failed = (await api.get("/entities/unprocessed/failed")).json()["entities"]

    [of_entity], [of_location] = [row["errors"] for row in failed]
    assert (of_entity["location"], of_entity["pointer"]) == ("url:https://host/a.yaml", "/spec/lifecycle")
    assert "line" not in of_entity
    assert (of_location["location"], of_location["line"], of_location["column"]) == ("url:https://host/a.yaml", 2, 12)

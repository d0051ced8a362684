"""What readers can't see, over HTTP."""

import pytest

from callboard.extend import Full
from tests.api.answers import complaint
from tests.api.conftest import Api
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


async def test_there_is_nothing_else_to_ask_for(api: Api) -> None:
    answer = await api.get("/entities/unprocessed/failed", limit=1)

    assert complaint(answer) == (400, "InputError", "Unknown query parameter 'limit'")

"""The past of one entity over HTTP."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.access.decisions import Conditional, Decision
from callboard.access.permissions import Permission
from callboard.access.principals import Principal
from callboard.api import history
from callboard.extend import Full
from callboard.model import json
from callboard.model.predicates import Equals
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered
from tests.stream.publishing import forget

PATH = "/entities/by-name/Component/default/A"


class OnlyWebsites:
    """Lets everybody see websites."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Conditional(Equals("spec.type", "website"))


@pytest.fixture
async def shop(api: Api) -> Api:
    """a is a service at 1, a website at 2, gone at 3, and a service again at 4."""
    for entities in ([component("a")], [component("a", type="website")], [], [component("a", owner="bank")]):
        await api.catalog.provide("p", Full(offered(*entities)))
        await api.catalog.settle()
    return api


@pytest.fixture
async def restricted(shop: Api) -> AsyncIterator[Api]:
    """The same for those who see websites alone."""
    async with client_of(app_of(shop.catalog, authorizer=OnlyWebsites())) as client:
        yield Api(shop.catalog, client)


async def items(api: Api, **parameters: object) -> list[dict[str, Any]]:
    content = (await api.get(f"{PATH}/history", **parameters)).json()
    found: list[dict[str, Any]] = content["items"]
    return found


async def entity_at(api: Api, offset: int) -> dict[str, Any]:
    answer = await api.client.get(f"/api/catalog{PATH}", params={"at": offset})
    assert (answer.status_code, answer.headers["callboard-offset"]) == (200, str(offset))
    entity: dict[str, Any] = answer.json()
    return entity


async def test_the_history_tells_what_happened_when_and_why(shop: Api) -> None:
    found = await items(shop)

    now = (await shop.get(PATH)).json()
    assert [(item["offset"], item["type"]) for item in found] == [
        (4, "added"),
        (3, "removed"),
        (2, "updated"),
        (1, "added"),
    ]
    assert found[0] == {
        "offset": 4,
        "type": "added",
        "at": found[0]["at"],
        "uid": now["metadata"]["uid"],
        "cause": {"source": "provider:p", "because": "changed"},
        "etag": now["metadata"]["etag"],
    }
    assert dt.datetime.fromisoformat(found[0]["at"]).utcoffset() == dt.timedelta()
    assert found[1].keys() == {"offset", "type", "at", "uid", "cause"}


async def test_pages_lead_to_the_first_version(shop: Api) -> None:
    first = (await shop.get(f"{PATH}/history", limit=3)).json()
    second = (await shop.get(f"{PATH}/history", limit=3, before=first["pageInfo"]["nextBefore"])).json()

    assert [item["offset"] for item in first["items"]] == [4, 3, 2]
    assert first["pageInfo"] == {"nextBefore": 2}
    assert [item["offset"] for item in second["items"]] == [1]
    assert second["pageInfo"] == {}


async def test_the_history_can_have_the_entities_in_it(shop: Api) -> None:
    found = await items(shop, include="entity")

    assert [item.get("entity") for item in found] == [
        await entity_at(shop, 4),
        None,
        await entity_at(shop, 2),
        await entity_at(shop, 1),
    ]


async def test_patches_lead_from_one_version_to_the_next(shop: Api) -> None:
    found = await items(shop, include="patch")

    entity: object = None
    for item in reversed(found):
        entity = jsonpatch.apply_patch(entity, item["patch"]) if "patch" in item else None
        if entity is not None:
            assert entity == await entity_at(shop, item["offset"])
    assert [item["type"] for item in found if "patch" not in item] == ["removed"]
    assert {"op": "replace", "path": "/spec/type", "value": "website"} in found[2]["patch"]


async def test_the_last_patch_of_a_page_is_made_from_the_version_before_it(shop: Api) -> None:
    [item] = await items(shop, include="patch", before=3, limit=1)

    assert {"op": "replace", "path": "/spec/type", "value": "website"} in item["patch"]


async def test_hidden_versions_are_left_out(restricted: Api) -> None:
    found = await items(restricted, include="patch")

    assert [(item["offset"], item["type"]) for item in found] == [(3, "removed"), (2, "updated")]
    # What was there before is hidden, so the patch begins with nothing.
    assert found[1]["patch"] == [{"op": "add", "path": "", "value": await entity_at(restricted, 2)}]


@pytest.mark.parametrize("offset", [1, 4])
async def test_a_hidden_version_can_not_be_read_at_its_offset(restricted: Api, offset: int) -> None:
    answer = await restricted.get(PATH, at=offset)

    assert complaint(answer) == (404, "NotFoundError", f"There was no component:default/a at offset {offset}")


async def test_what_was_never_seen_has_no_history(shop: Api) -> None:
    answer = await shop.get("/entities/by-name/component/default/nobody/history")

    assert complaint(answer) == (404, "NotFoundError", "No history of component:default/nobody is known")


async def test_the_history_does_not_go_beyond_the_offset_of_the_answer(shop: Api) -> None:
    await shop.catalog.provide("p", Full(offered(component("a", owner="team"))))
    while await shop.catalog.process():
        pass
    await shop.catalog.stitch()

    found = await items(shop)

    assert found[0]["offset"] == shop.catalog.follower.view.offset == 4


async def test_whoever_has_conditions_is_told_no_more_of_a_cause_than_they_may_know(restricted: Api) -> None:
    catalog = restricted.catalog
    await catalog.provide("p", Full(offered(component("a", type="website"), key="url:https://host/secret.yaml")))
    await catalog.settle()

    [newest, *_] = await items(restricted)

    assert newest["cause"] == {"source": "provider:p", "because": "changed"}


async def test_an_entity_is_not_there_where_it_was_removed(shop: Api) -> None:
    answer = await shop.get(PATH, at=3)

    assert complaint(answer) == (404, "NotFoundError", "There was no component:default/a at offset 3")


async def test_an_offset_beyond_the_head_is_a_conflict(shop: Api) -> None:
    answer = await shop.get(PATH, at=5)

    assert complaint(answer) == (409, "ConflictError", "Offset 5 is beyond the head of the stream, 4")


async def test_an_offset_below_the_history_floor_is_gone(shop: Api) -> None:
    await forget(shop.catalog.database, 2)

    answer = await shop.get(PATH, at=1)

    assert complaint(answer) == (410, "GoneError", "What was there below offset 2 is not known any more")


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("/history", {"limit": 0}, "request/query/limit must be >= 1"),
        ("/history", {"limit": "many"}, "request/query/limit must be integer"),
        ("/history", {"before": -1}, "request/query/before must be >= 0"),
        ("/history", {"before": "\0"}, "request/query/before must be integer"),
        (
            "/history",
            {"include": "all"},
            "request/query/include must be equal to one of the allowed values: entity, patch",
        ),
        ("/history", {"from": 1}, "Unknown query parameter 'from'"),
        ("", {"at": "then"}, "request/query/at must be integer"),
        ("", {"at": -1}, "request/query/at must be >= 0"),
        ("", {"at": 1.5}, "request/query/at must be integer"),
        ("", {"at": [1, 2]}, "request/query/at must be integer, but is there 2 times"),
    ],
)
async def test_a_request_that_can_not_be_meant_is_refused(
    api: Api, path: str, parameters: dict[str, object], message: str
) -> None:
    assert complaint(await api.get(PATH + path, **parameters)) == (400, "InputError", message)


@pytest.mark.parametrize("path", ["a%00/history", "a%00?at=0"])
async def test_a_name_that_no_entity_can_have_is_refused(api: Api, path: str) -> None:
    answer = await api.get(f"/entities/by-name/component/default/{path}")

    assert complaint(answer)[:2] == (400, "InputError")


async def test_the_history_can_not_be_read_before_the_view_is_loaded(starting: Api) -> None:
    answer = await starting.get(f"{PATH}/history")

    assert complaint(answer) == (503, "ServiceUnavailableError", "Backend has not started yet")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "~", "/"]) | st.just(1.0),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "~1", "/", "0"]), inner),
    max_leaves=8,
)


@given(
    before=st.dictionaries(st.sampled_from("abc"), JSON_VALUES),
    after=st.dictionaries(st.sampled_from("abc"), JSON_VALUES),
)
def test_a_patch_makes_the_entity_out_of_what_it_was(before: dict[str, object], after: dict[str, object]) -> None:
    patch = history._patch(json.encode(before), json.encode(after))

    assert json.encode_sorted(jsonpatch.apply_patch(before, patch)) == json.encode_sorted(after)


def test_what_is_nested_too_deep_to_be_compared_is_given_whole() -> None:
    deep, deeper = (b'{"a":' * 900 + value + b"}" * 900 for value in (b"1", b"2"))

    assert history._patch(deep, deeper) == [{"op": "add", "path": "", "value": json.decode(deeper)}]

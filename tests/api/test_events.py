"""The stream over HTTP."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from callboard.access.decisions import Conditional, Decision
from callboard.access.permissions import Permission
from callboard.access.principals import Principal
from callboard.extend import Delta, Full
from callboard.model.predicates import Equals
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered
from tests.stream.publishing import bury, forget, retract


@pytest.fixture
async def shop(api: Api) -> Api:
    """A catalog with the changes +a +b, then ~a."""
    await api.catalog.provide("p", Full(offered(component("a"), component("b"))))
    await api.catalog.settle()
    await api.catalog.provide("p", Delta(added=offered(component("a", owner="bank"))))
    await api.catalog.settle()
    return api


async def test_a_change_tells_what_where_and_when(shop: Api) -> None:
    content = (await shop.get("/events")).json()

    first, last = content["events"][0], content["events"][-1]
    visible = (await shop.get("/entities/by-name/component/default/a")).json()
    assert [(event["offset"], event["type"]) for event in content["events"]] == [
        (1, "added"),
        (2, "added"),
        (3, "updated"),
    ]
    assert first.keys() == {"offset", "type", "entityRef", "uid", "at", "cause", "entity"}
    assert last["entity"] == visible
    assert (last["entityRef"], last["uid"]) == ("component:default/a", visible["metadata"]["uid"])
    assert dt.datetime.fromisoformat(last["at"]).utcoffset() == dt.timedelta()


async def test_pages_follow_one_another_up_to_the_head(shop: Api) -> None:
    epoch = shop.catalog.follower.view.epoch

    first = (await shop.get("/events", offset=0, limit=2)).json()
    second = (await shop.get("/events", offset=first["nextOffset"], limit=2, epoch=epoch)).json()
    third = (await shop.get("/events", offset=second["nextOffset"])).json()

    assert [[event["offset"] for event in page["events"]] for page in (first, second, third)] == [[1, 2], [3], []]
    assert [page["nextOffset"] for page in (first, second, third)] == [2, 3, 3]
    assert [page["caughtUp"] for page in (first, second, third)] == [False, True, True]
    assert {(page["lastEventOffset"], page["epoch"]) for page in (first, second, third)} == {(3, epoch)}


async def test_the_compacted_past_tells_each_entity_once(shop: Api) -> None:
    content = (await shop.get("/events", mode="compacted")).json()

    assert [(event["offset"], event["entityRef"]) for event in content["events"]] == [
        (2, "component:default/b"),
        (3, "component:default/a"),
    ]
    assert content["caughtUp"]


async def test_who_has_not_caught_up_is_told_when_its_reading_began_and_may_say_so(shop: Api) -> None:
    await retract(shop.catalog.database, "b")
    await shop.catalog.look()
    first = (await shop.get("/events", mode="compacted", limit=1)).json()
    await forget(shop.catalog.database, 4)
    await bury(shop.catalog.database, 4)

    alone = await shop.get("/events", mode="compacted", offset=first["nextOffset"])
    bookmark = {"offset": first["nextOffset"], "began": first["began"]}
    last = (await shop.get("/events", mode="compacted", **bookmark)).json()

    assert (alone.status_code, bookmark) == (410, {"offset": 3, "began": 4})
    assert (last["caughtUp"], "began" in last) == (True, False)


async def test_a_removal_has_a_cause_and_no_entity(shop: Api) -> None:
    uid = (await shop.get("/entities/by-name/component/default/b")).json()["metadata"]["uid"]

    await shop.delete(f"/entities/by-uid/{uid}")

    [event] = (await shop.get("/events", offset=3)).json()["events"]
    assert (event["type"], event["uid"], event["cause"]) == ("removed", uid, {"because": "deleted"})
    assert "entity" not in event


async def test_a_held_request_is_answered_by_the_next_change(shop: Api) -> None:
    held = asyncio.create_task(shop.get("/events", offset=3, wait=60))
    while not shop.catalog.follower.crowd.count:
        assert not held.done()
        await shop.catalog.clock.sleep(0)

    await shop.catalog.provide("p", Delta(added=offered(component("c"))))
    await shop.catalog.settle()
    content = (await held).json()

    assert [event["entityRef"] for event in content["events"]] == ["component:default/c"]
    assert content["nextOffset"] == 4


async def test_nobody_is_held_who_has_something_to_read(shop: Api) -> None:
    content = (await shop.get("/events", offset=2, wait=60)).json()

    assert [event["offset"] for event in content["events"]] == [3]


async def test_a_held_request_ends_empty_when_nothing_happens(shop: Api) -> None:
    content = (await shop.get("/events", offset=3, wait=0.01)).json()

    assert (content["events"], content["nextOffset"], content["caughtUp"]) == ([], 3, True)


async def told(api: Api, **parameters: object) -> list[tuple[int, str, str]]:
    content = (await api.get("/events", **parameters)).json()
    assert content["nextOffset"] == content["lastEventOffset"]
    return [(event["offset"], event["type"], event["entityRef"].rpartition("/")[2]) for event in content["events"]]


async def test_a_filter_tells_of_the_entities_that_it_holds_for(shop: Api) -> None:
    assert await told(shop, filter="metadata.name=b") == [(2, "added", "b")]
    assert await told(shop, filter=["metadata.name=b", "spec.owner=bank"]) == [(2, "added", "b"), (3, "added", "a")]
    assert await told(shop, filter="kind=api") == []


async def test_a_filter_may_be_a_predicate(shop: Api) -> None:
    assert await told(shop, query='{"$not": {"metadata.name": "b"}}') == [(1, "added", "a"), (3, "updated", "a")]
    assert await told(shop, query='{"$not": {"metadata.name": "b"}}', filter="spec.owner=bank") == [(3, "added", "a")]


async def test_an_entity_that_leaves_the_filter_is_removed_without_what_it_has_become(shop: Api) -> None:
    content = (await shop.get("/events", offset=1, filter="spec.owner=team")).json()

    [_, event] = content["events"]
    visible = (await shop.get("/entities/by-name/component/default/a")).json()
    assert event == {
        "offset": 3,
        "type": "removed",
        "entityRef": "component:default/a",
        "uid": visible["metadata"]["uid"],
        "at": event["at"],
        "reason": "left-filter",
    }


async def test_fields_reduce_the_entities(shop: Api) -> None:
    content = (await shop.get("/events", offset=2, fields="kind,metadata.name")).json()

    assert [event["entity"] for event in content["events"]] == [{"kind": "Component", "metadata": {"name": "a"}}]


class OnlyTheBank:
    """Lets everybody see what the bank owns."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Conditional(Equals("spec.owner", "bank"))


@pytest.fixture
async def restricted(shop: Api) -> AsyncIterator[Api]:
    """The same catalog for those who see little of it."""
    async with client_of(app_of(shop.catalog, authorizer=OnlyTheBank())) as client:
        yield Api(shop.catalog, client)


async def test_nobody_is_told_of_what_is_hidden(restricted: Api) -> None:
    assert await told(restricted) == [(3, "added", "a")]
    assert await told(restricted, mode="compacted") == [(3, "added", "a")]
    assert await told(restricted, filter="metadata.name=b") == []


async def test_an_entity_that_is_hidden_from_now_on_is_removed(restricted: Api) -> None:
    await restricted.catalog.provide("p", Delta(added=offered(component("a", owner="team"), component("b", type="x"))))
    await restricted.catalog.settle()

    assert await told(restricted, offset=3) == [(4, "removed", "a")]


async def test_an_offset_beyond_the_head_is_a_conflict_with_advice(shop: Api) -> None:
    answer = await shop.get("/events", offset=4)

    assert complaint(answer) == (409, "ConflictError", "Offset 4 is beyond the head of the stream, 3")
    assert (
        answer.json()["error"]
        | {
            "code": "offset_in_the_future",
            "head": 3,
            "epoch": shop.catalog.follower.view.epoch,
            "resync": {"offset": 0, "mode": "compacted"},
        }
        == answer.json()["error"]
    )


async def test_an_offset_of_another_epoch_is_gone_with_advice(shop: Api) -> None:
    answer = await shop.get("/events", offset=2, epoch="long-ago")

    error = answer.json()["error"]
    assert complaint(answer)[:2] == (410, "GoneError")
    assert (error["code"], error["epoch"]) == ("offset_expired", shop.catalog.follower.view.epoch)
    assert error["resync"] == {"offset": 0, "mode": "compacted"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"offset": -1}, "request/query/offset must be >= 0"),
        ({"offset": "end"}, "request/query/offset must be integer"),
        ({"limit": 0}, "request/query/limit must be >= 1"),
        ({"wait": "long"}, "request/query/wait must be number"),
        ({"mode": "all"}, "request/query/mode must be equal to one of the allowed values: log, compacted"),
        (
            {"filter": "=a"},
            "Invalid filter, '=a' is not a valid statement (expected a string on the form a=b or a= or a)",
        ),
        ({"query": "["}, "request/query/query is not valid JSON: unexpected end of data: line 1 column 2 (char 1)"),
        ({"query": "[]"}, "Invalid query: expected an object, received a list"),
        ({"query": ["{}", "{}"]}, "request/query/query must be one predicate, but is there 2 times"),
        ({"query": '{"$never": []}'}, 'Invalid query: unknown operator "$never", expected "$all", "$any" or "$not"'),
        ({"fields": "a[0]"}, 'Invalid field "a[0]", array type fields are not supported'),
    ],
)
async def test_a_request_that_can_not_be_meant_is_refused(
    api: Api, parameters: dict[str, object], message: str
) -> None:
    assert complaint(await api.get("/events", **parameters)) == (400, "InputError", message)


async def test_a_filter_that_nothing_can_meet_finds_nothing(shop: Api) -> None:
    assert await told(shop, filter="metadata.name=\0") == []
    assert await told(shop, query='{"metadata.name": "\\u0000"}') == []


async def test_the_stream_can_not_be_read_before_the_view_is_loaded(starting: Api) -> None:
    answer = await starting.get("/events")

    assert complaint(answer) == (503, "ServiceUnavailableError", "Backend has not started yet")

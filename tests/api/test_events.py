"""The stream over HTTP."""

import asyncio
import datetime as dt

import pytest

from callboard.extend import Delta, Full
from tests.api.answers import complaint
from tests.api.conftest import Api
from tests.harness import component, offered


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


async def test_a_removal_has_a_cause_and_no_entity(shop: Api) -> None:
    uid = (await shop.get("/entities/by-name/component/default/b")).json()["metadata"]["uid"]

    await shop.delete(f"/entities/by-uid/{uid}")

    [event] = (await shop.get("/events", offset=3)).json()["events"]
    assert (event["type"], event["uid"], event["cause"]) == ("removed", uid, {"reason": "deleted"})
    assert "entity" not in event


async def test_a_held_request_is_answered_by_the_next_change(shop: Api) -> None:
    held = asyncio.create_task(shop.get("/events", offset=3, wait=60))
    while not shop.catalog.follower._moved._waiters:
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
    ],
)
async def test_a_request_that_can_not_be_meant_is_refused(
    api: Api, parameters: dict[str, object], message: str
) -> None:
    assert complaint(await api.get("/events", **parameters)) == (400, "InputError", message)


async def test_the_stream_can_not_be_read_before_the_view_is_loaded(starting: Api) -> None:
    answer = await starting.get("/events")

    assert complaint(answer) == (503, "ServiceUnavailableError", "Backend has not started yet")

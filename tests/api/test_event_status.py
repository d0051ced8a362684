"""The state of the stream over HTTP."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from callboard.access.decisions import Denied
from callboard.access.permissions import Permission
from callboard.access.principals import Principal
from callboard.extend import Full
from callboard.stream.retention import Keep, Retention
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered
from tests.stream.publishing import bury, forget, retract

_HOUR = dt.timedelta(hours=1)


class Nobody:
    """Lets nobody do anything."""

    async def decide(self, principal: Principal, permission: Permission) -> Denied:
        return Denied()


@pytest.fixture
async def strangers(api: Api) -> AsyncIterator[Api]:
    async with client_of(app_of(api.catalog, authorizer=Nobody())) as client:
        yield Api(api.catalog, client)


async def test_an_empty_stream_is_at_its_beginning(api: Api) -> None:
    content = (await api.get("/events/status")).json()

    assert content == {
        "head": 0,
        "epoch": api.catalog.follower.view.epoch,
        "epochBeganAt": content["epochBeganAt"],
        "epochBecause": "made",
        "historyFloor": 0,
        "tombstoneFloor": 0,
        "oldestChangeAt": None,
        "eventsPerSecond": {"minute": 0, "hour": 0},
        "readers": {"count": 0, "waiting": 0, "furthestLag": 0},
        "subscriptions": {"count": 0, "held": 0, "active": 0, "paused": 0, "dead": 0, "furthestLag": 0},
        "compaction": None,
    }


async def test_it_says_what_is_kept_and_how_much_happens(api: Api) -> None:
    catalog = api.catalog
    await catalog.provide("p", Full(offered(*(component(name) for name in "abcdef"))))
    await catalog.settle()
    await retract(catalog.database, "f")
    catalog.clock.advance(600)
    await catalog.provide("q", Full(offered(*(component(name) for name in "xyz"))))
    await catalog.settle()
    await forget(catalog.database, 8)
    await bury(catalog.database, 7)
    await catalog.look()

    content = (await api.get("/events/status")).json()

    assert (content["head"], content["historyFloor"], content["tombstoneFloor"]) == (10, 8, 7)
    assert content["oldestChangeAt"] == (await api.get("/events", offset=8)).json()["events"][0]["at"]
    # What is forgotten is not counted.
    assert content["eventsPerSecond"] == {"minute": round(2 / 60, 3), "hour": round(2 / 3600, 3)}


async def test_only_what_was_made_in_the_time_counts(api: Api) -> None:
    catalog = api.catalog
    for name, pause in (("a", 3600), ("b", 1800), ("c", 120), ("d", 0)):
        await catalog.provide(name, Full(offered(component(name))))
        await catalog.settle()
        catalog.clock.advance(pause)
    await catalog.look()

    content = (await api.get("/events/status")).json()

    assert content["eventsPerSecond"] == {"minute": round(1 / 60, 3), "hour": round(3 / 3600, 3)}


async def test_it_tells_of_the_last_compaction(api: Api) -> None:
    catalog = api.catalog
    for kind in ("service", "website"):
        await catalog.provide("p", Full(offered(component("a", type=kind))))
        await catalog.settle()
    catalog.clock.advance(7200)
    keep = Keep(history=_HOUR, tombstones=_HOUR)
    await Retention(database=catalog.database, clock=catalog.clock, keep=keep).run()
    await catalog.look()

    content = (await api.get("/events/status")).json()

    assert content["compaction"].items() >= {"versions": 2, "tombstones": 0, "steps": 1}.items()
    assert dt.datetime.fromisoformat(content["compaction"]["endedAt"]) == catalog.clock.now()


async def test_it_counts_who_waits_in_this_process(api: Api) -> None:
    held = [asyncio.create_task(api.get("/events", offset=0, wait=60)) for _ in range(2)]
    while api.catalog.follower.readers.waiting < 2:
        await api.catalog.clock.sleep(0)

    waiting = (await api.get("/events/status")).json()["readers"]
    api.catalog.follower.close()
    await asyncio.gather(*held)
    gone = (await api.get("/events/status")).json()["readers"]

    assert waiting == {"count": 2, "waiting": 2, "furthestLag": 0}
    assert gone == {"count": 0, "waiting": 0, "furthestLag": 0}


async def test_a_consumer_of_a_subscription_counts_once_also_while_another_one_has_the_lease(api: Api) -> None:
    await api.put("/subscriptions/group", {})
    first = asyncio.create_task(api.post("/subscriptions/group/read", {"wait": 60}))
    while api.catalog.follower.readers.waiting < 1:
        await api.catalog.clock.sleep(0)
    second = asyncio.create_task(api.post("/subscriptions/group/read", {"wait": 60}))
    while api.catalog.follower.readers.waiting < 2:
        await api.catalog.clock.sleep(0)

    during = (await api.get("/events/status")).json()["readers"]
    forms = await figures_of(api)
    api.catalog.follower.close()
    await asyncio.gather(first, second)
    after = (await api.get("/events/status")).json()["readers"]

    assert during == {"count": 2, "waiting": 2, "furthestLag": 0}
    assert forms['callboard_stream_readers{form="subscription"}'] == 2
    assert (await figures_of(api))['callboard_stream_readers{form="subscription"}'] == 0
    assert after == {"count": 0, "waiting": 0, "furthestLag": 0}


async def test_a_consumer_that_is_behind_is_the_furthest_one(api: Api) -> None:
    catalog = api.catalog
    await api.put("/subscriptions/group", {})
    read = (await api.post("/subscriptions/group/read", {"leaseSeconds": 600})).json()
    await catalog.provide("p", Full(offered(*(component(name) for name in "abc"))))
    await catalog.settle()
    standby = asyncio.create_task(api.post("/subscriptions/group/read", {"wait": 60}))
    while catalog.follower.readers.waiting < 1:
        await catalog.clock.sleep(0)

    behind = (await api.get("/events/status")).json()["readers"]
    catalog.follower.close()
    await standby

    assert read["lease"] is not None
    assert behind == {"count": 1, "waiting": 1, "furthestLag": 3}


async def test_it_counts_subscriptions_by_what_they_are_doing(api: Api) -> None:
    catalog = api.catalog
    for name in ("held", "free", "late", "paused"):
        await api.put(f"/subscriptions/{name}", {})
    await catalog.provide("p", Full(offered(component("a"), component("b"))))
    await catalog.settle()
    await api.post("/subscriptions/paused/pause", {})
    await api.post("/subscriptions/free/seek", {"offset": "now"})
    await api.post("/subscriptions/late/read", {"leaseSeconds": 5})
    catalog.clock.advance(5)
    await api.post("/subscriptions/held/read", {})

    content = (await api.get("/events/status")).json()["subscriptions"]

    assert content == {"count": 4, "held": 1, "active": 3, "paused": 1, "dead": 0, "furthestLag": 2}


async def figures_of(api: Api) -> dict[str, float]:
    lines = (await api.client.get("/metrics")).text.splitlines()
    return {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("callboard_stre")
    }


async def test_who_may_not_look_behind_the_scenes_is_told_nothing(strangers: Api) -> None:
    answer = await strangers.get("/events/status")

    assert complaint(answer)[:2] == (403, "NotAllowedError")

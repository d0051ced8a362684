"""Subscriptions, told over HTTP with two engines that are killed, and a receiver that fails now and then."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.model.json import JsonObject
from tests.flows import stories
from tests.flows.delivered import push, subscribe, until_delivered
from tests.flows.receiver import WebhookReceiver, webhook_receiver
from tests.flows.started import started
from tests.flows.stories import Story

pytestmark = pytest.mark.slow

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

DELIVERING: JsonObject = {
    "callboard": {
        "subscriptions": {"allow": [{"host": "127.0.0.1:1-65535", "private": True}], "batchSize": 7},
        "processing": {"lease": "2s"},
    }
}


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


def sink(receiver: WebhookReceiver) -> JsonObject:
    return {"type": "webhook", "url": receiver.url(), "secrets": [SECRET]}


def by_entity(events: list[Any]) -> dict[str, list[int]]:
    """The offsets of the events of each entity, without repetitions, in the order in which each came first."""
    found: dict[str, list[int]] = {}
    for event in events:
        offsets = found.setdefault(event["subject"], [])
        if int(event["offset"]) not in offsets:
            offsets.append(int(event["offset"]))
    return found


async def test_a_webhook_is_told_everything_in_order_though_engines_die_and_it_fails_now_and_then(
    tmp_path: Path, database_url: str, receiver: WebhookReceiver
) -> None:
    receiver.answer = lambda number: (503, {}) if number % 5 == 3 else (204, {})
    with started(tmp_path, database_url, DELIVERING) as server:
        async with stories.story(server) as story:
            # At the head, so that each single change is told.
            await subscribe(story, "hook", {"start": "now", "sink": sink(receiver)})
            names = [f"c{n}" for n in range(20)]
            for turn in range(4):
                await push(story, *names[turn:], owner=f"team{turn}")
                server.kill_engine(f"engine-{turn % 2 + 1}")
            server.wait_until_whole()
            await push(story)
            await until_delivered(story, "hook")
            expected = await story.events()

    taken = receiver.taken
    assert {int(event["offset"]) for event in taken} == {event.offset for event in expected}
    assert all(offsets == sorted(offsets) for offsets in by_entity(taken).values())
    # Nothing new comes before all that is older has come: whatever is repeated begins where it was left.
    highest = story.began
    for event in taken:
        assert int(event["offset"]) <= highest + 1
        highest = max(highest, int(event["offset"]))
    assert {event["subject"] for event in taken if event["data"] is None} == {
        f"component:default/c{n}" for n in range(20)
    }
    assert any(not delivery.taken for delivery in receiver.deliveries)


async def test_a_webhook_that_is_gone_is_dead_and_goes_on_when_it_is_revived(
    tmp_path: Path, database_url: str, receiver: WebhookReceiver
) -> None:
    receiver.answer = lambda _number: (410, {})
    with started(tmp_path, database_url, DELIVERING) as server:
        async with stories.story(server) as story:
            await subscribe(story, "hook", {"sink": sink(receiver)})
            await push(story, "a", "b")

            async def dead() -> bool:
                return bool((await story.http.get("/subscriptions/hook")).json()["state"] == "dead")

            await story.until(dead, "the subscription to be dead")
            nothing = list(receiver.taken)
            receiver.answer = lambda _number: (204, {})
            (await story.http.post("/subscriptions/hook/resume")).raise_for_status()
            await until_delivered(story, "hook")

    assert nothing == []
    assert sorted(event["subject"] for event in receiver.taken) == ["component:default/a", "component:default/b"]


async def consume(
    story: Story, told: list[tuple[str, int]], who: str, begun: asyncio.Event, *, dies_after: int | None = None
) -> None:
    """Read and acknowledge until everything has been told; or die, with events in hand."""
    lease: str | None = None
    read = 0
    while True:
        body = {"limit": 3, "wait": 5, "leaseSeconds": 1, "lease": lease}
        answer = (await story.http.post("/subscriptions/group/read", json=body)).raise_for_status().json()
        lease = answer["lease"]
        told += [(who, event["offset"]) for event in answer["events"]]
        read += len(answer["events"])
        begun.set()
        if dies_after is not None and read >= dies_after:
            return
        if lease is not None:
            ack = {"lease": lease, "offset": answer["nextOffset"], "leaseSeconds": 1}
            acked = (await story.http.post("/subscriptions/group/ack", json=ack)).raise_for_status().json()
            if acked["lag"] == 0:
                return


async def test_two_consumers_share_a_subscription_and_one_goes_on_when_the_other_dies(story: Story) -> None:
    await subscribe(story, "group", {"start": "now"})
    await push(story, *(f"c{n}" for n in range(12)))
    told: list[tuple[str, int]] = []

    async with asyncio.TaskGroup() as group:
        begun = asyncio.Event()
        group.create_task(consume(story, told, "first", begun, dies_after=5))
        await begun.wait()
        group.create_task(consume(story, told, "second", begun))
    await story.http.delete("/subscriptions/group")

    events = {event.offset for event in await story.events()}
    assert {offset for _, offset in told} == events
    # What the dead one had in hand, and nothing else, was told to both of them.
    twice = sorted(offset for offset in events if len([1 for _, each in told if each == offset]) > 1)
    assert twice == sorted(offset for who, offset in told if who == "first")[3:6]
    (await story.http.delete("/providers/ci")).raise_for_status()

"""Subscriptions with message brokers as sinks, told over HTTP with two engines that are killed, as brokers are."""

from pathlib import Path

import nats
import pytest
from redis.asyncio import Redis

from benchmarks.programs import Program
from callboard.model.json import JsonObject
from tests.flows import stories
from tests.flows.delivered import push, subscribe, until_delivered
from tests.flows.started import started

pytestmark = pytest.mark.slow

STREAM = "flow"


def delivering(nats_server: Program, redis_server: Program) -> JsonObject:
    return {
        "callboard": {
            "subscriptions": {
                "batchSize": 7,
                "timeout": "3s",
                "brokers": {
                    "events": {"nats": {"servers": [f"nats://127.0.0.1:{nats_server.port}"]}, "allow": [f"{STREAM}.*"]},
                    "cache": {"redis": {"url": f"redis://127.0.0.1:{redis_server.port}/0"}, "allow": [STREAM]},
                },
            },
            "processing": {"lease": "2s"},
        }
    }


async def in_nats(server: Program) -> list[tuple[str, int, bool]]:
    """Entity and offset of each message, in their order, and whether it is a tombstone."""
    client = await nats.connect(f"nats://127.0.0.1:{server.port}")
    stream = client.jetstream()
    count = (await stream.stream_info(STREAM)).state.messages
    reading = await stream.pull_subscribe(f"{STREAM}.>", stream=STREAM)
    found: list[tuple[str, int, bool]] = []
    while len(found) < count:
        for message in await reading.fetch(count - len(found), timeout=10):
            headers = message.headers or {}
            found.append((headers["ce-subject"], int(headers["ce-offset"]), message.data == b""))
    await client.close()
    return found


async def in_redis(server: Program) -> list[tuple[str, int, bool]]:
    async with Redis(host="127.0.0.1", port=server.port, decode_responses=True) as client:
        entries = await client.xrange(STREAM) or []
    return [
        (str(fields["subject"]), int(fields["offset"]), "data" not in fields)
        for _, fields in entries
        if fields is not None
    ]


async def test_brokers_are_told_everything_in_order_though_they_and_engines_die(
    tmp_path: Path, database_url: str, nats_server: Program, redis_server: Program
) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    await client.jetstream().add_stream(name=STREAM, subjects=[f"{STREAM}.>"])
    await client.close()
    with started(tmp_path, database_url, delivering(nats_server, redis_server)) as server:
        async with stories.story(server) as story:
            # At the head, so that each single change is told.
            subject = f"{STREAM}.{{kind}}.{{name}}"
            sink: JsonObject = {"type": "nats", "broker": "events", "subject": subject}
            await subscribe(story, "events", {"start": "now", "sink": sink})
            sink = {"type": "redis", "broker": "cache", "stream": STREAM}
            await subscribe(story, "cache", {"start": "now", "sink": sink})
            names = [f"c{n}" for n in range(20)]
            for turn in range(4):
                await push(story, *names[turn:], owner=f"team{turn}")
                for broker in (nats_server, redis_server):
                    broker.kill()
                    broker.start()
                server.kill_engine(f"engine-{turn % 2 + 1}")
            server.wait_until_whole()
            await push(story)
            await until_delivered(story, "events")
            await until_delivered(story, "cache")
            expected = [(event.ref, event.offset, event.type == "removed") for event in await story.events()]

    for found in (await in_nats(nats_server), await in_redis(redis_server)):
        assert sorted(set(found), key=lambda each: each[1]) == expected
        for name in names:
            told = [each for each in found if each[0] == f"component:default/{name}"]
            offsets = list(dict.fromkeys(offset for _, offset, _ in told))
            assert offsets == sorted(offsets)
            assert told[-1] == (f"component:default/{name}", offsets[-1], True)

"""The Redis sink, in front of a real server."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from benchmarks.programs import Program
from callboard.builtin.sinks.brokers import Broker, UrlServer
from callboard.builtin.sinks.publishing import Brokers
from callboard.errors import InvalidInput, Unreadable
from callboard.extend import EventSink
from callboard.model.json import JsonValue
from tests.brokers.relay import Relay, relay
from tests.builtin.broker_contract import DurableContract, attributes, sink_of
from tests.stream.sink_contract import changes, event


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of its own on the server."""

    server: Program
    relay: Relay
    name: str

    def sink(self, **options: JsonValue) -> EventSink:
        return self.limited(1_000_000, **options)

    def limited(self, max_message_bytes: int, **options: JsonValue) -> EventSink:
        server = UrlServer(f"redis://127.0.0.1:{self.relay.port}/0")
        broker = Broker(server=server, allow=["stream-*"], max_message_bytes=max_message_bytes)
        return sink_of(Brokers(redis={"main": broker}), {"type": "redis", "stream": self.name, **options})

    async def entries(self) -> list[dict[str, str]]:
        """Everything in the stream, in its order."""
        async with Redis(host="127.0.0.1", port=self.server.port) as client:
            found = await client.xrange(self.name) or []
        return [{_text(name): _text(text) for name, text in (fields or {}).items()} for _, fields in found]

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        return [
            (
                fields["subject"],
                int(fields["offset"]),
                None if fields["type"].endswith(".removed") else fields.get("data", "").encode(),
            )
            for fields in await self.entries()
        ]

    async def left_out(self) -> dict[str, str]:
        return {fields["subject"]: fields["dataref"] for fields in await self.entries() if "dataref" in fields}

    async def refuse(self) -> None:
        self.relay.refuse()

    async def recover(self) -> None:
        self.relay.recover()


def _text(found: bytes | str) -> str:
    return found.decode() if isinstance(found, bytes) else found


@pytest.fixture
async def stream(redis_server: Program) -> AsyncIterator[Stream]:
    async with relay(redis_server.port) as passing:
        yield Stream(redis_server, passing, f"stream-{uuid.uuid4().hex[:8]}")


class TestContract(DurableContract):
    """What every sink must do."""

    @pytest.fixture
    def receiving(self, stream: Stream) -> Stream:
        return stream


async def test_an_entry_has_the_attributes_of_a_cloud_event_and_the_entity(stream: Stream) -> None:
    sink = stream.sink()
    await sink.deliver([event(7, "a"), event(8, "a", gone=True)])
    await sink.close()

    named = {**attributes(), "datacontenttype": "application/json"}
    assert await stream.entries() == [
        {**named, "data": (event(7, "a").entity or b"").decode()},
        {**named, "id": "e.8", "offset": "8", "type": "io.callboard.catalog.entity.removed"},
    ]


async def test_a_stream_is_cut_to_about_its_longest_length(stream: Stream) -> None:
    sink = stream.sink(maxLength=100)
    for batch in range(10):
        await sink.deliver([event(batch * 100 + number, "a") for number in range(1, 101)])
    await sink.close()

    offsets = [offset for _, offset, _ in await stream.received()]
    assert offsets == list(range(1001 - len(offsets), 1001))
    assert 100 <= len(offsets) < 300


async def test_a_batch_of_which_a_part_has_come_in_is_not_there_at_all(stream: Stream) -> None:
    sink = stream.sink()
    await sink.deliver([event(1, "first")])
    stream.relay.break_after(20_000)

    with pytest.raises(Unreadable):
        await sink.deliver(changes(200, names=40))

    assert [offset for _, offset, _ in await stream.received()] == [1]


async def test_a_key_that_is_no_stream_is_an_error(stream: Stream) -> None:
    async with Redis(host="127.0.0.1", port=stream.server.port) as client:
        await client.set(stream.name, "text")

    with pytest.raises(Unreadable, match="WRONGTYPE"):
        await stream.sink().deliver([event(1, "a")])


@pytest.mark.parametrize("length", [0, -1, "many", True, 1.5])
def test_what_is_no_length_is_refused(length: JsonValue) -> None:
    known = Brokers(redis={"main": Broker(server=UrlServer("redis://127.0.0.1:1"), allow=["*"])})

    with pytest.raises(InvalidInput, match="request/body/sink/maxLength must be integer >= 1"):
        sink_of(known, {"type": "redis", "stream": "s", "maxLength": length})

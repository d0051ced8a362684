"""The RabbitMQ sink, in front of a real broker."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aio_pika
import pytest
from aio_pika import DeliveryMode, ExchangeType
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.programs import Program
from callboard.builtin.sinks.brokers import Broker, UrlServer
from callboard.builtin.sinks.publishing import Brokers
from callboard.errors import Unreadable
from callboard.extend import EventSink
from callboard.model.json import JsonValue
from tests.brokers.relay import Relay, relay
from tests.builtin.broker_contract import DurableContract, attributes, sink_of
from tests.stream.sink_contract import event


@dataclass(slots=True)
class Queue:
    """An exchange and a queue of its own on the broker."""

    server: Program
    relay: Relay
    name: str
    taken: list[AbstractIncomingMessage] = field(default_factory=list)

    def sink(self, **options: JsonValue) -> EventSink:
        return self.limited(1_000_000, **options)

    def limited(self, max_message_bytes: int, **options: JsonValue) -> EventSink:
        server = UrlServer(f"amqp://guest:guest@127.0.0.1:{self.relay.port}/")
        broker = Broker(server=server, allow=["queue-*", "missing"], max_message_bytes=max_message_bytes)
        wanted = options or {"exchange": self.name, "routingKey": "{kind}.{namespace}.{name}"}
        return sink_of(Brokers(rabbit={"main": broker}), {"type": "rabbit", **wanted})

    async def messages(self) -> list[AbstractIncomingMessage]:
        """Everything that was in the queue, in its order."""
        async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self.server.port}/") as connection:
            queue = await (await connection.channel()).get_queue(self.name)
            while (message := await queue.get(fail=False, no_ack=True)) is not None:
                self.taken.append(message)
        return self.taken

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        return [
            (
                str(message.headers["cloudEvents_subject"]),
                int(str(message.headers["cloudEvents_offset"])),
                None if str(message.type).endswith(".removed") else message.body,
            )
            for message in await self.messages()
        ]

    async def left_out(self) -> dict[str, str]:
        return {
            str(message.headers["cloudEvents_subject"]): str(message.headers["cloudEvents_dataref"])
            for message in await self.messages()
            if "cloudEvents_dataref" in message.headers
        }

    async def refuse(self) -> None:
        self.relay.refuse()

    async def recover(self) -> None:
        self.relay.recover()


@pytest.fixture
async def queue(rabbit_server: Program) -> AsyncIterator[Queue]:
    name = f"queue-{uuid.uuid4().hex[:8]}"
    async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{rabbit_server.port}/") as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
        await (await channel.declare_queue(name, durable=True)).bind(exchange, "component.#")
    async with relay(rabbit_server.port) as passing:
        yield Queue(rabbit_server, passing, name)


class TestContract(DurableContract):
    """What every sink must do."""

    @pytest.fixture
    def receiving(self, queue: Queue) -> Queue:
        return queue


async def test_a_message_is_a_cloud_event_with_the_entity_as_its_body(queue: Queue) -> None:
    sink = queue.sink()
    await sink.deliver([event(7, "a.b")])
    await sink.close()

    [message] = await queue.messages()
    assert message.routing_key == "component.default.a%2Eb"
    assert message.body == event(7, "a.b").entity
    assert (message.message_id, message.content_type) == ("e.7", "application/json")
    assert message.delivery_mode == DeliveryMode.PERSISTENT
    assert message.headers == {**attributes("cloudEvents_", name="a.b"), "content-type": "application/json"}


async def test_without_an_exchange_the_routing_key_is_the_queue(queue: Queue) -> None:
    sink = queue.sink(routingKey=queue.name)
    await sink.deliver([event(1, "a"), event(2, "b")])
    await sink.close()

    assert [offset for _, offset, _ in await queue.received()] == [1, 2]


async def test_what_no_queue_takes_is_an_error(queue: Queue) -> None:
    sink = queue.sink(exchange=queue.name, routingKey="elsewhere")

    with pytest.raises(Unreadable, match="no queue takes the routing key 'elsewhere'"):
        await sink.deliver([event(1, "a")])


async def test_an_exchange_that_is_not_there_is_an_error(queue: Queue) -> None:
    with pytest.raises(Unreadable, match="no exchange 'missing'"):
        await queue.sink(exchange="missing", routingKey="a").deliver([event(1, "a")])

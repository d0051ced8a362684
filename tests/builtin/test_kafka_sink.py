"""The Kafka sink, in front of a broker that speaks Kafka's protocol."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.programs import Program
from callboard.builtin.sinks.brokers import Broker, KafkaServer
from callboard.builtin.sinks.publishing import Brokers
from callboard.errors import Unreadable
from callboard.extend import EventSink
from tests.brokers.relay import Relay, relay
from tests.builtin.broker_contract import BrokerContract, attributes, sink_of
from tests.stream.sink_contract import assert_exactly, changes, event

PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of its own on the broker."""

    relay: Relay
    name: str

    def sink(self) -> EventSink:
        return self.limited(1_000_000)

    def limited(self, max_message_bytes: int) -> EventSink:
        # The broker of the tests has no idempotent producers; that they work is tested with another one.
        server = KafkaServer(servers=[f"127.0.0.1:{self.relay.port}"], idempotent=False)
        broker = Broker(server=server, allow=["topic-*"], max_message_bytes=max_message_bytes)
        return sink_of(Brokers(kafka={"main": broker}), {"type": "kafka", "topic": self.name}, timeout_seconds=2)

    async def records(self) -> list[Message]:
        """Everything in the topic, partition by partition."""
        refusing, self.relay.refusing = self.relay.refusing, False
        found = await asyncio.to_thread(read, f"127.0.0.1:{self.relay.port}", self.name)
        self.relay.refusing = refusing
        return found

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        return [
            ((record.key() or b"").decode(), int(headers_of(record)["ce_offset"]), record.value())
            for record in await self.records()
        ]

    async def left_out(self) -> dict[str, str]:
        found = [headers_of(record) for record in await self.records()]
        return {headers["ce_subject"]: headers["ce_dataref"] for headers in found if "ce_dataref" in headers}

    async def refuse(self) -> None:
        self.relay.refuse()

    async def recover(self) -> None:
        self.relay.recover()


def headers_of(record: Message) -> dict[str, str]:
    headers = record.headers()
    assert isinstance(headers, list)
    return {name: value.decode() for name, value in headers if isinstance(value, bytes)}


def read(servers: str, topic: str, partitions: int = PARTITIONS) -> list[Message]:
    """All records, up to marks that are put at the end: what the broker says about ends can't be relied on."""
    mark = uuid.uuid4().hex
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for partition in range(partitions):
        producer.produce(topic, mark, partition=partition)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": servers, "group.id": mark, "log_level": 0})
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        found: list[Message] = []
        marks = 0
        while marks < partitions:
            for record in consumer.consume(1000, timeout=0.2):
                assert record.error() is None, record.error()
                marks += record.value() == mark.encode()
                found += [record] if record.key() is not None else []
        return found
    finally:
        consumer.close()


@pytest.fixture
async def topic(kafka_server: Program) -> AsyncIterator[Topic]:
    name = f"topic-{uuid.uuid4().hex[:8]}"
    async with relay(kafka_server.port, kafka_server.advertised) as passing:
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{passing.port}"})
        made = admin.create_topics([NewTopic(name, num_partitions=PARTITIONS)])
        await asyncio.to_thread(made[name].result, 10)
        yield Topic(passing, name)


class TestContract(BrokerContract):
    """What every sink must do."""

    @pytest.fixture
    def receiving(self, topic: Topic) -> Topic:
        return topic


async def test_a_record_is_a_cloud_event_with_the_entity_as_its_value_and_a_tombstone_has_none(topic: Topic) -> None:
    sink = topic.sink()
    await sink.deliver([event(7, "a"), event(8, "a", gone=True)])
    await sink.close()

    [record, tombstone] = await topic.records()
    assert (record.key(), record.value()) == (b"component:default/a", event(7, "a").entity)
    assert headers_of(record) == {**attributes("ce_"), "content-type": "application/json"}
    assert (tombstone.key(), tombstone.value()) == (b"component:default/a", None)
    assert headers_of(tombstone)["ce_type"] == "io.callboard.catalog.entity.removed"


@pytest.fixture
def idempotent_broker() -> Iterator[str]:
    """The address of another broker, which has idempotent producers."""
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    [broker] = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    owner.flush(1)


async def test_by_default_a_producer_is_idempotent(idempotent_broker: str) -> None:
    known = Brokers(kafka={"main": Broker(server=KafkaServer(servers=[idempotent_broker]), allow=["*"])})
    sink, batch = sink_of(known, {"type": "kafka", "topic": "t"}, timeout_seconds=10), changes(200, names=40)
    await sink.deliver(batch)
    await sink.close()

    found = await asyncio.to_thread(read, idempotent_broker, "t", 4)
    assert_exactly(
        [((each.key() or b"").decode(), int(headers_of(each)["ce_offset"]), each.value()) for each in found], batch
    )


async def test_a_broker_that_nobody_reaches_is_named() -> None:
    known = Brokers(kafka={"main": Broker(server=KafkaServer(servers=["127.0.0.1:9"]), allow=["*"])})
    sink = sink_of(known, {"type": "kafka", "topic": "t"}, timeout_seconds=3)

    with pytest.raises(Unreadable, match=r"component:default/a at offset 1 was not taken: .*127\.0\.0\.1:9"):
        await sink.deliver([event(1, "a")])

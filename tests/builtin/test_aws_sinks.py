"""The sinks for SQS and SNS, in front of a server that behaves like these."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.programs import Program
from callboard.builtin.sinks import aws
from callboard.builtin.sinks.brokers import AwsAccount, Broker
from callboard.builtin.sinks.publishing import Brokers
from callboard.errors import InvalidInput, Unreadable
from callboard.extend import EventSink, JsonObject
from callboard.model import json
from tests.brokers.relay import Relay, relay
from tests.builtin.broker_contract import BrokerContract, attributes, sink_of
from tests.stream.sink_contract import changes, event

REGION = "eu-central-1"
ACCOUNT = "123456789012"


def account(port: int) -> AwsAccount:
    return AwsAccount(
        region=REGION, endpoint=f"http://127.0.0.1:{port}", access_key_id="key", secret_access_key="secret"
    )


def client(service: str, port: int) -> AbstractAsyncContextManager[Any]:
    return aws.client_of(account(port), service, 30)


@dataclass(slots=True)
class Queue:
    """A queue of its own, fed by the sink, or by a topic that is."""

    server: Program
    relay: Relay
    name: str
    options: JsonObject
    taken: list[dict[str, Any]] = field(default_factory=list)

    def sink(self) -> EventSink:
        return self.limited(262_144)

    def limited(self, max_message_bytes: int) -> EventSink:
        broker = Broker(server=account(self.relay.port), allow=["*"], max_message_bytes=max_message_bytes)
        return sink_of(Brokers(aws={"main": broker}), self.options, timeout_seconds=30)

    async def messages(self) -> list[dict[str, Any]]:
        """Everything that was in the queue, in its order."""
        async with client("sqs", self.server.port) as sqs:
            url = (await sqs.get_queue_url(QueueName=self.name))["QueueUrl"]
            while found := await self._some(sqs, url):
                self.taken += found
                entries = [
                    {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(found)
                ]
                await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return self.taken

    async def _some(self, sqs: Any, url: str) -> list[dict[str, Any]]:
        answer = await sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        events = [json.decode(each["Body"]) for each in await self.messages()]
        return [
            (
                str(each["subject"]),
                int(str(each["offset"])),
                None
                if "data" in each and each["data"] is None
                else json.encode(each["data"])
                if "data" in each
                else b"",
            )
            for each in events
            if isinstance(each, dict)
        ]

    async def left_out(self) -> dict[str, str]:
        events = [json.decode(each["Body"]) for each in await self.messages()]
        return {
            str(each["subject"]): str(each["dataref"])
            for each in events
            if isinstance(each, dict) and "dataref" in each
        }

    async def refuse(self) -> None:
        self.relay.refuse()

    async def recover(self) -> None:
        self.relay.recover()


def _body(event: JsonObject) -> bytes | None:
    if "data" not in event:
        return b""
    return None if event["data"] is None else json.encode(event["data"])


@pytest.fixture
async def queue(aws_server: Program) -> AsyncIterator[Queue]:
    name = f"queue-{uuid.uuid4().hex[:8]}.fifo"
    async with client("sqs", aws_server.port) as sqs:
        await sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
    async with relay(aws_server.port) as passing:
        yield Queue(aws_server, passing, name, {"type": "sqs", "queue": name})


@pytest.fixture
async def behind_a_topic(aws_server: Program, queue: Queue) -> Queue:
    """The queue, which has what is published to a topic."""
    async with client("sns", aws_server.port) as sns:
        made = await sns.create_topic(Name=queue.name, Attributes={"FifoTopic": "true"})
        await sns.subscribe(
            TopicArn=made["TopicArn"],
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue.name}",
            Attributes={"RawMessageDelivery": "true"},
        )
    queue.options = {"type": "sns", "topic": made["TopicArn"]}
    return queue


class TestContractOfQueues(BrokerContract):
    """What every sink must do."""

    MANY = LARGE = 40

    @pytest.fixture
    def receiving(self, queue: Queue) -> Queue:
        return queue


class TestContractOfTopics(BrokerContract):
    """What every sink must do."""

    MANY = LARGE = 40

    @pytest.fixture
    def receiving(self, behind_a_topic: Queue) -> Queue:
        return behind_a_topic


async def test_a_message_is_a_whole_cloud_event_with_attributes_to_filter_by(queue: Queue) -> None:
    sink = queue.sink()
    await sink.deliver([event(7, "a"), event(8, "a", gone=True)])
    await sink.close()

    [message, tombstone] = await queue.messages()
    assert json.decode(message["Body"]) == {
        **attributes(),
        "datacontenttype": "application/json",
        "data": json.decode(event(7, "a").entity or b""),
    }
    assert {name: each["StringValue"] for name, each in message["MessageAttributes"].items()} == {
        "type": "io.callboard.catalog.entity.updated",
        "kind": "component",
        "namespace": "default",
        "name": "a",
        "offset": "7",
    }
    assert message["Attributes"]["MessageGroupId"] == "component:default/a"
    assert message["Attributes"]["MessageDeduplicationId"] == "7.e.7"
    body = json.decode(tombstone["Body"])
    assert isinstance(body, dict)
    assert body["data"] is None


async def test_a_batch_that_comes_again_ends_with_the_latest(queue: Queue) -> None:
    batch = [event(1, "a"), event(2, "a"), event(3, "b")]
    for _ in range(2):
        sink = queue.sink()
        await sink.deliver(batch)
        await sink.close()

    assert [offset for _, offset, _ in await queue.received()] == [1, 2, 3, 2]


async def test_requests_are_no_larger_than_the_service_takes(queue: Queue) -> None:
    sink, batch = queue.sink(), [event(number, f"c{number}", title="x" * 60_000) for number in range(1, 9)]
    await sink.deliver(batch)
    await sink.close()

    assert [offset for _, offset, _ in await queue.received()] == list(range(1, 9))


async def test_a_queue_that_is_not_there_is_an_error(queue: Queue) -> None:
    queue.options = {"type": "sqs", "queue": "missing.fifo"}

    with pytest.raises(Unreadable, match="NonExistentQueue"):
        await queue.sink().deliver([event(1, "a")])


async def test_a_queue_without_order_takes_events_where_the_subscription_wants_that(queue: Queue) -> None:
    queue.name, queue.options = "plain", {"type": "sqs", "queue": "plain", "ordered": False}
    async with client("sqs", queue.server.port) as sqs:
        await sqs.create_queue(QueueName="plain")

    sink, batch = queue.sink(), changes(30, names=10)
    await sink.deliver(batch)
    await sink.close()

    assert {offset for _, offset, _ in await queue.received()} == {each.offset for each in batch}


def test_a_ref_that_is_too_long_for_a_group_is_hashed() -> None:
    short, long = "component:default/a", f"component:default/{'a' * 200}"

    assert (aws.group(short), len(aws.group(long))) == (short, 64)
    assert aws.group(long) != aws.group(f"{long}b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"type": "sqs", "queue": "plain"},
            "keeps no order; use one whose name ends with .fifo, or say 'ordered': false",
        ),
        ({"type": "sqs", "queue": "https://sqs.example/1/q"}, "must be the name of a queue, not a URL"),
        ({"type": "sqs", "queue": "q.fifo", "ordered": "no"}, "request/body/sink/ordered must be boolean"),
        ({"type": "sqs"}, "request/body/sink/queue must be string, and not empty"),
        ({"type": "sns", "topic": "t.fifo"}, "must be the ARN of a topic in eu-central-1, found 't.fifo'"),
        ({"type": "sns", "topic": "arn:aws:sns:us-east-1:123456789012:t.fifo"}, "must be the ARN of a topic in eu-"),
        ({"type": "sns", "topic": "arn:aws:sns:eu-central-1:123456789012:t"}, "keeps no order"),
    ],
)
def test_what_can_not_be_delivered_to_is_refused(options: JsonObject, message: str) -> None:
    known = Brokers(aws={"main": Broker(server=account(1), allow=["*"])})

    with pytest.raises(InvalidInput) as raised:
        sink_of(known, options)

    assert message in str(raised.value)

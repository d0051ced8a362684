"""Buckets are heard: their events wait in a queue, and become deltas."""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import pytest

from benchmarks.programs import Program
from callboard.builtin.hosts.objects import discovery, notices, queues
from callboard.builtin.hosts.objects.hearing import HeardBucket
from callboard.builtin.hosts.objects.notices import Notice
from callboard.errors import DatabaseUnavailable, InvalidConfiguration, RemovalRefused, Unreadable
from callboard.extend import Delta, Full, Outside, PluginConfig, PluginContext
from callboard.extend.outside import nowhere
from callboard.ingestion.queues import QueueReading
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.settings import Integrations, Settings
from callboard.store import ingestions
from callboard.store.database import Database
from callboard.testing import FakeClock, FakeHost
from callboard.testing.connections import FakeConnection
from tests.harness import Catalog, component_yaml

REGION, ACCOUNT = "eu-central-1", "123456789012"
KEYS: JsonObject = {"accessKeyId": "key", "secretAccessKey": "s3cret"}


@dataclass(slots=True)
class Heard:
    """A bucket of its own, and a queue that has its events."""

    endpoint: str
    name: str
    more: JsonObject = field(default_factory=dict)
    """Of the integration."""

    def client(self, service: str) -> AbstractAsyncContextManager[Any]:
        made = queues.session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="key",
            aws_secret_access_key="s3cret",
        )
        return cast("AbstractAsyncContextManager[Any]", made)

    @property
    def url(self) -> str:
        return f"{self.endpoint}/{self.name}"

    @property
    def queue_url(self) -> str:
        return f"{self.endpoint}/{ACCOUNT}/{self.name}"

    @property
    def integrations(self) -> JsonObject:
        return {"awsS3": [{"endpoint": self.endpoint, "s3ForcePathStyle": True, **KEYS, **self.more}]}

    def providers(self, **more: Any) -> JsonObject:
        events: JsonObject = {"queue": {"url": self.queue_url, "region": REGION}, "waitTime": "0s"}
        schedule: JsonObject = {"frequency": {"trigger": "manual"}}
        said: JsonObject = {"bucketName": self.name, "prefix": "catalog/", "schedule": schedule, "events": events}
        return {"awsS3": {"shop": {**said, **more}}}

    def provider(self, **more: Any) -> HeardBucket:
        outside = Outside(client=nowhere().client, timeout_seconds=5)
        config = PluginConfig(providers=self.providers(**more), integrations=self.integrations)
        (found,) = discovery.s3(PluginContext(config, {}, outside))
        assert isinstance(found, HeardBucket)
        return found

    async def put(self, key: str, content: str = "x") -> None:
        async with self.client("s3") as s3:
            await s3.put_object(Bucket=self.name, Key=key, Body=content.encode())

    async def remove(self, key: str) -> None:
        async with self.client("s3") as s3:
            await s3.delete_object(Bucket=self.name, Key=key)

    async def send(self, *bodies: object) -> None:
        async with self.client("sqs") as sqs:
            for body in bodies:
                text = body if isinstance(body, str) else json.encode(body).decode()
                await sqs.send_message(QueueUrl=self.queue_url, MessageBody=text)

    async def left(self) -> int:
        """How many messages are in the queue, seen or not."""
        async with self.client("sqs") as sqs:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            told = await sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(each) for each in told["Attributes"].values())


@pytest.fixture
async def heard(aws_server: Program) -> Heard:
    found = Heard(f"http://127.0.0.1:{aws_server.port}", f"b-{uuid.uuid4().hex[:12]}")
    async with found.client("sqs") as sqs:
        await sqs.create_queue(QueueName=found.name)
    async with found.client("s3") as s3:
        await s3.create_bucket(Bucket=found.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        told = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{found.name}"}
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        await s3.put_bucket_notification_configuration(
            Bucket=found.name, NotificationConfiguration={"QueueConfigurations": [{**told, "Events": events}]}
        )
    return found


@pytest.fixture
async def catalog(database: Database, heard: Heard) -> AsyncIterator[Catalog]:
    settings = Catalog.settings(Settings()).overridden(
        {"integrations": Integrations(heard.integrations), "catalog.providers": heard.providers()}
    )
    clock = FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))
    async with httpx2.AsyncClient(transport=FakeHost().transport) as client:
        yield Catalog(database, clock, FakeHost(), settings, client)


async def fetched(catalog: Catalog) -> float:
    """The queue is read until it is empty, and all that it leads to is done. Returns the last pause."""
    (reading,) = catalog.engine.queues
    while (pause := await reading.step()) == 0.0:
        pass
    await catalog.settle()
    return pause


def counted(catalog: Catalog, outcome: str) -> float:
    found = catalog.engine.metrics.webhooks.labels("awsS3", outcome)._value.get()
    assert isinstance(found, float)
    return found


async def test_what_is_put_into_a_bucket_is_visible_without_a_listing_and_goes_when_it_is_removed(
    catalog: Catalog, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(*_: object, **__: object) -> None:
        raise AssertionError("the bucket was listed")

    # The bucket is asked inside of a library, so there is nothing to count at.
    monkeypatch.setattr("callboard.builtin.hosts.objects.asking.obstore.list", listed)
    await heard.put("catalog/a b+ü.yaml", component_yaml("till"))
    await heard.put("elsewhere/a.yaml", component_yaml("other"))

    await fetched(catalog)

    assert catalog.refs() == ["component:default/till"]
    metadata = catalog.entity("component:default/till")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"]["backstage.io/managed-by-location"] == (  # type: ignore[index,call-overload]
        f"url:{heard.url}/catalog/a%20b+%C3%BC.yaml"
    )
    await heard.put("catalog/a b+ü.yaml", component_yaml("till", owner="bakers"))
    await fetched(catalog)
    spec = catalog.entity("component:default/till")["spec"]
    assert isinstance(spec, dict)
    assert spec["owner"] == "bakers"
    await heard.remove("catalog/a b+ü.yaml")
    await fetched(catalog)
    assert (catalog.refs(), await heard.left()) == ([], 0)
    assert (counted(catalog, "applied"), counted(catalog, "ignored")) == (3, 2), "other files, and the test event"


async def test_a_round_finds_what_was_heard_as_it_is(catalog: Catalog, heard: Heard) -> None:
    await heard.put("catalog/a.yaml", component_yaml("till"))
    await fetched(catalog)
    before = await catalog.history()

    (rounds,) = catalog.engine.rounds
    await catalog.database.run(lambda tx: ingestions.trigger(tx, rounds.provider.name))
    while await rounds.step() == 0.0:
        pass
    await catalog.settle()

    assert await catalog.history() == before


def s3(key: str, event: str = "ObjectCreated:Put", bucket: str = "b", **more: str) -> JsonObject:
    """What S3 sends."""
    told: JsonObject = {"bucket": {"name": bucket}, "object": {"key": key, **more}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": event, "s3": told}]}


def bridged(key: str, kind: str = "Object Created", **more: str) -> JsonObject:
    """What EventBridge sends."""
    detail: JsonObject = {"bucket": {"name": "b"}, "object": {"key": key, "sequencer": "1"}, **more}
    return {"version": "0", "source": "aws.s3", "detail-type": kind, "detail": detail}


def published(inner: JsonObject) -> JsonObject:
    """What SNS sends."""
    return {"Type": "Notification", "TopicArn": "arn", "Message": json.encode(inner).decode()}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            s3("a+b%2Fc%C3%BC.yaml", sequencer="0A"),
            [Notice(bucket="b", key="a b/cü.yaml", is_there=True, sequencer="0A")],
        ),
        (s3("a", "s3:ObjectCreated:Copy"), [Notice(bucket="b", key="a", is_there=True)]),
        (s3("a", "ObjectRemoved:Delete"), [Notice(bucket="b", key="a", is_there=False)]),
        (s3("a", "ObjectRemoved:Delete", versionId="v"), [Notice(bucket="b", key="a", is_there=None)]),
        (s3("a", "ObjectRemoved:DeleteMarkerCreated", versionId="v"), [Notice(bucket="b", key="a", is_there=False)]),
        (s3("a", "LifecycleExpiration:Delete"), [Notice(bucket="b", key="a", is_there=False)]),
        (s3("a", "ObjectTagging:Put"), []),
        (published(s3("a+b")), [Notice(bucket="b", key="a b", is_there=True)]),
        (bridged("a+b"), [Notice(bucket="b", key="a+b", is_there=True, sequencer="1")]),
        (bridged("a", "Object Deleted"), [Notice(bucket="b", key="a", is_there=False, sequencer="1")]),
        (published(bridged("a")), [Notice(bucket="b", key="a", is_there=True, sequencer="1")]),
        (bridged("a", "Object Restore Completed"), []),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, []),
    ],
)
def test_events_are_understood_in_each_of_their_envelopes(body: JsonObject, expected: list[Notice]) -> None:
    assert notices.parse(json.encode(body).decode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"Records": [5]}',
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"Type": "Notification", "Message": "hello"}',
        '{"source": "aws.s3", "detail-type": "Object Created"}',
    ],
)
def test_what_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        notices.parse(body)


async def test_messages_that_mean_nothing_do_not_stay_and_do_not_keep_others_waiting(
    catalog: Catalog, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    await heard.send("poison", s3("catalog/b.yaml", bucket="another-bucket"), {"hello": "world"})
    await heard.put("catalog/a.yaml", component_yaml("till"))

    await fetched(catalog)

    assert (catalog.refs(), await heard.left()) == (["component:default/till"], 0)
    assert counted(catalog, "invalid") == 2


async def test_nothing_is_deleted_before_it_is_stored(heard: Heard) -> None:
    provider, connection = heard.provider(events={**events_of(heard), "visibilityTimeout": "0s"}), FakeConnection()
    await heard.put("catalog/a.yaml")
    connection.failure = DatabaseUnavailable("it is away")

    with pytest.raises(DatabaseUnavailable):
        await provider.read_queue(connection)
    connection.failure = None
    again = await provider.read_queue(connection)

    assert (again.applied, len(connection.offered)) == (1, 1)
    assert await heard.left() == 0


def events_of(heard: Heard) -> JsonObject:
    return {"queue": {"url": heard.queue_url, "region": REGION}, "waitTime": "0s"}


class Guarded(FakeConnection):
    """Refuses removals."""

    async def apply(self, mutation: Delta | Full) -> None:
        if isinstance(mutation, Delta) and mutation.removed:
            raise RemovalRefused("too much", held=1, removed=1, limit=None)
        await super().apply(mutation)


async def test_a_removal_that_is_refused_stays_in_the_queue_and_keeps_no_addition_back(heard: Heard) -> None:
    provider, connection = heard.provider(), Guarded()
    await heard.send(s3("catalog/gone.yaml", "ObjectRemoved:Delete", bucket=heard.name))
    await heard.send(s3("catalog/new.yaml", bucket=heard.name))

    told = await provider.read_queue(connection)

    assert (told.applied, len(connection.offered), await heard.left()) == (1, 1, 1)


@pytest.mark.parametrize("together", [True, False])
async def test_what_comes_too_late_is_not_taken_for_news(heard: Heard, together: bool) -> None:
    provider, connection = heard.provider(), FakeConnection()
    removed = s3("catalog/a.yaml", "ObjectRemoved:Delete", bucket=heard.name, sequencer="0100")
    created = s3("catalog/a.yaml", bucket=heard.name, sequencer="FF")

    for bodies in ([removed, created],) if together else ([removed], [created]):
        await heard.send(*bodies)
        await provider.read_queue(connection)

    assert connection.offered == {}


async def test_a_version_that_is_removed_says_nothing_so_the_file_is_looked_for(heard: Heard) -> None:
    provider, connection = heard.provider(), FakeConnection()
    await heard.put("catalog/still.yaml")
    await provider.read_queue(connection)
    for name in ("still", "gone"):
        await heard.send(s3(f"catalog/{name}.yaml", "ObjectRemoved:Delete", bucket=heard.name, versionId="v1"))

    await provider.read_queue(connection)

    assert len(connection.offered) == 1


async def test_a_queue_that_can_not_be_read_is_told_by_its_url_and_without_secrets(
    catalog: Catalog, heard: Heard
) -> None:
    (reading,) = catalog.engine.queues
    async with heard.client("sqs") as sqs:
        await sqs.delete_queue(QueueUrl=heard.queue_url)

    with pytest.raises(Unreadable, match=f"the queue {heard.queue_url} answered .*NonExistentQueue") as met:
        await heard.provider().read_queue(FakeConnection())

    assert "s3cret" not in str(met.value)
    assert [await reading.step() for _ in range(3)] == [1.0, 2.0, 4.0]
    assert counted(catalog, "failed") == 3


async def test_a_role_lends_what_the_queue_is_read_with(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no setting for it: nobody but a test asks another service for roles.
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", heard.endpoint)
    heard.more = {"roleArn": "arn:aws:iam::123456789012:role/reader"}
    await heard.put("catalog/a.yaml")

    told = await heard.provider().read_queue(FakeConnection())

    assert told.applied == 1


async def test_one_engine_at_a_time_reads(catalog: Catalog, heard: Heard) -> None:
    (reading,), applied = catalog.engine.queues, FakeConnection()
    other = QueueReading(database=catalog.database, clock=catalog.clock, provider=reading.provider, connection=applied)
    await heard.put("catalog/a.yaml", component_yaml("till"))

    assert await reading.step() == 0.0
    await heard.put("catalog/b.yaml", component_yaml("shop"))
    assert await other.step() == 5.0
    assert await heard.left() == 1
    await reading.release()
    running = asyncio.create_task(other.run())
    async with asyncio.timeout(30):
        # A first look that was in vain is followed by a pause, which is over when somebody says so.
        while not applied.delivered.is_set():
            catalog.clock.advance(1.0)
            await catalog.clock.sleep(0)
    assert await reading.step() == 5.0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await reading.step() <= 1.0, "an engine that stops leaves it to the next one"


@pytest.mark.parametrize(
    ("key", "events"),
    [
        ("catalog.providers.awsS3.shop.events.queue", {}),
        ("catalog.providers.awsS3.shop.events.queue.url", {"queue": {"url": "shop"}}),
        ("catalog.providers.awsS3.shop.events.queue.url", {"queue": {"url": "https://a:b@sqs.example/1/q"}}),
        ("catalog.providers.awsS3.shop.events.queue.region", {"queue": {"url": "https://sqs.example.com/1/q"}}),
        (
            "catalog.providers.awsS3.shop.events.waitTime",
            {"queue": {"url": "https://sqs.eu-west-1.amazonaws.com/1/q"}, "waitTime": "1m"},
        ),
        (
            "catalog.providers.awsS3.shop.events.visibilityTimeout",
            {"queue": {"url": "https://sqs.eu-west-1.amazonaws.com/1/q"}, "visibilityTimeout": 5},
        ),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(key: str, events: JsonObject) -> None:
    with pytest.raises(InvalidConfiguration) as met:
        Heard("http://127.0.0.1:1", "shop").provider(events=events)

    assert str(met.value).startswith(f"{key}: ")


def test_amazon_says_the_region_in_the_url() -> None:
    queue = {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop"}

    provider = Heard("http://127.0.0.1:1", "shop").provider(events={"queue": queue})

    assert (provider._queue._region, provider._queue._endpoint) == ("eu-west-1", None)

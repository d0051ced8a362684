"""Deliver: how many events a second each sink takes for good, in batches, and what that costs the engine."""

import contextlib
import datetime as dt
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import aio_pika
import nats
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.progress import Progress

from benchmarks import brokers, generate, tables
from benchmarks.programs import Missing, Program
from callboard.builtin.sinks import aws
from callboard.builtin.sinks.brokers import AwsAccount, Broker, KafkaServer, NatsServer, UrlServer
from callboard.builtin.sinks.publishing import Brokers, kinds
from callboard.extend import Event, JsonObject, SinkTarget
from callboard.model import json
from callboard.model.entities import entity_ref

_BATCH = 100
_PLACE = "benchmark"
_REGION = "eu-central-1"
_AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_SLOW = 50
"""So many times fewer events for what only behaves like a service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one sink has taken."""

    sink: str
    events: int
    seconds: float
    cpu_seconds: float
    """Of this process."""

    @property
    def per_second(self) -> float:
        """Events."""
        return self.events / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """The figures of one run."""

    batch: int
    bytes_each: float
    sinks: list[Delivered]
    missing: list[str]
    """Why some were not measured."""


async def run(count: int, progress: Progress) -> Deliver:
    """Deliver so many events to each broker whose program is here, one after the other, each on a server of its own."""
    events = [_event(number, entity) for number, entity in enumerate(generate.entities(count), start=1)]
    task = progress.add_task(f"deliver: {count} events", total=len(_TRIED))
    measured, missing = [], []
    for name, tried in _TRIED.items():
        try:
            with tried.start() as server:
                async with tried.prepare(server) as (known, options):
                    given = events[: len(events) // tried.fewer]
                    measured.append(await _measured(known, {"type": name, "broker": "main", **options}, given))
        except Missing as error:
            missing.append(str(error))
        progress.advance(task)
    size = sum(len(event.entity or b"") for event in events) / len(events)
    return Deliver(batch=_BATCH, bytes_each=size, sinks=measured, missing=missing)


async def _measured(known: Brokers, options: JsonObject, events: list[Event]) -> Delivered:
    [kind] = [each for each in kinds(known, "http://localhost/api/catalog", 60) if each.type == options["type"]]
    sink = kind.open(SinkTarget(subscription="benchmark", generation=1, options=options))
    # Connecting is not measured.
    await sink.deliver(events[:1])
    begun, cpu = time.perf_counter(), time.process_time()
    for first in range(1, len(events), _BATCH):
        await sink.deliver(events[first : first + _BATCH])
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    await sink.close()
    return Delivered(sink=kind.type, events=len(events) - 1, seconds=seconds, cpu_seconds=cpu_seconds)


def _event(number: int, entity: JsonObject) -> Event:
    return Event(
        epoch="e" * 32,
        offset=number,
        type="updated",
        ref=str(entity_ref(entity)),
        uid=str(uuid.UUID(int=number)),
        at=_AT,
        entity=json.encode(entity),
        cause='{"source":"provider:benchmark"}',
    )


Prepared = contextlib.AbstractAsyncContextManager[tuple[Brokers, JsonObject]]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A type of sinks: its server, and what has to be there before anything is delivered."""

    start: Callable[[], contextlib.AbstractContextManager[Program]]
    prepare: Callable[[Program], Prepared]
    fewer: int = 1


@contextlib.asynccontextmanager
async def _nats(server: Program) -> AsyncIterator[tuple[Brokers, JsonObject]]:
    url = f"nats://127.0.0.1:{server.port}"
    client = await nats.connect(url)
    await client.jetstream().add_stream(name=_PLACE, subjects=[f"{_PLACE}.>"])
    await client.close()
    broker = Broker(server=NatsServer(servers=[url]), allow=["*"])
    yield Brokers(nats={"main": broker}), {"subject": f"{_PLACE}.{{kind}}.{{namespace}}.{{name}}"}


@contextlib.asynccontextmanager
async def _kafka(server: Program) -> AsyncIterator[tuple[Brokers, JsonObject]]:
    address = f"127.0.0.1:{server.port}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(_PLACE, num_partitions=6)])[_PLACE].result(10)
    # Tansu has no idempotent producers while it keeps everything in memory.
    broker = Broker(server=KafkaServer(servers=[address], idempotent=False), allow=["*"])
    yield Brokers(kafka={"main": broker}), {"topic": _PLACE}


@contextlib.asynccontextmanager
async def _rabbit(server: Program) -> AsyncIterator[tuple[Brokers, JsonObject]]:
    url = f"amqp://guest:guest@127.0.0.1:{server.port}/"
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_queue(_PLACE, durable=True)
    yield Brokers(rabbit={"main": Broker(server=UrlServer(url), allow=["*"])}), {"routingKey": _PLACE}


@contextlib.asynccontextmanager
async def _redis(server: Program) -> AsyncIterator[tuple[Brokers, JsonObject]]:
    broker = Broker(server=UrlServer(f"redis://127.0.0.1:{server.port}/0"), allow=["*"])
    yield Brokers(redis={"main": broker}), {"stream": _PLACE}


@contextlib.asynccontextmanager
async def _sqs(server: Program) -> AsyncIterator[tuple[Brokers, JsonObject]]:
    account = _account(server)
    async with aws.client_of(account, "sqs", 60) as sqs:
        await sqs.create_queue(QueueName=f"{_PLACE}.fifo", Attributes={"FifoQueue": "true"})
    yield Brokers(aws={"main": Broker(server=account, allow=["*"])}), {"queue": f"{_PLACE}.fifo"}


@contextlib.asynccontextmanager
async def _sns(server: Program) -> AsyncIterator[tuple[Brokers, JsonObject]]:
    account = _account(server)
    async with aws.client_of(account, "sns", 60) as sns:
        made = await sns.create_topic(Name=f"{_PLACE}.fifo", Attributes={"FifoTopic": "true"})
    yield Brokers(aws={"main": Broker(server=account, allow=["*"])}), {"topic": made["TopicArn"]}


def _account(server: Program) -> AwsAccount:
    endpoint = f"http://127.0.0.1:{server.port}"
    return AwsAccount(region=_REGION, endpoint=endpoint, access_key_id="key", secret_access_key="secret")


_TRIED: Mapping[str, _Tried] = {
    "nats": _Tried(brokers.nats, _nats),
    "kafka": _Tried(brokers.kafka, _kafka),
    "rabbit": _Tried(brokers.rabbit, _rabbit),
    "redis": _Tried(brokers.redis, _redis),
    "sqs": _Tried(brokers.aws, _sqs, _SLOW),
    "sns": _Tried(brokers.aws, _sns, _SLOW),
}


def show(console: Console, result: Deliver) -> None:
    """Print the figures as a table."""
    tables.show(
        console,
        f"Deliver: batches of {result.batch} events, {result.bytes_each / 1000:.1f} kB each",
        ["", "events", "s", "events/s", "CPU of the engine, µs an event"],
        [
            [
                each.sink,
                str(each.events),
                f"{each.seconds:.1f}",
                f"{each.per_second:.0f}",
                f"{each.cpu_seconds / each.events * 1e6:.0f}",
            ]
            for each in result.sinks
        ],
    )
    for reason in result.missing:
        console.print(f"not measured: {reason}")

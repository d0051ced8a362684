"""Kafka: a record for each event, with its entity as the key, so that a compacted topic is a copy of the catalog."""

import asyncio
import functools
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Record

from callboard.builtin.sinks import brokers, messages
from callboard.builtin.sinks.brokers import Destination, KafkaServer
from callboard.builtin.sinks.messages import Message
from callboard.errors import Unreadable

_LIMIT = 1_000_000
"""A little less than brokers take unless they are told otherwise."""
_GATHERING_MS = 2
"""How long the library waits for more records to send together."""


def place(destination: Destination[KafkaServer]) -> str:
    """The topic. Raises InvalidInput."""
    return destination.text("topic")


async def connect(destination: Destination[KafkaServer]) -> brokers.Connection:
    """A producer, which connects with the first batch."""
    server, limit = destination.server, destination.limit(_LIMIT)
    # The library knows why it gives up, so it is to do so first; it looks once a second.
    milliseconds = int(max(destination.timeout_seconds - 1.5, destination.timeout_seconds / 2) * 1000)
    told = Told()
    protocol = ("SASL_" if server.username else "") + ("SSL" if server.tls else "PLAINTEXT")
    configuration: dict[str, str | int | bool | object] = {
        "bootstrap.servers": ",".join(server.servers),
        "client.id": "callboard",
        "security.protocol": protocol,
        "acks": "all",
        "enable.idempotence": server.idempotent,
        # Without idempotence, a second request on its way could overtake one that has to be repeated.
        "max.in.flight.requests.per.connection": 5 if server.idempotent else 1,
        # Where clients in Java look for a key.
        "partitioner": "murmur2_random",
        "linger.ms": _GATHERING_MS,
        "delivery.timeout.ms": milliseconds,
        "socket.timeout.ms": min(milliseconds, 300_000),
        "topic.metadata.propagation.max.ms": milliseconds,
        "message.max.bytes": max(limit + 4096, 1_048_576),
        "error_cb": told.note,
    }
    if server.username:
        configuration |= {
            "sasl.mechanism": server.mechanism,
            "sasl.username": server.username,
            "sasl.password": server.password or "",
        }
    if server.ca is not None:
        configuration["ssl.ca.location"] = str(server.ca)
    # What it logs, it says in errors as well.
    silent = logging.Logger("kafka", logging.CRITICAL + 1)
    return Topic(Producer(configuration, logger=silent), destination.text("topic"), limit, told)


@dataclass(slots=True)
class Told:
    """What the library says of its connections, beside what becomes of records."""

    reason: str = ""

    def note(self, error: KafkaError) -> None:
        """Remember it."""
        self.reason = error.str()


@dataclass(slots=True)
class Failures:
    """What became of records that were not taken."""

    first: tuple[Message, KafkaError] | None = None

    def note(self, message: Message, error: KafkaError | None, _record: Record) -> None:
        """Take down what became of one."""
        if error is not None and self.first is None:
            self.first = (message, error)


@dataclass(frozen=True, slots=True)
class Topic:
    """A producer, and a topic."""

    producer: Producer
    topic: str
    limit: int
    told: Told
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "kafka"))
    """The library's own way to wait blocks, and with many subscriptions it would block threads that others need."""

    async def publish(self, batch: Sequence[Message]) -> None:
        """Send all, then wait for all. Raises Unreadable with the first that was not taken."""
        await asyncio.get_running_loop().run_in_executor(self.thread, self._publish, batch)

    def _publish(self, batch: Sequence[Message]) -> None:
        failures = Failures()

        for message in messages.fitting(batch, self.limit):
            self.producer.produce(
                self.topic,
                key=message.ref,
                value=message.body,
                headers=list(message.headers("ce_").items()),
                on_delivery=functools.partial(failures.note, message),
            )
        self.producer.flush()
        if failures.first is not None:
            message, error = failures.first
            raise Unreadable(
                f"{message.ref} at offset {message.attributes['offset']} was not taken: {error.str()}"
                + (f"; {self.told.reason}" if self.told.reason else "")
            )

    async def close(self) -> None:
        """Throw away what was not sent, which ends waiting for it as well."""
        self.producer.purge()
        await asyncio.get_running_loop().run_in_executor(self.thread, self.producer.flush, 0.5)
        self.thread.shutdown(wait=False)

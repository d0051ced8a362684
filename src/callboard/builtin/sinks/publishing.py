"""What the sinks for all brokers have in common: whether a subscription may have one, and how a batch is published."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, cast

from callboard.builtin.sinks import messages
from callboard.builtin.sinks.brokers import (
    SETTING,
    AwsAccount,
    Broker,
    Client,
    Connection,
    Destination,
    KafkaServer,
    NatsServer,
    Server,
    UrlServer,
    let_go,
)
from callboard.errors import CallboardError, InvalidInput, NotAllowed, Unreadable
from callboard.extend import Event, EventSink, SinkKind, SinkTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerKind(Generic[Server]):
    """Makes the sinks of one type of brokers."""

    type: str
    extra: str
    """What has to be installed: `callboard[<extra>]`."""
    module: str
    """The Client."""
    options: Sequence[str]
    brokers: Mapping[str, Broker[Server]]
    source: str
    """What the events say they come from."""
    timeout_seconds: float = 20.0

    def check(self, target: SinkTarget) -> None:
        """Raise InvalidInput or NotAllowed for a target that can't be delivered to."""
        self._found(target)

    def open(self, target: SinkTarget) -> EventSink:
        """A sink that delivers to *target*."""
        client, destination = self._found(target)
        return BrokerSink(
            connect=lambda: client.connect(destination),
            source=self.source,
            generation=target.generation,
            timeout_seconds=self.timeout_seconds,
        )

    def _found(self, target: SinkTarget) -> tuple[Client[Server], Destination[Server]]:
        name = target.options.get("broker")
        broker = self.brokers.get(name) if isinstance(name, str) else None
        if broker is None:
            known = ", ".join(self.brokers) or "none"
            raise InvalidInput(
                f"request/body/sink/broker must name a broker of '{SETTING}' that a sink of the type {self.type} can"
                f" use; there is {known}"
            )
        client = self._client()
        destination = Destination(broker=broker, options=target.options, timeout_seconds=self.timeout_seconds)
        place = client.place(destination)
        if not broker.allows(place):
            raise NotAllowed(f"Delivering to '{place}' is not allowed: add it to '{SETTING}.{name}.allow'")
        return client, destination

    def _client(self) -> Client[Server]:
        try:
            return cast("Client[Server]", importlib.import_module(self.module))
        except ModuleNotFoundError as error:
            raise InvalidInput(
                f"this server can't deliver to a sink of the type {self.type}: it was installed without"
                f" callboard[{self.extra}] ({error})"
            ) from error


@dataclass(slots=True, kw_only=True)
class BrokerSink:
    """Publishes the events of one subscription.

    After any failure the connection is let go of. What waits in it can't overtake the events that come again then.
    """

    connect: Callable[[], Awaitable[Connection]]
    source: str
    generation: int
    timeout_seconds: float
    _connection: Connection | None = field(default=None, init=False)

    async def deliver(self, batch: Sequence[Event]) -> None:
        """Publish the *batch*; returns when the broker has acknowledged all of it. Raises Unreadable."""
        written = messages.written(batch, self.source, self.generation)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                if self._connection is None:
                    self._connection = await self.connect()
                await self._connection.publish(written)
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise Unreadable(f"not acknowledged within {self.timeout_seconds:g} s") from error
            if isinstance(error, CallboardError) or not isinstance(error, Exception):
                raise
            # The libraries have no error in common, and what they raise is all that an operator can go by.
            raise Unreadable(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await let_go(connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokers:
    """All that the configuration names, by the library that they need and their names."""

    nats: Mapping[str, Broker[NatsServer]] = field(default_factory=dict)
    kafka: Mapping[str, Broker[KafkaServer]] = field(default_factory=dict)
    rabbit: Mapping[str, Broker[UrlServer]] = field(default_factory=dict)
    redis: Mapping[str, Broker[UrlServer]] = field(default_factory=dict)
    aws: Mapping[str, Broker[AwsAccount]] = field(default_factory=dict)


def kinds(known: Brokers, source: str, timeout_seconds: float) -> Sequence[SinkKind]:
    """The kinds of sinks for brokers, also for those that the configuration names none of."""

    def kind(
        name: str, extra: str, options: Sequence[str], brokers: Mapping[str, Broker[Server]]
    ) -> BrokerKind[Server]:
        return BrokerKind(
            type=name,
            extra=extra,
            module=f"{__package__}.{name}",
            options=("broker", *options),
            brokers=brokers,
            source=source,
            timeout_seconds=timeout_seconds,
        )

    return [
        kind("nats", "nats", ["subject"], known.nats),
        kind("kafka", "kafka", ["topic"], known.kafka),
        kind("rabbit", "rabbit", ["exchange", "routingKey"], known.rabbit),
        kind("redis", "redis", ["stream", "maxLength"], known.redis),
        kind("sqs", "aws", ["queue", "ordered"], known.aws),
        kind("sns", "aws", ["topic", "ordered"], known.aws),
    ]

"""RabbitMQ: a persistent message for each event, confirmed by the broker, and refused if no queue would have it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aio_pika
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError

from callboard.builtin.sinks import brokers, messages
from callboard.builtin.sinks.brokers import Destination, UrlServer
from callboard.builtin.sinks.messages import Message
from callboard.errors import Unreadable

_LIMIT = 16 * 1024 * 1024
"""The broker's own, unless it is told otherwise."""


def place(destination: Destination[UrlServer]) -> str:
    """The exchange; without one the queue, which is the routing key then. Raises InvalidInput."""
    key = destination.pattern("routingKey")
    return destination.text("exchange") if "exchange" in destination.options else key


async def connect(destination: Destination[UrlServer]) -> brokers.Connection:
    """Connect once. A connection that breaks stays broken: events that were not confirmed come again."""
    connection = await aio_pika.connect(destination.server.url, timeout=destination.timeout_seconds)
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = channel.default_exchange
        if "exchange" in destination.options:
            exchange = await channel.get_exchange(destination.text("exchange"), ensure=True)
    except BaseException:
        await brokers.let_go(connection)
        raise
    return Exchange(connection, exchange, destination.text("routingKey"), destination.limit(_LIMIT))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A connection, and an exchange there."""

    connection: AbstractConnection
    exchange: AbstractExchange
    key: str
    limit: int

    async def publish(self, batch: Sequence[Message]) -> None:
        """Send all, then wait for all: a queue has what comes through one channel in its order."""
        await asyncio.gather(*(self._publish(message) for message in messages.fitting(batch, self.limit)))

    async def _publish(self, message: Message) -> None:
        sent = aio_pika.Message(
            message.body or b"",
            headers=dict(message.headers("cloudEvents_")),
            content_type=message.attributes.get("datacontenttype"),
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=message.attributes["id"],
            type=message.attributes["type"],
        )
        key = messages.routed(self.key, message.ref)
        try:
            await self.exchange.publish(sent, key, mandatory=True)
        except PublishError as error:
            raise Unreadable(f"no queue takes the routing key '{key}'") from error
        except DeliveryError as error:
            raise Unreadable(
                f"the broker has refused {message.ref} at offset {message.attributes['offset']}"
            ) from error

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

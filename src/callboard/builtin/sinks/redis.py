"""Redis Streams: an entry for each event, a batch in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.typing import EncodableT, FieldT

from callboard.builtin.sinks import brokers, messages
from callboard.builtin.sinks.brokers import Destination, UrlServer
from callboard.builtin.sinks.messages import Message

_LIMIT = 512 * 1024 * 1024
"""Of one value in Redis."""


def place(destination: Destination[UrlServer]) -> str:
    """The stream. Raises InvalidInput."""
    destination.count("maxLength")
    return destination.text("stream")


async def connect(destination: Destination[UrlServer]) -> brokers.Connection:
    """A connection, which is made with the first batch."""
    seconds = destination.timeout_seconds
    client = Redis.from_url(
        destination.server.url, socket_timeout=seconds, socket_connect_timeout=seconds, single_connection_client=True
    )
    return Stream(client, destination.text("stream"), destination.count("maxLength"), destination.limit(_LIMIT))


@dataclass(frozen=True, slots=True)
class Stream:
    """A connection, and a stream there."""

    client: Redis
    stream: str
    max_length: int | None
    limit: int

    async def publish(self, batch: Sequence[Message]) -> None:
        """Add all in one transaction, so that there is all of a batch or nothing."""
        async with self.client.pipeline(transaction=True) as pipeline:
            for message in messages.fitting(batch, self.limit):
                pipeline.xadd(self.stream, _fields(message), maxlen=self.max_length, approximate=True)
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connection."""
        await self.client.aclose()


def _fields(message: Message) -> dict[FieldT, EncodableT]:
    """The attributes, and the entity as `data`, which a tombstone has not."""
    fields: dict[FieldT, EncodableT] = dict(message.attributes.items())
    if message.body:
        fields["data"] = message.body
    return fields

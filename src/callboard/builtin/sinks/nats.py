"""NATS JetStream: a message for each event, with the acknowledgement of the stream that has stored it."""

import asyncio
import re
import ssl
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.errors import NoServersError
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import NoStreamResponseError

from callboard.builtin.sinks import brokers, messages
from callboard.builtin.sinks.brokers import Destination, NatsServer
from callboard.builtin.sinks.messages import Message
from callboard.errors import InvalidInput, Unreadable

_SUBJECT = re.compile(r"[^\s.*>]+(?:\.[^\s.*>]+)*")


def place(destination: Destination[NatsServer]) -> str:
    """The subject. Raises InvalidInput."""
    subject = destination.pattern("subject")
    if not _SUBJECT.fullmatch(subject):
        raise InvalidInput(f"request/body/sink/subject must be a subject without wildcards, found '{subject}'")
    return subject


async def connect(destination: Destination[NatsServer]) -> brokers.Connection:
    """Connect once. A connection that breaks stays broken: events that were not acknowledged come again."""
    server, lost = destination.server, Lost()
    client = Client()
    try:
        await client.connect(
            servers=list(server.servers),
            user=server.username,
            password=server.password,
            token=server.token,
            user_credentials=None if server.credentials is None else str(server.credentials),
            tls=None if server.ca is None else ssl.create_default_context(cafile=str(server.ca)),
            allow_reconnect=False,
            # Twice for each server; the library counts that among those, and without a number it never gives up.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=max(1, int(destination.timeout_seconds)),
            error_cb=lost.note,
            closed_cb=lost.tell,
        )
    except BaseException as error:
        # It leaves open what it could not use.
        await brokers.let_go(client)
        if isinstance(error, NoServersError):
            raise Unreadable(f"no server could be reached: {lost.reason}") from error
        raise
    limit = min(destination.limit(client.max_payload), client.max_payload)
    return Stream(client, client.jetstream(), destination.text("subject"), limit, lost)


@dataclass(slots=True)
class Lost:
    """Whether the connection is there no more, and why."""

    reason: str = ""
    event: asyncio.Event = field(default_factory=asyncio.Event)

    async def note(self, error: Exception) -> None:
        """Remember what has happened."""
        self.reason = f"{type(error).__name__}: {error}"

    async def tell(self) -> None:
        """Let nobody wait any longer."""
        self.event.set()

    async def acknowledged(self) -> list[PubAck]:
        """What comes instead of acknowledgements when it is gone: Unreadable."""
        await self.event.wait()
        raise Unreadable(f"the connection was lost: {self.reason or 'closed by the server'}")


@dataclass(frozen=True, slots=True)
class Stream:
    """A connection, and the subject that a stream keeps."""

    client: Client
    stream: JetStreamContext
    subject: str
    limit: int
    lost: Lost

    async def publish(self, batch: Sequence[Message]) -> None:
        """Send all, then wait for all: the server stores what comes on one connection in its order."""
        acks = [
            await self.stream.publish_async(
                messages.routed(self.subject, message.ref),
                message.body or b"",
                headers={"Nats-Msg-Id": message.id, **_escaped(message.headers("ce-"))},
            )
            for message in messages.fitting(batch, self.limit)
        ]
        stored, lost = asyncio.gather(*acks), asyncio.create_task(self.lost.acknowledged())
        for each in (stored, lost):
            # Without that, those whom nobody asks any more would be complained about.
            each.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.wait([stored, lost], return_when=asyncio.FIRST_COMPLETED)
            (stored if stored.done() else lost).result()
        except NoStreamResponseError as error:
            raise Unreadable(f"no stream of JetStream keeps the subject '{self.subject}'") from error
        finally:
            stored.cancel()
            lost.cancel()

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()


def _escaped(headers: dict[str, str]) -> dict[str, str]:
    """Headers in ASCII, in the way of CloudEvents: `%` and what is not printable is percent-encoded."""
    return {name: urllib.parse.quote(text, safe=_PRINTABLE) for name, text in headers.items()}


_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")

"""Message brokers that the configuration names, and where in them a subscription delivers to.

A subscription says the name of a broker and where in it its events belong; so nobody who may subscribe lets the server
connect anywhere, or write where the configuration does not allow it.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from callboard.builtin.sinks import messages
from callboard.builtin.sinks.messages import Message
from callboard.errors import InvalidInput
from callboard.extend import JsonObject

SETTING = "callboard.subscriptions.brokers"

_CLOSING = 1.0
"""Seconds."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsServer:
    """Where NATS is."""

    servers: Sequence[str]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials: Path | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaServer:
    """Where Kafka is."""

    servers: Sequence[str]
    tls: bool = False
    ca: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str = "SCRAM-SHA-512"
    idempotent: bool = True


@dataclass(frozen=True, slots=True)
class UrlServer:
    """Where RabbitMQ or Redis is: a URL with everything in it."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccount:
    """Where SQS and SNS are."""

    region: str
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)


Server = TypeVar("Server", NatsServer, KafkaServer, UrlServer, AwsAccount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker(Generic[Server]):
    """A broker as the configuration has it."""

    server: Server
    allow: Sequence[str]
    """Where in it may be delivered to; `*` stands for any text."""
    max_message_bytes: int | None = None
    """None: what is usual for its type."""

    def allows(self, place: str) -> bool:
        """Whether *place* is one that may be delivered to."""
        return any(re.fullmatch(".*".join(map(re.escape, each.split("*"))), place) for each in self.allow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination(Generic[Server]):
    """Where the messages of one subscription belong."""

    broker: Broker[Server]
    options: JsonObject
    """What the subscription says."""
    timeout_seconds: float

    @property
    def server(self) -> Server:
        """Where the broker is."""
        return self.broker.server

    def text(self, name: str) -> str:
        """The text that the subscription says under *name*. Raises InvalidInput."""
        value = self.options.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"request/body/sink/{name} must be string, and not empty")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Whether the subscription says yes under *name*. Raises InvalidInput."""
        value = self.options.get(name, default)
        if not isinstance(value, bool):
            raise InvalidInput(f"request/body/sink/{name} must be boolean")
        return value

    def count(self, name: str) -> int | None:
        """The number that the subscription says under *name*, if it says one. Raises InvalidInput."""
        value = self.options.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InvalidInput(f"request/body/sink/{name} must be integer >= 1")
        return value

    def pattern(self, name: str) -> str:
        """The text under *name*, which may have parts of refs in it. Raises InvalidInput."""
        value = self.text(name)
        for part in _PLACEHOLDER.findall(value):
            if part not in messages.PARTS:
                known = " and ".join(f"{{{each}}}" for each in messages.PARTS)
                raise InvalidInput(f"request/body/sink/{name} may have {known} in it, found '{{{part}}}'")
        return value

    def limit(self, usual: int) -> int:
        """The bytes that a message may have."""
        return self.broker.max_message_bytes or usual


class Closing(Protocol):
    """What can be closed."""

    async def close(self) -> None:
        """Let go of it."""
        ...


async def let_go(of: Closing) -> None:
    """Close what nothing depends on any more; it may fail, or wait for who does not answer."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_CLOSING):
            await of.close()


class Connection(Closing, Protocol):
    """An open connection to a broker."""

    async def publish(self, batch: Sequence[Message]) -> None:
        """Send the *batch*; returns when the broker has acknowledged all of it."""
        ...

    async def close(self) -> None:
        """Let go of it. What has not been sent is not sent any more."""
        ...


class Client(Protocol[Server]):
    """The module for one type of brokers, which is imported when such a sink is used: its library may be missing."""

    def place(self, destination: Destination[Server]) -> str:
        """What the configuration must allow. Raises InvalidInput for what can't be delivered to."""
        ...

    async def connect(self, destination: Destination[Server]) -> Connection:
        """Connect to the broker."""
        ...

"""What the catalog tells of subscriptions."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from callboard.client.results import Event


class Sink(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a subscription is delivered to."""

    type: str
    url: str | None = None
    """Of a webhook."""
    secret_count: int = 0
    """How many secrets there are. They themselves are never told."""
    connected: bool | None = None
    """Whether some engine has the handler of a plugin that this is; None when it is something else."""
    broker: str | None = None
    """The name of a message broker; one of the following says where in it events go."""
    subject: str | None = None
    topic: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    stream: str | None = None
    max_length: int | None = None
    queue: str | None = None
    ordered: bool = True
    """Whether what takes the events keeps their order."""

    @property
    def destination(self) -> str:
        """Where to, in short: a URL, or a type, a broker and a place in it."""
        if self.broker is None:
            return self.url or self.type
        place = self.subject or self.topic or self.exchange or self.routing_key or self.stream or self.queue
        return f"{self.type}:{self.broker}/{place}"


class Subscription(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cursor in the stream that the catalog keeps."""

    name: str
    state: Literal["active", "paused", "dead"]
    cursor: int
    """Everything up to this offset has been acknowledged."""
    epoch: str
    lag: int
    """How many changes are between the cursor and the head."""
    owner: str | None = None
    created_at: dt.datetime
    filter: Sequence[str] = ()
    query: dict[str, Any] | None = None
    fields: Sequence[str] = ()
    sink: Sink | None = None
    """None when consumers read it."""
    acked_at: dt.datetime | None = None
    leased_until: dt.datetime | None = None
    attempts: int = 0
    """How many times in a row its sink has failed."""
    failing_since: dt.datetime | None = None
    next_attempt_at: dt.datetime | None = None
    error: str | None = None
    """Why it is dead, or why its sink has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionBatch:
    """What a consumer is given."""

    events: Sequence[Event]
    held: bool
    """Whether another consumer is at it, so that there are no events and no lease."""
    lease: str | None
    """What to acknowledge with, and to read on with."""
    leased_until: dt.datetime | None
    cursor: int
    next_offset: int
    """What to acknowledge when all of it has been dealt with."""
    epoch: str
    caught_up: bool

"""Sinks: where the changes of the catalog are delivered to."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from callboard.model import json
from callboard.model.json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change as a sink gets it.

    *ref* is the key: events of one entity come in the order of their offsets, and the latest one says all that is to
    be known of it. An event without an *entity* is a tombstone.
    """

    epoch: str
    offset: int
    type: str
    """`added`, `updated` or `removed`; the first two may be treated alike."""
    ref: str
    uid: str
    at: dt.datetime
    entity: bytes | None
    """The entity, or what the subscription wants of it, as JSON; None when it is gone."""
    cause: str | None = None
    """What led to the change, as JSON."""
    left_filter: bool = False
    """The entity is still there, and no more among what the subscription is about."""

    @property
    def id(self) -> str:
        """The same at every delivery of this event, and of no other one."""
        return f"{self.epoch}.{self.offset}"

    def decoded(self) -> JsonObject | None:
        """The entity as an object; None when it is gone."""
        if self.entity is None:
            return None
        entity = json.decode(self.entity)
        assert isinstance(entity, dict)
        return entity


class EventSink(Protocol):
    """Takes the events of one subscription, batch by batch."""

    async def deliver(self, batch: Sequence[Event]) -> None:
        """Hand over the *batch*; returns when the receiver has it for good, be it the acknowledgement of a broker.

        Batches come one at a time, in order. After any exception, and after a crash, events come again from the first
        one of the batch on, perhaps in another one. `Gone` says that the receiver wants nothing ever again;
        `Unavailable` may know in `retry_after` when it is worth another try.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Nothing is delivered afterwards."""
        ...


@runtime_checkable
class SmallSteps(EventSink, Protocol):
    """A sink that had rather take a few events at a time: after each step it is written down how far it has come."""

    @property
    def at_once(self) -> int:
        """How many events it is given in one batch, at most."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkTarget:
    """Where a subscription delivers to."""

    subscription: str
    generation: int
    """Another one after the subscription was moved or changed: what was delivered before may come again."""
    options: JsonObject
    """What the subscription says about its sink, without secrets."""
    secrets: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"SinkTarget({self.subscription!r}, {self.options!r})"


class SinkKind(Protocol):
    """Makes the sinks of one type."""

    @property
    def type(self) -> str:
        """What `type` says in a subscription."""
        ...

    @property
    def options(self) -> Sequence[str]:
        """What else a subscription may say of its sink; `secrets` for what is kept back from readers."""
        ...

    def check(self, target: SinkTarget) -> None:
        """Raise InvalidInput or NotAllowed for a target that can't be delivered to. Asks nobody."""
        ...

    def open(self, target: SinkTarget) -> EventSink:
        """A sink that delivers to *target*. Connections are made when the first batch comes."""
        ...

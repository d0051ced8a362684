"""Events as brokers get them: a key, the attributes of a CloudEvent, and the entity as the body.

Where a broker has headers, they hold the attributes, and the body is the entity alone (the binary mode of CloudEvents).
Where it has none to speak of, the body is the whole event (the structured mode).
"""

import dataclasses
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from callboard.extend import EntityRef, Event, cloud_events
from callboard.model import json

_PART = 8
"""Bytes that a broker adds to a header, about."""

PARTS = ("kind", "namespace", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An event for a broker."""

    ref: str
    """The key."""
    id: str
    """What a broker may know a repetition by."""
    attributes: Mapping[str, str]
    """Those of the CloudEvent."""
    body: bytes | None
    """The entity; None for a tombstone, and empty where it is too large."""

    def headers(self, prefix: str) -> dict[str, str]:
        """The attributes as headers. The media type has a name that everybody knows."""
        named = {f"{prefix}{name}": text for name, text in self.attributes.items() if name != "datacontenttype"}
        return named if self.body is None else {**named, "content-type": cloud_events.JSON}

    @property
    def structured(self) -> bytes:
        """The whole event as one JSON text. What has been left out is not null."""
        head = json.encode(dict(self.attributes))
        return head if self.body == b"" else b'%b,"data":%b}' % (head[:-1], self.body or b"null")

    @property
    def size(self) -> int:
        """Bytes, about, and rather too many, of a message with headers."""
        headers = sum(len(name) + len(text.encode()) + _PART for name, text in self.attributes.items())
        return headers + len(self.ref.encode()) + len(self.id) + len(self.body or b"") + 100

    @property
    def without_body(self) -> "Message":
        """The same with a `dataref` in the place of the entity: where the catalog has it."""
        if self.body is None:
            return self
        named = {name: text for name, text in self.attributes.items() if name != "datacontenttype"}
        return replace(self, body=b"", attributes={**named, "dataref": _address(self.attributes["source"], self.ref)})


def written(batch: Sequence[Event], source: str, generation: int) -> list[Message]:
    """The messages of a *batch*.

    The first event of an entity has an id that is the same when the batch comes again, so that brokers may pass over
    it; the others have a new one each time. A broker that forgets ids after a while might otherwise take the first one
    for new, and the last one for a repetition, and end with what is out of date.
    """
    seen: set[str] = set()
    messages = []
    for event in batch:
        own = f"{generation}.{event.id}"
        messages.append(
            Message(
                ref=event.ref,
                id=f"{own}.{uuid.uuid4().hex}" if event.ref in seen else own,
                attributes=cloud_events.attributes(event, source),
                body=event.entity,
            )
        )
        seen.add(event.ref)
    return messages


def fitting(messages: Sequence[Message], limit: int | None) -> list[Message]:
    """The *messages*, without the bodies of those that have more than *limit* bytes."""
    return [each if limit is None or each.size <= limit else each.without_body for each in messages]


def routed(pattern: str, ref: str) -> str:
    """The subject or routing key for an entity: *pattern*, with the parts of its ref for `{kind}` and the like.

    What would mean something else there is escaped: `.` in a name is `%2E`.
    """
    for name, text in zip(PARTS, dataclasses.astuple(EntityRef.parse(ref)), strict=True):
        pattern = pattern.replace(f"{{{name}}}", urllib.parse.quote(text, safe="").replace(".", "%2E"))
    return pattern


def _address(source: str, ref: str) -> str:
    kind, namespace, name = (urllib.parse.quote(part, safe="") for part in dataclasses.astuple(EntityRef.parse(ref)))
    return f"{source}/entities/by-name/{kind}/{namespace}/{name}"

"""Answers: how the JSON that the catalog sends becomes values. Raises msgspec.DecodeError for anything else."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast

import msgspec

from callboard.client.results import (
    Ancestor,
    Ancestry,
    Cause,
    Entity,
    EntityHistory,
    EntityPage,
    EntityVersion,
    Event,
    EventPage,
    Facet,
    Facets,
    Listing,
)
from callboard.model.changes import ChangeType

_Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server sent."""

    status: int
    content: bytes
    offset: int = 0
    """The offset of the stream that it was read at; 0 when the server does not know any."""
    retry_after: float | None = None
    """Seconds after which the server wants to be asked again."""
    etag: str | None = None
    """The version of what was sent, as far as the server says it."""
    replayed: bool = False
    """Whether it is the answer to an earlier request with the same idempotency key."""

    @classmethod
    def received(cls, status: int, content: bytes, headers: Mapping[str, str]) -> Self:
        """The answer with these headers."""
        offset, retry_after = headers.get("callboard-offset", ""), headers.get("retry-after", "")
        return cls(
            status=status,
            content=content,
            offset=int(offset) if offset.isdecimal() else 0,
            # It may be a date as well, which says nothing to whoever has another clock.
            retry_after=float(retry_after) if retry_after.isdecimal() else None,
            etag=headers.get("etag"),
            replayed=headers.get("idempotency-replayed") == "true",
        )


class Cursors(msgspec.Struct, rename="camel"):
    """Where the neighbours of a page are."""

    next_cursor: str | None = None
    prev_cursor: str | None = None


class _Page(msgspec.Struct, rename="camel"):
    items: list[_Object]
    total_items: int
    page_info: Cursors


class _Batch(msgspec.Struct):
    items: list[_Object | None]


class _Facets(msgspec.Struct):
    facets: dict[str, list[Facet]]


class _Ancestor(msgspec.Struct, rename="camel"):
    entity: _Object
    parent_entity_refs: list[str]


class _Ancestry(msgspec.Struct, rename="camel"):
    root_entity_ref: str
    items: list[_Ancestor]


class _Event(msgspec.Struct, rename="camel"):
    offset: int
    type: ChangeType
    entity_ref: str
    uid: str
    at: dt.datetime
    entity: _Object | None = None
    cause: Cause | None = None
    reason: str | None = None


class _Events(msgspec.Struct, rename="camel"):
    events: list[msgspec.Raw]
    last_event_offset: int
    next_offset: int
    epoch: str
    caught_up: bool
    began: int | None = None


class _Version(msgspec.Struct):
    offset: int
    type: ChangeType
    uid: str
    at: dt.datetime
    cause: Cause | None = None
    etag: str | None = None
    entity: _Object | None = None
    patch: list[_Object] | None = None


class _Rest(msgspec.Struct, rename="camel"):
    next_before: int | None = None


class _History(msgspec.Struct, rename="camel"):
    items: list[_Version]
    page_info: _Rest


def entity(answer: Answer) -> Entity:
    """One entity."""
    return cast("Entity", msgspec.json.decode(answer.content, type=_Object))


def entities(answer: Answer) -> Listing[Entity]:
    """A list of entities."""
    return Listing(cast("list[Entity]", msgspec.json.decode(answer.content, type=list[_Object])), offset=answer.offset)


def batch(answer: Answer) -> Listing[Entity | None]:
    """Entities in the order of the refs that were asked for."""
    found = msgspec.json.decode(answer.content, type=_Batch).items
    return Listing(cast("list[Entity | None]", found), offset=answer.offset)


def joined(batches: Sequence[Listing[Entity | None]]) -> Listing[Entity | None]:
    """Batches as one, at the lowest of their offsets: whoever follows from there misses nothing."""
    offset = min((batch.offset for batch in batches), default=0)
    return Listing((item for batch in batches for item in batch), offset=offset)


def page(answer: Answer) -> EntityPage:
    """A page of a query."""
    page = msgspec.json.decode(answer.content, type=_Page)
    return EntityPage(
        items=cast("list[Entity]", page.items),
        total=page.total_items,
        offset=answer.offset,
        next_cursor=page.page_info.next_cursor,
        previous_cursor=page.page_info.prev_cursor,
    )


def facets(answer: Answer) -> Facets:
    """The facets."""
    return msgspec.json.decode(answer.content, type=_Facets).facets


def ancestry(answer: Answer) -> Ancestry:
    """An entity and its ancestors."""
    ancestry = msgspec.json.decode(answer.content, type=_Ancestry)
    return Ancestry(
        ancestry.root_entity_ref,
        [Ancestor(cast("Entity", item.entity), item.parent_entity_refs) for item in ancestry.items],
    )


def nothing(answer: Answer) -> None:
    """An answer that says no more than its status."""


def visible(answer: Answer) -> int:
    """The offset at which readers see what the call has done."""
    return answer.offset


def event_page(answer: Answer) -> EventPage:
    """A piece of the stream."""
    page = msgspec.json.decode(answer.content, type=_Events)
    return EventPage(
        events=[_event(bytes(source)) for source in page.events],
        last_event_offset=page.last_event_offset,
        next_offset=page.next_offset,
        epoch=page.epoch,
        caught_up=page.caught_up,
        began=page.began,
    )


def _event(source: bytes) -> Event:
    event = msgspec.json.decode(source, type=_Event)
    return Event(
        offset=event.offset,
        type=event.type,
        ref=event.entity_ref,
        uid=event.uid,
        at=event.at,
        entity=cast("Entity | None", event.entity),
        cause=event.cause,
        reason=event.reason,
        source=source,
    )


def history(answer: Answer) -> EntityHistory:
    """Some of the changes of an entity."""
    history = msgspec.json.decode(answer.content, type=_History)
    return EntityHistory([_version(item) for item in history.items], history.page_info.next_before)


def _version(version: _Version) -> EntityVersion:
    return EntityVersion(
        offset=version.offset,
        type=version.type,
        uid=version.uid,
        at=version.at,
        cause=version.cause,
        etag=version.etag,
        entity=cast("Entity | None", version.entity),
        patch=version.patch,
    )

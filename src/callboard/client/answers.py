"""Answers: how the JSON that the catalog sends becomes values. Raises msgspec.DecodeError for anything else."""

import datetime as dt
from typing import Any, TypeAlias, cast

import msgspec

from callboard.client.results import Entity, EntityPage, Event, EventPage, Facet, Facets, Location
from callboard.model.changes import ChangeType

_Object: TypeAlias = dict[str, Any]


class _Cursors(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None
    prev_cursor: str | None = None


class _Page(msgspec.Struct, rename="camel"):
    items: list[_Object]
    total_items: int
    page_info: _Cursors
    last_event_offset: int = 0


class _Facets(msgspec.Struct):
    facets: dict[str, list[Facet]]


class _Location(msgspec.Struct, rename="camel"):
    id: str
    type: str
    target: str
    entity_ref: str | None = None


class _Registered(msgspec.Struct):
    location: _Location


class _Listed(msgspec.Struct):
    data: _Location


class _Event(msgspec.Struct, rename="camel"):
    offset: int
    type: ChangeType
    entity_ref: str
    uid: str
    at: dt.datetime
    entity: _Object | None = None
    cause: _Object | None = None
    reason: str | None = None


class _Events(msgspec.Struct, rename="camel"):
    events: list[msgspec.Raw]
    last_event_offset: int
    next_offset: int
    epoch: str
    caught_up: bool


def entity(content: bytes) -> Entity:
    """One entity."""
    return cast("Entity", msgspec.json.decode(content, type=_Object))


def entities(content: bytes) -> list[Entity]:
    """A list of entities."""
    return cast("list[Entity]", msgspec.json.decode(content, type=list[_Object]))


def page(content: bytes) -> EntityPage:
    """A page of a query."""
    page = msgspec.json.decode(content, type=_Page)
    return EntityPage(
        items=cast("list[Entity]", page.items),
        total=page.total_items,
        offset=page.last_event_offset,
        next_cursor=page.page_info.next_cursor,
        previous_cursor=page.page_info.prev_cursor,
    )


def facets(content: bytes) -> Facets:
    """The facets."""
    return msgspec.json.decode(content, type=_Facets).facets


def _location(location: _Location) -> Location:
    return Location(id=location.id, type=location.type, target=location.target, entity_ref=location.entity_ref)


def locations(content: bytes) -> list[Location]:
    """The registered locations."""
    return [_location(listed.data) for listed in msgspec.json.decode(content, type=list[_Listed])]


def registered(content: bytes) -> Location:
    """The location that has been registered."""
    return _location(msgspec.json.decode(content, type=_Registered).location)


def nothing(content: bytes) -> None:
    """An answer that says no more than its status."""


def event_page(content: bytes) -> EventPage:
    """A piece of the stream."""
    page = msgspec.json.decode(content, type=_Events)
    return EventPage(
        events=[_event(bytes(source)) for source in page.events],
        last_event_offset=page.last_event_offset,
        next_offset=page.next_offset,
        epoch=page.epoch,
        caught_up=page.caught_up,
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

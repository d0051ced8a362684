"""What the catalog answers, as values.

Entities are the dicts that the catalog sent, with all their fields; the types only say what is known about them.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypedDict

from callboard.model.changes import ChangeType
from callboard.model.json import JsonObject


class EntityLink(TypedDict, total=False):
    """A link in the metadata of an entity."""

    url: str
    title: str
    icon: str
    type: str


class EntityMetadata(TypedDict, total=False):
    """What every entity may say about itself."""

    name: str
    namespace: str
    uid: str
    etag: str
    title: str
    description: str
    labels: dict[str, str]
    annotations: dict[str, str]
    tags: list[str]
    links: list[EntityLink]


class EntityRelation(TypedDict):
    """One end of a relation, seen from the entity that holds it."""

    type: str
    targetRef: str


class Entity(TypedDict, total=False):
    """An entity, or the parts of it that `fields` asked for."""

    apiVersion: str
    kind: str
    metadata: EntityMetadata
    spec: JsonObject
    relations: list[EntityRelation]
    status: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPage:
    """Some of the entities that a query found."""

    items: Sequence[Entity]
    total: int
    """How many there are on all pages; 0 when they were not to be counted."""
    offset: int
    """The offset of the stream at which the page was read."""
    next_cursor: str | None
    previous_cursor: str | None


@dataclass(frozen=True, slots=True)
class Facet:
    """A value that entities have, and how many have it."""

    value: str
    count: int


Facets: TypeAlias = Mapping[str, Sequence[Facet]]
"""The values of each field that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A registered location. *entity_ref* is the Location entity that stands for it."""

    id: str
    type: str
    target: str
    entity_ref: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of the catalog. Treat `added` and `updated` alike: put the entity where it belongs."""

    offset: int
    type: ChangeType
    ref: str
    uid: str
    at: dt.datetime
    entity: Entity | None
    """None when it was removed."""
    cause: JsonObject | None
    reason: str | None
    """Why it counts as removed though it is still there, for example `left-filter`."""
    source: bytes = field(repr=False)
    """The event as it was received: JSON in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """A piece of the stream."""

    events: Sequence[Event]
    last_event_offset: int
    """The head of the stream."""
    next_offset: int
    """Where to go on."""
    epoch: str
    caught_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """Everything up to *offset* has been delivered: store it with its epoch, and go on from there at any time."""

    offset: int
    epoch: str
    caught_up: bool
    """Whether that was the head of the stream."""

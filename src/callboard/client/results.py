"""What the catalog answers, as values.

Entities are the dicts that the catalog sent, with all their fields; the types only say what is known about them.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict, TypeVar

import msgspec

from callboard.client.claim_results import Holder
from callboard.model.changes import ChangeType
from callboard.model.json import JsonObject

T = TypeVar("T")


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


class Listing(list[T]):
    """A list, and the offset of the stream at which it was read."""

    __slots__ = ("offset",)

    def __init__(self, items: Iterable[T], *, offset: int) -> None:
        super().__init__(items)
        self.offset = offset


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


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An entity, and the refs of those that emitted it."""

    entity: Entity
    parent_refs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """All that led to an entity: itself first, what a source delivered last."""

    root_ref: str
    items: Sequence[Ancestor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A registered location. *entity_ref* is the Location entity that stands for it."""

    id: str
    type: str
    target: str
    entity_ref: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationPage:
    """Some of the locations that a query found."""

    items: Sequence[Location]
    total: int
    """How many there are on all pages."""
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class AddedLocation:
    """A location that was registered, or that would be."""

    location: Location
    entities: Sequence[Entity]
    """What would come from it, after a dry run."""
    exists: bool | None
    """Whether it was registered before, where the server says so."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with an entity."""

    name: str
    message: str
    cause: "Problem | None" = None


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether the catalog would take an entity, and why not."""

    valid: bool
    errors: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntity:
    """An entity that is in a catalog file already. *type* and *target* say where the file is."""

    type: str
    target: str
    is_registered: bool
    entity: Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldAdvice:
    """What an analysis says about one field of an entity that it has drafted."""

    field: str
    state: Literal["analysisSuggestedValue", "analysisSuggestedNoValue", "needsUserInput"]
    value: str | None
    description: str


@dataclass(frozen=True, slots=True)
class DraftedEntity:
    """An entity that might describe a location, and what to know about its fields."""

    entity: Entity
    fields: Sequence[FieldAdvice]


@dataclass(frozen=True, slots=True)
class LocationAnalysis:
    """What there is at a location: entities in its files, or else drafts."""

    found: Sequence[FoundEntity]
    drafted: Sequence[DraftedEntity]


class Cause(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What led to a change. What is None is not known, or not for this reader, or there is nothing of the kind."""

    source: str | None = None
    """`provider:<name>` or `entity:<ref>`: who has the entity, or let go of it."""
    location: str | None = None
    """Where it comes from, or came from."""
    location_id: str | None = None
    """The registered location that was removed or points elsewhere now."""
    because: str | None = None
    """`changed`, `refresh`, `withdrawn` and so on, or a text for people."""
    by: str | None = None
    """Who asked for it: a user's ref, or the subject of a service."""
    neighbour: str | None = None
    """The ref of an entity that has got other relations."""
    conflict: Sequence[Holder] = ()
    """Who else offers the entity."""


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
    cause: Cause | None
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
    began: int | None = None
    """Goes with the offset until the reader has caught up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityVersion:
    """One change in the history of an entity."""

    offset: int
    type: ChangeType
    uid: str
    at: dt.datetime
    cause: Cause | None
    etag: str | None
    """None when it was removed."""
    entity: Entity | None
    """What it was from then on, if that was asked for and it was not removed."""
    patch: Sequence[JsonObject] | None
    """The JSON Patch that makes it out of what it was before, on the same conditions."""


@dataclass(frozen=True, slots=True)
class EntityHistory:
    """Some of the changes of an entity, newest first."""

    items: Sequence[EntityVersion]
    next_before: int | None
    """Before which offset to go on; None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """Everything up to *offset* has been delivered: store it with the rest, and go on from there at any time."""

    offset: int
    epoch: str
    caught_up: bool
    """Whether that was the head of the stream."""
    began: int | None = None
    """Goes with the offset until the reader has caught up: an old offset alone may be refused."""

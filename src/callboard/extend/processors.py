"""Processors: what happens to one entity between ingestion and stitching.

For each entity the steps run in this order, each over all processors in the order of their registration:
pre_process, policies, validate_kind, read_location (for Locations), post_process.
A step that a processor does not override costs nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from callboard.extend.readers import Reader
from callboard.model.documents import RawEntity
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef, LocationRef


class Relation(NamedTuple):
    """A directed, typed edge between two entities, canonical refs on both sides."""

    source: str
    type: str
    target: str


@dataclass(frozen=True, slots=True)
class Child:
    """An entity that came out of processing another one, and the key under which it is claimed."""

    entity: JsonObject
    location: LocationRef
    location_key: str | None
    line: int | None = None
    """Where it begins in the file at *location*, counted from 1. Shown with its errors; no part of the entity."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One entity's way through the steps: what is known about it, and everything that the processors emit.

    Nothing that is emitted takes effect unless the whole run ends without errors, but for refresh keys: what could not
    be used is worth another look when it changes.
    """

    ref: EntityRef
    location: LocationRef
    """Where the entity was read from."""
    origin: LocationRef
    """The location at the root of the chain that led here."""
    known: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the last good run remembered. Empty when the entity, the rules or the processors have changed since."""

    remembered: dict[str, JsonValue] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    standing: set[str] = field(default_factory=set)
    relations: set[Relation] = field(default_factory=set)
    refresh_keys: set[str] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)
    outside: bool = False

    def emit_entity(self, entity: JsonObject, *, location: LocationRef | None = None, line: int | None = None) -> None:
        """Claim that *entity* exists. It was read at *location* (default: where this one was), from *line* on."""
        at = location or self.location
        self.children.append(Child(entity, at, str(at), line))

    def emit_standing(self, location: LocationRef) -> None:
        """All children that earlier runs read at *location* stand as they are: it was not modified."""
        self.standing.add(str(location))

    def emit_relation(self, relation: Relation) -> None:
        """Add a relation between any two entities; it lives as long as this entity emits it."""
        self.relations.add(relation)

    def emit_refresh_key(self, key: str) -> None:
        """Process this entity again whenever something announces that *key* has changed, e.g. `url:https://…`."""
        self.refresh_keys.add(key)

    def emit_error(self, error: Exception) -> None:
        """Fail this run; the remaining targets are still tried, so that all errors show at once."""
        self.errors.append(error)

    def remember(self, key: str, value: JsonValue) -> None:
        """Keep a small value for the next run, which finds it in `known`."""
        self.remembered[key] = value

    def depend_on_outside(self) -> None:
        """The result depends on more than the entity: process it again on the interval."""
        self.outside = True


class Processor:
    """Base of all processors: every step passes the entity through.

    *version* is part of every result: raise it when the same entity would come out differently, and everything is
    processed once more after the deploy.
    """

    name: str
    version: str = "1"

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Complete the entity before it is validated; may change it in place. Raise to reject it."""
        return entity

    async def validate_kind(self, entity: JsonObject, run: Run) -> bool:
        """True: a kind of mine, and valid. False: not mine. Raise InvalidEntity: mine, but not valid."""
        return False

    async def read_location(self, location: LocationRef, run: Run, *, optional: bool) -> bool:
        """Read *location* and emit what is there. True when this type of location is mine.

        *optional* silences LocationNotFound.
        """
        return False

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Emit relations, children and so on for a valid entity; may change it in place."""
        return entity


class PlaceholderResolver(Protocol):
    """Gives the value that replaces `{"$key": value}`."""

    key: str
    """Without the dollar sign."""

    def resolve(self, data: bytes, target: str) -> JsonValue:
        """The value for a placeholder whose target held *data*. Raises InvalidDocument."""
        ...


class Files(Protocol):
    """The other files that a resolver may read: those of the repository or folder tree that the entity belongs to.

    There are limits on their number and on what they hold together. The entity is processed again when one changes.
    """

    async def read(self, relative: str, base: str) -> tuple[str, bytes]:
        """The target that *relative* names in the file at *base*, and its content. Raises what `Reader` does."""
        ...


class FollowingResolver(Protocol):
    """A PlaceholderResolver for content that refers to other files."""

    key: str
    """Without the dollar sign."""

    async def follow(self, data: bytes, target: str, files: Files) -> JsonValue:
        """The value for a placeholder whose target held *data*. Raises InvalidDocument, and what `Files.read` does."""
        ...


Resolver = PlaceholderResolver | FollowingResolver

Readers = Mapping[str, Reader]
"""The readers of an installation by location type."""

ParseEntities = Callable[[bytes, LocationRef], list[RawEntity]]
"""Turns the content of a location into raw entities. Raises InvalidDocument."""

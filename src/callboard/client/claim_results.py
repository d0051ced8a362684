"""What the catalog tells of claims: who holds what, what would go with it, and how an entity has come about.

These are read from the answers as they are; fields that a newer catalog adds are left out.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

State: TypeAlias = Literal["visible", "failing", "failed", "pending"]
"""Whether readers see an entity: yes; its last good version; not yet, since it never was good; not yet."""

Role: TypeAlias = Literal["winner", "equal", "rival"]
"""What a claim is to its entity: its content is processed; it has the winner's location key; it has another one."""


class Holder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who claims an entity: `provider:<name>` or `entity:<ref>`. None where the caller may not know."""

    source: str | None
    location_key: str | None = None


class RemovedEntity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What would be removed."""

    entity_ref: str
    uid: str


class KeptEntity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What hangs below something that would be removed, and would stay."""

    entity_ref: str
    because: Sequence[Holder]
    """Who claims it then."""
    orphan: bool
    """Whether nobody does."""


class ReturningEntity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What would be removed, and would come back."""

    entity_ref: str
    because: Sequence[Holder]
    """Who brings it back."""


class Removal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a removal would lead to."""

    removed: Sequence[RemovedEntity]
    kept: Sequence[KeptEntity]
    returns: Sequence[ReturningEntity]
    hidden: int
    """How many other entities are meant, which the caller may not see."""


class Rival(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who offers an entity in vain."""

    source: str
    location_key: str | None
    patch: Sequence[dict[str, Any]] | None = None
    """The JSON Patch from the content of the winner to this one; None when the caller could not see that."""


class EntityConflict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entity that several sources claim under different location keys."""

    entity_ref: str
    winner: Holder
    rivals: Sequence[Rival]
    hidden: int
    """How many rivals the caller may not see."""


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """Some of the conflicts."""

    items: Sequence[EntityConflict]
    total: int
    """How many there are on all pages."""
    next_cursor: str | None


class Claim(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A claim on an entity."""

    source: str
    location_key: str | None
    role: Role
    line: int | None = None
    """Where in its file the entity begins, if that is known."""


class ChainEdge(Claim, frozen=True, kw_only=True, rename="camel"):
    """A claim on one of the entities that lead to another one."""

    entity_ref: str


class ChainNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entity, or a provider, on the way to an entity."""

    source: str
    state: State | None = None
    """None for a provider."""
    orphan: bool = False


class Chains(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The ways from the providers to an entity: itself first, then those above it, nearest first."""

    nodes: Sequence[ChainNode]
    edges: Sequence[ChainEdge]


class LastRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When an entity was processed, why, and what that came to."""

    at: dt.datetime
    because: str | None
    outcome: Literal["changed", "unchanged", "failed"] | None


class NextRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When an entity is due, why, and how urgently."""

    at: dt.datetime
    because: str | None
    priority: Literal["asked", "changed", "periodic"]
    attempts: int
    """How many runs have failed in a row."""


class ProcessingState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How an entity stands with the workers."""

    last: LastRun | None
    next: NextRun | None
    """None: only a change or a request makes it due."""
    waiting: bool
    """Whether it is due and no worker has it."""
    held_until: dt.datetime | None
    """Until when a worker has it."""


class StitchingState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How an entity stands with the stitchers."""

    next: dt.datetime | None
    """None: it is not marked."""
    waiting: bool
    held_until: dt.datetime | None


class EmittedRelation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A relation that an entity has emitted, in either direction."""

    source_ref: str
    type: str
    target_ref: str


class Emitted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the last good run of an entity has emitted."""

    children: Sequence[str]
    relations: Sequence[EmittedRelation]
    refresh_keys: Sequence[str]


class OffsetRange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where in the stream readers have got an entity, and where it has changed last."""

    first: int
    last: int


class Contest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who has won an entity, and who else claims it under another location key."""

    winner: Holder
    rivals: Sequence[Holder]


class Explanation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All that is known of one entity."""

    entity_ref: str
    uid: str
    etag: str | None
    state: State
    orphan: bool
    discovered_at: dt.datetime
    offsets: OffsetRange | None
    """None while readers can't see it."""
    claims: Sequence[Claim]
    """All claims on it, in the order in which they came."""
    conflict: Contest | None
    chains: Chains
    processing: ProcessingState
    stitching: StitchingState
    emitted: Emitted
    errors: Sequence[dict[str, Any]]
    """What was wrong in its last run: name, message, and what else is known of each."""
    hidden: int
    """How many other entities belong here that the caller may not see."""

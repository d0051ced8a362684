"""What the catalog answers about providers, and about what they write."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from callboard.client.claim_results import Holder
from callboard.client.results import Entity
from callboard.model.json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """What a provider handed over last."""

    at: dt.datetime
    full: bool
    """Whether it was all that the provider has."""
    offered: int
    changed: int
    removed: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A mutation that the removal guard refused, since it would have withdrawn too much."""

    at: dt.datetime
    reason: str
    held: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """How far an incremental provider has come."""

    round: int
    """The present round, counted from 1."""
    pages: int
    """How many pages of the present round are stored."""
    started_at: dt.datetime
    """When the first of them was; until then, when that of the last round was."""
    completed_at: dt.datetime | None
    """When the last whole round ended."""
    error: str | None
    """Why the next page could not be had, the last time that this was tried."""
    failures: int
    """How many times in a row that was."""
    next_at: dt.datetime | None
    """When the next page is asked for. None: when somebody triggers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A source of entities."""

    name: str
    kind: Literal["engine", "http"]
    owner: str | None
    """Who alone may write for it; None where nobody has to log in, and for those of the engines."""
    created_at: dt.datetime
    entities: int
    """How many it has now."""
    last_mutation: Mutation | None
    refused: Refusal | None
    let_through: bool
    """Whether the next mutation that the guard would refuse may pass."""
    ingestion: Ingestion | None = None
    """None for a provider that is not incremental."""


@dataclass(frozen=True, slots=True)
class WrittenEntity:
    """An entity as its provider wrote it, and the version that `if_match` wants."""

    entity: Entity
    etag: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """An entity of a set that could not be taken over: its row, counted from 1, and its ref if that can be told."""

    row: int
    reason: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a dry run would do to one entity."""

    ref: str
    change: Literal["added", "changed", "removed"]
    patch: Sequence[JsonObject] | None = None
    """The JSON Patch that makes the new content out of the old one."""


@dataclass(frozen=True, slots=True)
class FailureReason:
    """One of the errors of an entity, and where its cause is, as far as that is known."""

    name: str
    message: str
    location: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An entity whose last processing failed."""

    ref: str
    visible: bool
    """Whether readers see an earlier version of it."""
    errors: Sequence[FailureReason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a part of the catalog has come. Each entity is settled, pending or failed."""

    state: Literal["settled", "pending"]
    """`settled` when nothing is left to do, be it that some have failed."""
    entities: int
    settled: int
    pending: int
    failed: int
    conflicts: int
    """Entities that another source offers as well."""
    offset: int
    """At or before this offset all of it is visible, once it has settled."""
    failures: Sequence[Failure]
    """The first hundred of those that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a provider's writing has done, or would do."""

    provider: str
    entities: int
    """How many the provider has afterwards."""
    added: int
    changed: int
    removed: int
    unchanged: int
    rejected: Sequence[Rejection]
    """The first hundred of those that could not be taken over."""
    rejected_count: int
    conflicts: Sequence[str]
    """The refs of those that another source keeps, a hundred at most."""
    offset: int
    etag: str | None
    """The version of the entity, when a single one was written."""
    replayed: bool
    """Whether this is the answer to an earlier request with the same idempotency key."""
    status: Status | None
    """How far it has come, if that was waited for."""
    dry_run: bool
    difference: Sequence[Difference] = field(repr=False)
    """What would change, after a dry run; the first thousand entities."""
    difference_count: int
    refused: str | None
    """Why the removal guard would refuse it, after a dry run."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What was read again, and what came of it."""

    ref: str
    refreshed: Sequence[str]
    """The entity and all Locations above it."""
    status: Status


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Who has an entity now, and how far it has come with that."""

    ref: str
    winner: Holder
    status: Status

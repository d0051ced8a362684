"""Answers about providers, and about what they write."""

import datetime as dt
from typing import Any, Literal, TypeAlias, cast

import msgspec

from callboard.client.answers import Answer
from callboard.client.claim_results import Holder
from callboard.client.provider_results import (
    Difference,
    Failure,
    FailureReason,
    HandedOver,
    Ingestion,
    Mutation,
    Provider,
    Pushed,
    Refreshed,
    Refusal,
    Rejection,
    Status,
    WrittenEntity,
)
from callboard.client.results import Entity

_Object: TypeAlias = dict[str, Any]


class _Mutation(msgspec.Struct):
    at: dt.datetime
    full: bool
    offered: int
    changed: int
    removed: int
    rejected: int


class _Refusal(msgspec.Struct):
    at: dt.datetime
    reason: str
    held: int
    removed: int


class _Ingestion(msgspec.Struct, rename="camel"):
    round: int
    pages: int
    started_at: dt.datetime
    next_at: dt.datetime | None
    completed_at: dt.datetime | None = None
    error: str | None = None
    failures: int = 0


class _Provider(msgspec.Struct, rename="camel"):
    name: str
    kind: Literal["engine", "http"]
    created_at: dt.datetime
    entities: int
    owner: str | None = None
    last_mutation: _Mutation | None = None
    refused: _Refusal | None = None
    let_through: bool = False
    ingestion: _Ingestion | None = None


class _Providers(msgspec.Struct):
    items: list[_Provider]


class _Rejection(msgspec.Struct, rename="camel"):
    row: int
    reason: str
    entity_ref: str | None = None


class _Difference(msgspec.Struct, rename="camel"):
    entity_ref: str
    change: Literal["added", "changed", "removed"]
    patch: list[_Object] | None = None


class _Reason(msgspec.Struct):
    name: str = "Error"
    message: str = ""
    location: str | None = None
    line: int | None = None


class _Failure(msgspec.Struct, rename="camel"):
    entity_ref: str
    visible: bool
    errors: list[_Reason]


class _Status(msgspec.Struct):
    state: Literal["settled", "pending"]
    entities: int
    settled: int
    pending: int
    failed: int
    conflicts: int
    offset: int
    failures: list[_Failure]


class _Pushed(msgspec.Struct, rename="camel"):
    provider: str
    entities: int
    added: int
    changed: int
    removed: int
    unchanged: int
    conflicts: list[str]
    rejected: list[_Rejection] = msgspec.field(default_factory=list)
    rejected_count: int = 0
    offset: int | None = None
    status: _Status | None = None
    dry_run: bool = False
    difference: list[_Difference] = msgspec.field(default_factory=list)
    difference_count: int | None = None
    refused: str | None = None


class _Refreshed(msgspec.Struct, rename="camel"):
    entity_ref: str
    refreshed: list[str]
    status: _Status


class _HandedOver(msgspec.Struct, rename="camel"):
    entity_ref: str
    winner: Holder
    status: _Status


def providers(answer: Answer) -> list[Provider]:
    """All providers."""
    return [_provider(item) for item in msgspec.json.decode(answer.content, type=_Providers).items]


def provider(answer: Answer) -> Provider:
    """One provider."""
    return _provider(msgspec.json.decode(answer.content, type=_Provider))


def _provider(told: _Provider) -> Provider:
    last, refused, stand = told.last_mutation, told.refused, told.ingestion
    return Provider(
        name=told.name,
        kind=told.kind,
        owner=told.owner,
        created_at=told.created_at,
        entities=told.entities,
        last_mutation=None if last is None else Mutation(**msgspec.structs.asdict(last)),
        refused=None if refused is None else Refusal(**msgspec.structs.asdict(refused)),
        let_through=told.let_through,
        ingestion=None if stand is None else Ingestion(**msgspec.structs.asdict(stand)),
    )


def written(answer: Answer) -> WrittenEntity:
    """An entity as its provider wrote it."""
    return WrittenEntity(cast("Entity", msgspec.json.decode(answer.content, type=_Object)), answer.etag or "")


def status(answer: Answer) -> Status:
    """How far something has come."""
    return _status(msgspec.json.decode(answer.content, type=_Status))


def _status(told: _Status) -> Status:
    return Status(
        state=told.state,
        entities=told.entities,
        settled=told.settled,
        pending=told.pending,
        failed=told.failed,
        conflicts=told.conflicts,
        offset=told.offset,
        failures=[_failure(failure) for failure in told.failures],
    )


def _failure(told: _Failure) -> Failure:
    reasons = [FailureReason(each.name, each.message, each.location, each.line) for each in told.errors]
    return Failure(told.entity_ref, told.visible, reasons)


def pushed(answer: Answer) -> Pushed:
    """What was written."""
    told = msgspec.json.decode(answer.content, type=_Pushed)
    return Pushed(
        provider=told.provider,
        entities=told.entities,
        added=told.added,
        changed=told.changed,
        removed=told.removed,
        unchanged=told.unchanged,
        rejected=[Rejection(each.row, each.reason, each.entity_ref) for each in told.rejected],
        rejected_count=told.rejected_count,
        conflicts=told.conflicts,
        offset=answer.offset if told.offset is None else told.offset,
        etag=answer.etag,
        replayed=answer.replayed,
        status=None if told.status is None else _status(told.status),
        dry_run=told.dry_run,
        difference=[Difference(each.entity_ref, each.change, each.patch) for each in told.difference],
        difference_count=len(told.difference) if told.difference_count is None else told.difference_count,
        refused=told.refused,
    )


def refreshed(answer: Answer) -> Refreshed:
    """What a refresh has led to."""
    told = msgspec.json.decode(answer.content, type=_Refreshed)
    return Refreshed(told.entity_ref, told.refreshed, _status(told.status))


def handed_over(answer: Answer) -> HandedOver:
    """Who has an entity now."""
    told = msgspec.json.decode(answer.content, type=_HandedOver)
    return HandedOver(told.entity_ref, told.winner, _status(told.status))

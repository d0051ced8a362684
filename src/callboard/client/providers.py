"""Calls about providers: what they are, the entities that are written for them, and what became of these."""

import uuid
from collections.abc import Iterable, Mapping
from typing import cast

from callboard.client import answers, provider_answers
from callboard.client.core import Call, by_name, canonical, optional, quoted
from callboard.client.lines import Lines
from callboard.client.provider_results import Provider, Pushed, Refreshed, Status, WrittenEntity
from callboard.client.results import Entity
from callboard.model.entities import check_envelope, entity_ref
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef

_LINES = "application/x-ndjson"

_PATIENCE = 300.0
"""Seconds that the catalog may need to store a set, which it does as a whole when all of it has come."""


def listing() -> Call[list[Provider]]:
    """All providers."""
    return Call(path="/providers", read=provider_answers.providers)


def provider(name: str) -> Call[Provider]:
    """One provider."""
    return Call(path=_path(name), read=provider_answers.provider)


def entity(name: str, ref: str | EntityRef) -> Call[WrittenEntity]:
    """An entity as its provider wrote it."""
    return Call(path=_entity_path(name, ref), read=provider_answers.written)


def entities(name: str) -> Call[Entity]:
    """All that a provider has, one entity a line."""
    return Call(path=f"{_path(name)}/entities", headers={"accept": _LINES}, read=answers.entity)


def put_entity(
    name: str,
    entity: Mapping[str, object],
    *,
    if_match: str | None = None,
    if_absent: bool = False,
    dry_run: bool = False,
    wait: float | None = None,
    idempotency_key: str | None = None,
) -> Call[Pushed]:
    """Write one entity. Raises InvalidEntity for one without a name."""
    body = cast("JsonObject", dict(entity))
    check_envelope(body)
    conditions = _present(if_match=if_match, if_none_match="*" if if_absent else None)
    return Call(
        method="PUT",
        path=_entity_path(name, entity_ref(body)),
        params=_asked(dry_run=dry_run, wait=wait),
        body=body,
        headers=conditions | _key(idempotency_key, dry_run=dry_run),
        wait=wait or 0.0,
        read=provider_answers.pushed,
    )


def delete_entity(
    name: str,
    ref: str | EntityRef,
    *,
    if_match: str | None = None,
    dry_run: bool = False,
    wait: float | None = None,
) -> Call[Pushed]:
    """Withdraw one entity."""
    return Call(
        method="DELETE",
        path=_entity_path(name, ref),
        params=_asked(dry_run=dry_run, wait=wait),
        headers=_present(if_match=if_match),
        wait=wait or 0.0,
        read=provider_answers.pushed,
        # The second time it is not there.
        repeatable=dry_run,
    )


def push(
    name: str,
    entities: Iterable[Mapping[str, object] | bytes],
    *,
    partial: bool = False,
    dry_run: bool = False,
    wait: float | None = None,
    idempotency_key: str | None = None,
) -> Call[Pushed]:
    """Write all that a provider has."""
    return Call(
        method="PUT",
        path=f"{_path(name)}/entities",
        params=[*_asked(dry_run=dry_run, wait=wait), *optional(partial="true" if partial else None)],
        content=Lines(entities),
        headers={"content-type": _LINES} | _key(idempotency_key, dry_run=dry_run),
        wait=_PATIENCE + (wait or 0.0),
        read=provider_answers.pushed,
    )


def delta(
    name: str,
    added: Iterable[Mapping[str, object]],
    removed: Iterable[str | EntityRef],
    *,
    dry_run: bool = False,
    wait: float | None = None,
    idempotency_key: str | None = None,
) -> Call[Pushed]:
    """Write some entities, and withdraw others."""
    return Call(
        method="POST",
        path=f"{_path(name)}/delta",
        params=_asked(dry_run=dry_run, wait=wait),
        body={"added": [dict(entity) for entity in added], "removed": [str(canonical(ref)) for ref in removed]},
        headers=_key(idempotency_key, dry_run=dry_run),
        wait=_PATIENCE + (wait or 0.0),
        read=provider_answers.pushed,
    )


def forget(name: str) -> Call[Pushed]:
    """Withdraw all that a provider has, and forget it."""
    return Call(
        method="DELETE",
        path=_path(name),
        wait=_PATIENCE,
        read=provider_answers.pushed,
        # The second time it is not there.
        repeatable=False,
    )


def let_through(name: str) -> Call[Provider]:
    """Let the next mutation pass that the removal guard would refuse."""
    return Call(method="POST", path=f"{_path(name)}/let-through", read=provider_answers.provider)


def trigger(name: str) -> Call[Provider]:
    """Let an incremental provider go on now."""
    return Call(method="POST", path=f"{_path(name)}/trigger", read=provider_answers.provider)


def provider_status(name: str, *, wait: float | None = None) -> Call[Status]:
    """How far all has come that a provider has led to."""
    return _status(_path(name), wait)


def location_status(location_id: str, *, wait: float | None = None) -> Call[Status]:
    """How far all has come that a location has led to."""
    return _status(f"/locations/{quoted(location_id)}", wait)


def refresh(ref: str | EntityRef, *, wait: float) -> Call[Refreshed]:
    """Read an entity again at its source, and wait for what comes of it."""
    return Call(
        method="POST",
        path="/refresh",
        params=optional(wait=float(wait)),
        body={"entityRef": str(canonical(ref))},
        wait=wait,
        read=provider_answers.refreshed,
    )


def _status(path: str, wait: float | None) -> Call[Status]:
    asked = optional(wait=None if wait is None else float(wait))
    return Call(path=f"{path}/status", params=asked, wait=wait or 0.0, read=provider_answers.status)


def _path(name: str) -> str:
    return f"/providers/{quoted(name)}"


def _entity_path(name: str, ref: str | EntityRef) -> str:
    return f"{_path(name)}/entities/{by_name(ref)}"


def _asked(*, dry_run: bool, wait: float | None) -> list[tuple[str, str]]:
    return optional(dryRun="true" if dry_run else None, wait=None if wait is None else float(wait))


def _key(given: str | None, *, dry_run: bool) -> dict[str, str]:
    """A key under which the same request may come twice; one of its own unless one is *given*."""
    return {} if dry_run else {"idempotency-key": given or uuid.uuid4().hex}


def _present(**headers: str | None) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items() if text is not None}

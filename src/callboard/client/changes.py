"""Calls about what has happened."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict, Unpack

from callboard.client import answers
from callboard.client.core import Call, by_name, optional
from callboard.client.filters import Filters, Query, texts
from callboard.client.results import Entity, EntityHistory, EventPage
from callboard.model import json
from callboard.model.refs import EntityRef

Include: TypeAlias = Literal["entity", "patch"]
"""What comes with each change of a history: the entity after it, or a JSON Patch (RFC 6902) from the one before."""

Mode: TypeAlias = Literal["log", "compacted"]
"""How the stream tells the past: change by change as far as it is kept, or each entity once."""


class EventSelection(TypedDict, total=False):
    """Which changes to be told of, and how much of each. Entities that leave the selection are told as removed."""

    filters: Filters
    query: Query | None
    """A predicate that must hold beside the filters."""
    fields: Sequence[str]
    """Dotted paths of the entities to keep; everything by default."""


class EventQuery(EventSelection, total=False):
    """Which piece of the stream to read."""

    limit: int | None
    """Events in one answer; 100 as a rule."""
    wait: float
    """Up to how many seconds the server holds the answer back until there is one."""
    mode: Mode
    """How the past is told; `log` as a rule."""
    epoch: str | None
    """The epoch that the offset belongs to. The stream is refused as OffsetExpired if it has begun another one."""
    began: int | None
    """What the page before said under this name."""


def events(offset: int, **wanted: Unpack[EventQuery]) -> Call[EventPage]:
    """The events after *offset*."""
    query, wait = wanted.get("query"), wanted.get("wait", 0.0)
    params = optional(
        offset=offset,
        mode=wanted.get("mode", "log"),
        limit=wanted.get("limit"),
        wait=wait or None,
        epoch=wanted.get("epoch"),
        began=wanted.get("began"),
        query=None if query is None else json.encode(query).decode(),
        fields=",".join(wanted.get("fields", ())) or None,
    )
    params += [("filter", text) for text in texts(wanted.get("filters", ()))]
    return Call(path="/events", params=params, wait=wait, read=answers.event_page)


def history(
    ref: str | EntityRef, *, limit: int | None = None, before: int | None = None, include: Include | None = None
) -> Call[EntityHistory]:
    """The changes of an entity."""
    return Call(
        path=f"/entities/by-name/{by_name(ref)}/history",
        params=optional(limit=limit, before=before, include=include),
        read=answers.history,
    )


def entity_at(ref: str | EntityRef, offset: int) -> Call[Entity]:
    """An entity as it was."""
    return Call(path=f"/entities/by-name/{by_name(ref)}", params=optional(at=offset), read=answers.entity)

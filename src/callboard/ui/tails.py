"""Tails: the latest changes of one entity or of the whole catalog, which a script goes on with as they happen."""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from callboard.errors import CallboardError
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.ui import causes, history, presence
from callboard.ui.asking import Parameter, Refused, entity_path
from callboard.ui.history import Version
from callboard.ui.operations.frame import TABS
from callboard.ui.presenting import with_query
from callboard.ui.shapes import mappings
from callboard.ui.subjects import changes_of
from callboard.ui.visits import Visit

_SHOWN: Final = 50
_LOOKED_THROUGH: Final = 1_000
"""Changes that a filter is asked about for one page."""

_TYPES: Final = ("added", "updated", "removed")
_FIELDS: Final = (
    ("kind", "Kind", "component"),
    ("namespace", "Namespace", "default"),
    ("owner", "Owner", "shop-team"),
    ("name", "Name begins with", "pay"),
    ("filter", "Filter", "spec.type=service"),
)
_ADDRESS: Final = "/operations/tail"


async def events(visit: Visit) -> Response:
    """The tab of one entity."""
    found = await presence.find(visit)
    latest: list[Version] = []
    told = await visit.catalog.find(entity_path(found.ref, "history"), limit=_SHOWN)
    if isinstance(told, dict):
        latest = [history.read(item) for item in mappings(told["items"])]
    return await presence.page(
        visit,
        found,
        "entity/events.html",
        address=changes_of(visit, found.ref),
        latest=latest,
        shown=_SHOWN,
        words=causes.WORDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The changes between two offsets that a filter lets through, newest first."""

    begin: int
    end: int
    latest: list[tuple[str, Version]]
    forgotten: bool = False
    """Whether more was asked for than is kept."""


async def tail(visit: Visit) -> Response:
    """The page of the whole stream."""
    asked = {name: visit.text(name).strip() for name, _, _ in _FIELDS}
    change = visit.text("type") if visit.text("type") in _TYPES else ""
    head = visit.context.follower.view.offset
    before = visit.text("before")
    end = min(history.number(before, "before"), head) if before else head
    found, problem, wanted = _Found(begin=end, end=end, latest=[]), "", {}
    try:
        wanted = _wanted(asked)
        found = await _latest(visit, wanted, end, is_filtered=bool(wanted or change), change=change)
    except Refused as refused:
        if refused.status != 400:
            raise
        problem = refused.message
    except CallboardError as error:
        problem = str(error)
    kept: dict[str, JsonValue] = {**asked, "type": change}
    return visit.page(
        "operations/tail.html",
        tabs=TABS,
        fields=_FIELDS,
        types=_TYPES,
        type=change,
        is_filtered=any(kept.values()),
        problem=problem,
        begin=found.begin,
        end=found.end,
        latest=found.latest,
        forgotten=found.forgotten,
        older=with_query(_ADDRESS, {**kept, "before": found.begin}) if found.begin > 0 and not found.forgotten else "",
        newest=with_query(_ADDRESS, kept),
        address="" if problem or before else _live(head, wanted),
        words=causes.WORDS,
    )


def _wanted(asked: dict[str, str]) -> dict[str, str]:
    """The parameters of the stream that narrow it down. Raises InvalidRef when an owner can't be one."""
    said: JsonObject = {}
    if asked["kind"]:
        said["kind"] = asked["kind"]
    if asked["namespace"]:
        said["metadata.namespace"] = asked["namespace"]
    if asked["owner"]:
        said["relations.ownedby"] = str(EntityRef.parse(asked["owner"], default_kind="group"))
    if asked["name"]:
        said["metadata.name"] = {"$hasPrefix": asked["name"]}
    query = {"query": json.encode(said).decode()} if said else {}
    return query | ({"filter": asked["filter"]} if asked["filter"] else {})


def _live(offset: int, wanted: dict[str, str]) -> str:
    return with_query("/live/events", {"offset": offset, "fields": "kind", **wanted})


async def _latest(visit: Visit, wanted: dict[str, str], end: int, *, is_filtered: bool, change: str) -> _Found:
    """The last changes up to *end*; where single ones are forgotten, those that are known."""
    begin, forgotten = max(0, end - (_LOOKED_THROUGH if is_filtered else _SHOWN)), False
    try:
        told = await _read(visit, wanted, begin, end)
    except Refused as refused:
        if refused.status != 410:
            raise
        begin, forgotten = min(end, await _floor(visit, end)), True
        told = await _read(visit, wanted, begin, end)
    events = [event for event in mappings(told["events"]) if not change or event.get("type") == change]
    listed = [(str(event["entityRef"]), history.read(event)) for event in events]
    inside = [(ref, version) for ref, version in listed if version.offset <= end][-_SHOWN:]
    if len(inside) == _SHOWN and len(listed) > _SHOWN:
        begin, forgotten = inside[0][1].offset - 1, False
    return _Found(begin=begin, end=end, latest=inside[::-1], forgotten=forgotten)


async def _read(visit: Visit, wanted: dict[str, str], begin: int, end: int) -> JsonObject:
    parameters: dict[str, Parameter] = {"offset": begin, "limit": max(1, end - begin), "fields": "kind", **wanted}
    return await visit.catalog.get_object("/events", **parameters)


async def _floor(visit: Visit, end: int) -> int:
    """Where single changes begin that are kept; the end, for who may not know that."""
    try:
        status = await visit.catalog.get_object("/events/status")
    except Refused as refused:
        if refused.status != 403:
            raise
        return end
    floor = status.get("historyFloor")
    return floor if isinstance(floor, int) else end

"""Presence: the entity that a page is about, whether readers see it now, saw it once, or have yet to see it."""

import asyncio
from dataclasses import dataclass
from typing import TypeAlias

from starlette.responses import Response

from callboard.model.json import JsonObject, JsonValue
from callboard.ui import causes, subjects
from callboard.ui.asking import Refused, entity_path
from callboard.ui.causes import Cause
from callboard.ui.presenting import page_of
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """An entity that readers don't see, though something is known of it."""

    ref: str
    last: JsonObject | None
    """Its last change, which has removed it; None when nobody has ever seen it."""
    explained: JsonObject | None
    """What the write side knows of it, if it does and may be told."""

    @property
    def kind(self) -> str:
        """Its kind in lower case."""
        return self.ref.partition(":")[0]

    @property
    def tabs(self) -> list[tuple[str, str]]:
        """The tabs that say something without the entity itself."""
        return [(name, page_of(self.ref, name.lower())) for name in ("History", "Inspect", "Events")]

    @property
    def cause(self) -> Cause | None:
        """What has removed it."""
        return None if self.last is None else causes.read(self.last.get("cause"))

    @property
    def state(self) -> str:
        """How far the write side has come with it, or nothing."""
        return "" if self.explained is None else str(self.explained.get("state", ""))


Found: TypeAlias = Subject | Absent
"""What a page about an entity can be about."""


async def find(visit: Visit) -> Found:
    """The entity that the path names. Raises Refused when nothing at all is known of it."""
    try:
        return await subjects.find(visit)
    except Refused as refused:
        if refused.status != 404:
            raise
        absent = await _absent(visit)
        if absent is None:
            raise
        return absent


async def page(visit: Visit, found: Found, template: str, **values: object) -> Response:
    """A tab of its page: *template* extends `frame`."""
    if isinstance(found, Subject):
        return await subjects.page(visit, found, template, frame="entity.html", **values)
    return visit.page(template, subject=found, frame="entity/absent.html", **values)


async def _absent(visit: Visit) -> Absent | None:
    ref = visit.ref
    past, explained = await asyncio.gather(
        visit.catalog.find(entity_path(ref, "history"), limit=1), visit.catalog.find(entity_path(ref, "explain"))
    )
    if past is None and explained is None:
        return None
    return Absent(ref=ref, last=_newest(past), explained=explained if isinstance(explained, dict) else None)


def _newest(past: JsonValue) -> JsonObject | None:
    match past:
        case {"items": [dict() as last, *_]}:
            return last
        case _:
            return None

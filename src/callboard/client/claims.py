"""Calls about claims: who holds an entity, what would go with it, and how it has come about."""

import msgspec

from callboard.client import provider_answers
from callboard.client.answers import Answer, Cursors
from callboard.client.claim_results import ConflictPage, EntityConflict, Explanation, Removal
from callboard.client.core import Call, by_name, canonical, optional, quoted
from callboard.client.provider_results import HandedOver
from callboard.model.refs import EntityRef


class _Page(msgspec.Struct, rename="camel"):
    items: list[EntityConflict]
    total_items: int
    page_info: Cursors


def conflicts(
    *, ref: str | EntityRef | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[ConflictPage]:
    """A page of the conflicts, or that of one entity."""
    params = optional(entityRef=None if ref is None else str(canonical(ref)), limit=limit, cursor=cursor)
    return Call(path="/conflicts", params=params, read=_page)


def hand_over(ref: str | EntityRef, location_key: str, *, wait: float) -> Call[HandedOver]:
    """Let the claim under a location key have an entity, and wait for what comes of it."""
    return Call(
        method="POST",
        path="/conflicts/hand-over",
        params=optional(wait=float(wait)),
        body={"entityRef": str(canonical(ref)), "locationKey": location_key},
        wait=wait,
        read=provider_answers.handed_over,
    )


def explanation(ref: str | EntityRef) -> Call[Explanation]:
    """All that is known of an entity."""
    return Call(path=f"/entities/by-name/{by_name(ref)}/explain", read=_explanation)


def location_removal(location_id: str) -> Call[Removal]:
    """What it would lead to if a location were unregistered."""
    return _removal(f"/locations/{quoted(location_id)}")


def entity_removal(uid: str) -> Call[Removal]:
    """What it would lead to if an entity were deleted."""
    return _removal(f"/entities/by-uid/{quoted(uid)}")


def _removal(path: str) -> Call[Removal]:
    return Call(method="DELETE", path=path, params=[("dryRun", "true")], read=_told)


def _page(answer: Answer) -> ConflictPage:
    page = msgspec.json.decode(answer.content, type=_Page)
    return ConflictPage(page.items, page.total_items, page.page_info.next_cursor)


def _explanation(answer: Answer) -> Explanation:
    return msgspec.json.decode(answer.content, type=Explanation)


def _told(answer: Answer) -> Removal:
    return msgspec.json.decode(answer.content, type=Removal)

"""Conflicts over HTTP: who offers an entity in vain, and what would be other."""

import asyncio
import base64
import bisect
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import INGESTION_MANAGE
from callboard.api import answers, context, disclosure, waiting
from callboard.api.disclosure import Disclosure
from callboard.api.parameters import Known, Number, Parameters, Text, body_of, query_of
from callboard.errors import InvalidInput
from callboard.ingestion import handing
from callboard.model import json, patches
from callboard.model.facts import facts_of
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import matches
from callboard.model.refs import EntityRef
from callboard.store import conflicts
from callboard.store.conflicts import Conflict, Contender
from callboard.store.progress import Part

_DEFAULT_LIMIT = 50
_MOST = 500
_LIST: Known = {"limit": Number(minimum=1), "cursor": Text(), "entityRef": Text()}


@dataclass(frozen=True, slots=True)
class _Walk:
    """A place on the way through the conflicts."""

    limit: int
    after: str | None = None
    ref: str | None = None

    def cursor(self, last: str) -> str:
        content: JsonObject = {"limit": self.limit, "afterRef": last}
        return base64.b64encode(json.encode(content)).decode()


async def listing(request: Request) -> Response:
    """`GET /conflicts`."""
    walk = _walk(query_of(request, _LIST))
    told = await disclosure.of(request)
    async with context.of(request).database.transaction(snapshot=True) as tx:
        contested = await conflicts.contested(tx, ref=walk.ref)
        shown = told.of(contested)
        refs = [ref for ref in contested if ref in shown]
        first = 0 if walk.after is None else bisect.bisect_right(refs, walk.after)
        found = await conflicts.find(tx, refs[first : first + walk.limit])
    more = {"nextCursor": walk.cursor(found[-1].ref)} if first + walk.limit < len(refs) else {}
    # Comparing takes a while; others want an answer meanwhile.
    items = await asyncio.to_thread(_items, found, told)
    return answers.value({"items": items, "totalItems": len(refs), "pageInfo": more})


async def hand_over(request: Request) -> Response:
    """`POST /conflicts/hand-over`: one of those who claim an entity is to have it."""
    patience = waiting.seconds(query_of(request, waiting.WAIT))
    await context.permit(request, INGESTION_MANAGE)
    body = await body_of(request)
    ref, key = EntityRef.parse(body.required_text("entityRef")), body.required_text("locationKey")
    winner = await handing.hand_over(context.of(request).database, ref, key, by=context.asked_by(request))
    status = await waiting.wait(request, Part(refs=[str(ref)]), patience)
    told: JsonObject = {
        "entityRef": str(ref),
        "winner": {"source": winner.source, "locationKey": winner.location_key},
        "status": waiting.described(status),
    }
    return answers.value(told, headers={"callboard-offset": str(status.offset)})


def _items(found: Sequence[Conflict], told: Disclosure) -> list[JsonObject]:
    sources = [each.source for conflict in found for each in (conflict.winner, *conflict.rivals)]
    named = told.of(disclosure.parents(sources))
    return [_item(conflict, named, told) for conflict in found]


def _item(conflict: Conflict, named: Collection[str], told: Disclosure) -> JsonObject:
    rivals = [rival for rival in conflict.rivals if disclosure.is_named(rival.source, named)]
    before = json.decode(conflict.winner.content)
    return {
        "entityRef": conflict.ref,
        "winner": _described(conflict.winner, named),
        "rivals": [{**_described(rival, named), **_difference(before, rival, told)} for rival in rivals],
        "hidden": len(conflict.rivals) - len(rivals),
    }


def _described(contender: Contender, named: Collection[str]) -> JsonObject:
    if not disclosure.is_named(contender.source, named):
        return {"source": None, "locationKey": None}
    return {"source": contender.source, "locationKey": contender.location_key}


def _difference(before: JsonValue, rival: Contender, told: Disclosure) -> JsonObject:
    entity = json.decode(rival.content)
    return {"patch": [*patches.between(before, entity)]} if _would_be_seen(entity, told) else {}


def _would_be_seen(entity: JsonValue, told: Disclosure) -> bool:
    """Whether the caller could see *entity* if it had won."""
    if told.visible is None:
        return True
    assert isinstance(entity, dict)
    # Relations come from processing: what a source says of them proves nothing.
    own = {key: value for key, value in entity.items() if key not in ("relations", "status")}
    try:
        return matches(told.visible, facts_of(own))
    except RecursionError:
        return False


def _walk(asked: Parameters) -> _Walk:
    limit, cursor, text = asked.integer("limit"), asked.text("cursor"), asked.text("entityRef")
    ref = None if text is None else str(EntityRef.parse(text))
    if cursor is None:
        return _Walk(min(limit or _DEFAULT_LIMIT, _MOST), ref=ref)
    held, after = _parse_cursor(cursor)
    return _Walk(min(limit or held, _MOST), after, ref)


def _parse_cursor(text: str) -> tuple[int, str]:
    try:
        content = json.decode(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise InvalidInput(f"Malformed cursor, unknown encoding: {error}") from None
    match content:
        case {"limit": int(limit), "afterRef": str(after)} if limit >= 1 and not isinstance(limit, bool):
            return limit, after
        case _:
            raise InvalidInput("Malformed cursor, it has no place in it")

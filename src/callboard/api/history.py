"""The past of one entity over HTTP."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.parameters import Known, Number, Text, query_of
from callboard.model import json, patches
from callboard.model.changes import Change
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import Predicate
from callboard.stream import past
from callboard.stream.past import Past
from callboard.stream.sight import Sight

_DEFAULT_LIMIT = 50
_LARGEST_LIMIT = 1_000

AT: Known = {"at": Number()}
"""What asks for an entity as it was."""

_HISTORY: Known = {
    "limit": Number(minimum=1),
    "before": Number(),
    "include": Text(choices=("entity", "patch")),
}


async def history(request: Request) -> Response:
    """`GET /entities/by-name/{kind}/{namespace}/{name}/history`: the changes of an entity, newest first."""
    asked = query_of(request, _HISTORY)
    here = context.of(request)
    # Never beyond the offset that the answer says it was read at.
    end, before = here.view.offset + 1, asked.integer("before")
    limit = asked.integer("limit")
    visible = await context.visible(request)
    found = await past.history(
        here.database,
        str(context.ref_of(request)),
        before=end if before is None else min(before, end),
        limit=_DEFAULT_LIMIT if limit is None else min(limit, _LARGEST_LIMIT),
        sight=Sight(permitted=visible, named=here.view.shows(visible)),
    )
    # Comparing a thousand versions takes a while; others want an answer meanwhile.
    return answers.raw(await asyncio.to_thread(_page, found, asked.text("include")))


async def at(request: Request, offset: int, visible: Predicate | None) -> Response:
    """An entity as it was at *offset*, which the answer says as its own."""
    body = await past.at(context.of(request).database, str(context.ref_of(request)), offset, visible=visible)
    return answers.raw(body, {"callboard-offset": str(offset)})


def _page(found: Past, include: str | None) -> bytes:
    items = [_item(change, found.before(index), include) for index, change in enumerate(found.asked)]
    following = b"" if found.next_before is None else b'"nextBefore":%d' % found.next_before
    return b'{"items":[%b],"pageInfo":{%b}}' % (b",".join(items), following)


def _item(change: Change, before: bytes | None, include: str | None) -> bytes:
    etag = None if change.body is None else _etag(change.body)
    return b'{"offset":%d,"type":"%b","at":"%b","uid":"%b"%b%b%b}' % (
        change.offset,
        change.type.encode(),
        change.at.isoformat().encode(),
        change.uid.encode(),
        b',"cause":' + change.cause.encode() if change.cause else b"",
        b"" if etag is None else b',"etag":' + json.encode(etag),
        b"" if change.body is None else _content(change.body, before, include),
    )


def _content(body: bytes, before: bytes | None, include: str | None) -> bytes:
    match include:
        case "entity":
            return b',"entity":' + body
        case "patch":
            return b',"patch":' + json.encode(_patch(before, body))
        case _:
            return b""


def _etag(body: bytes) -> JsonValue:
    match json.decode(body):
        case {"metadata": {"etag": str(etag)}}:
            return etag
        case _:
            return None


def _patch(before: bytes | None, body: bytes) -> list[JsonObject]:
    """The JSON Patch (RFC 6902) that makes the entity out of what it was; all of it, if it was not there."""
    entity = json.decode(body)
    return patches.whole(entity) if before is None else patches.between(json.decode(before), entity)

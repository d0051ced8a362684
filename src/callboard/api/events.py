"""The stream over HTTP."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context, errors
from callboard.api.context import MOUNT
from callboard.api.parameters import Known, Number, Text, query_of
from callboard.errors import InvalidInput, OffsetExpired, OffsetInTheFuture
from callboard.model import json
from callboard.model.changes import Change
from callboard.model.predicates import Predicate, both, parse_filters, parse_query
from callboard.model.projection import Projection, parse_fields
from callboard.stream import feed
from callboard.stream.feed import Mode

_DEFAULT_LIMIT = 100
_LARGEST_LIMIT = 10_000
_LONGEST_WAIT = 60.0

_KNOWN: Known = {
    "offset": Number(),
    "limit": Number(minimum=1),
    "wait": Number(whole=False),
    "mode": Text(choices=("log", "compacted")),
    "epoch": Text(),
    "began": Number(),
    "filter": Text(),
    "query": Text(),
    "fields": Text(),
}


async def events(request: Request) -> Response:
    """`GET /events`: the changes after `offset`, held up to `wait` seconds until there is one."""
    asked = query_of(request, _KNOWN)
    here = context.of(request)
    view = here.view
    limit = asked.integer("limit")
    projection = parse_fields(asked.texts("fields"))
    predicate = both(parse_filters(asked.texts("filter")), _query(asked.texts("query")))
    try:
        page = await feed.read(
            here.follower,
            offset=asked.integer("offset") or 0,
            limit=_DEFAULT_LIMIT if limit is None else min(limit, _LARGEST_LIMIT),
            wait=min(asked.number("wait") or 0.0, _LONGEST_WAIT),
            mode=Mode(asked.text("mode") or "log"),
            epoch=asked.text("epoch"),
            began=asked.integer("began"),
            predicate=predicate,
            visible=await context.visible(request),
        )
    except (OffsetExpired, OffsetInTheFuture) as error:
        resync = {"offset": 0, "mode": "compacted"}
        advice = {"code": error.code, "head": view.offset, "epoch": view.epoch, "resync": resync}
        return errors.answer(request, error, mount=MOUNT, extra=advice)
    body = b'{"events":[%b],"lastEventOffset":%d,"nextOffset":%d,"epoch":%b,"caughtUp":%b%b}' % (
        b",".join(encoded(change, projection) for change in page.changes),
        page.head,
        page.next_offset,
        json.encode(page.epoch),
        b"true" if page.caught_up else b"false",
        b"" if page.began is None else b',"began":%d' % page.began,
    )
    return answers.raw(body)


def _query(texts: Sequence[str]) -> Predicate | None:
    """The predicate that `query` says in JSON; None when there is none. Raises InvalidInput."""
    if not texts:
        return None
    if len(texts) > 1:
        raise InvalidInput(f"request/query/query must be one predicate, but is there {len(texts)} times")
    try:
        value = json.decode(texts[0])
    except ValueError as error:
        raise InvalidInput(f"request/query/query is not valid JSON: {error}") from None
    return parse_query(value)


def encoded(change: Change, projection: Projection | None = None) -> bytes:
    """A change as readers get it; an entity that isn't reduced is passed through as it is stored."""
    return b'{"offset":%d,"type":"%b","entityRef":%b,"uid":"%b","at":"%b"%b%b%b}' % (
        change.offset,
        change.type.encode(),
        json.encode(change.ref),
        change.uid.encode(),
        change.at.isoformat().encode(),
        b',"reason":"left-filter"' if change.left_filter else b"",
        b',"cause":' + change.cause.encode() if change.cause else b"",
        b"" if change.body is None else b',"entity":' + answers.reduced(change.body, projection),
    )

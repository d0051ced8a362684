"""The stream over HTTP, page by page or as long as the reader stays."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context, errors
from callboard.api.context import MOUNT
from callboard.api.event_streams import EVENTS, EventStream, advice
from callboard.api.parameters import Known, Number, Parameters, Text, parsed
from callboard.api.surroundings import COMPRESSING
from callboard.errors import InvalidInput, OffsetExpired, OffsetInTheFuture
from callboard.extend import cloud_events
from callboard.model import json
from callboard.model.predicates import Predicate, both, parse_filters, parse_query
from callboard.model.projection import Projection, parse_fields
from callboard.stream import feed
from callboard.stream.forms import Form
from callboard.stream.pages import Mode, Page
from callboard.stream.streams import Stream

BATCH = cloud_events.BATCH

_DEFAULT_LIMIT = 100
_LARGEST_LIMIT = 10_000
_LONGEST_WAIT = 60.0
_NOT_KEPT = {"cache-control": "no-store"}
"""Nobody asks for the same page twice; to look for its tag would be a quarter of what it costs."""
_COMPRESSED = {**_NOT_KEPT, "content-encoding": "gzip"}
_LONG_POLL = "long-poll"
"""As what readers count who are held."""
_POSITION = re.compile(r"([^.]{1,255})\.([0-9]{1,18})(?:\.([0-9]{1,18}))?")

_KNOWN: Known = {
    "offset": Number(),
    "limit": Number(minimum=1),
    "wait": Number(whole=False),
    "follow": Text(),
    "mode": Text(choices=("log", "compacted")),
    "epoch": Text(),
    "began": Number(),
    "format": Text(choices=("plain", "cloudevents")),
    "filter": Text(),
    "query": Text(),
    "fields": Text(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a reader wants, in any form."""

    media_type: str
    form: Form
    offset: int
    epoch: str | None
    began: int | None
    mode: Mode
    limit: int | None
    wait: float | None
    follow: bool
    predicate: Predicate | None


async def events(request: Request) -> Response:
    """`GET /events`: the changes after `offset`, in the form that `Accept` names.

    A page is held up to `wait` seconds until there is something in it. That is done here, since a further coroutine
    would cost each reader who waits half a kilobyte.
    """
    asked = _parse(request)
    here = context.of(request)
    view = here.view
    streamed = asked.media_type in (EVENTS, answers.LINES)
    wait = 0.0 if streamed else min(asked.wait or 0.0, _LONGEST_WAIT)
    if wait:
        here.read_side.audience.admit(_LONG_POLL)
    try:
        if streamed:
            return await _stream(request, asked)
        visible = await context.visible(request)
        page = await feed.read(
            here.follower,
            offset=asked.offset,
            limit=_DEFAULT_LIMIT if asked.limit is None else min(asked.limit, _LARGEST_LIMIT),
            wait=wait,
            mode=asked.mode,
            epoch=asked.epoch,
            began=asked.began,
            predicate=asked.predicate,
            visible=visible,
        )
        return _answer(request, asked, page, whole=asked.predicate is None and visible is None)
    except (OffsetExpired, OffsetInTheFuture) as error:
        return errors.answer(request, error, mount=MOUNT, extra=advice(error, view))
    finally:
        if wait:
            here.read_side.audience.leave(_LONG_POLL)


def _answer(request: Request, asked: _Asked, page: Page, *, whole: bool) -> Response:
    batch, encodings = asked.media_type == BATCH, context.of(request).read_side.encodings
    gzip = COMPRESSING in request.scope
    body, is_gzip = encodings.page(page, asked.form, listed=batch, whole=whole, gzip=gzip)
    headers = _COMPRESSED if is_gzip else _NOT_KEPT
    return answers.raw(body, {**_bookmark(page), **headers}, BATCH) if batch else answers.raw(body, headers)


def _bookmark(page: Page) -> dict[str, str]:
    """Where to go on, for a body that has no place for it."""
    return {
        "callboard-next-offset": str(page.next_offset),
        "callboard-epoch": page.epoch,
        "callboard-caught-up": "true" if page.caught_up else "false",
        **({} if page.began is None else {"callboard-began": str(page.began)}),
    }


async def _stream(request: Request, asked: _Asked) -> Response:
    """All that comes, for as long as was asked for."""
    here = context.of(request)
    own = here.settings.callboard.stream
    stream = Stream(
        follower=here.follower,
        offset=asked.offset,
        epoch=asked.epoch,
        began=asked.began,
        mode=asked.mode,
        predicate=asked.predicate,
        permitted=lambda: context.still_visible(request),
        heartbeat=own.heartbeat_seconds,
        limit=asked.limit,
        seconds=_seconds(asked),
    )
    if request.method == "HEAD":
        return answers.raw(b"", media_type=asked.media_type)
    audience = here.read_side.audience
    kind = "sse" if asked.form.framed else "ndjson"
    audience.admit(kind)
    try:
        first = await stream.begin()
    except BaseException:
        audience.leave(kind)
        raise
    return EventStream(
        stream=stream,
        first=first,
        kind=kind,
        form=asked.form,
        media_type=asked.media_type,
        read_side=here.read_side,
    )


def _seconds(asked: _Asked) -> float:
    if asked.wait is not None:
        return min(asked.wait, _LONGEST_WAIT)
    return math.inf if asked.follow else 0.0


def _parse(request: Request) -> _Asked:
    scope = request.scope
    accepted, last = answers.header(scope, b"accept"), answers.header(scope, b"last-event-id")
    return _asked(scope["query_string"], accepted, last, context.of(request).url)


# Thousands may ask for what comes after the same change, and each of them would hold its own.
@lru_cache(maxsize=128)
def _asked(query: bytes, accepted: bytes | None, last: bytes | None, url: str) -> _Asked:
    asked = parsed(query, _KNOWN)
    here = asked.text("epoch"), asked.integer("offset") or 0, asked.integer("began")
    epoch, offset, began = _resumed((last or b"").decode("latin-1")) or here
    media_type = _media_type((accepted or b"").decode("latin-1"), asked)
    streamed = media_type in (EVENTS, answers.LINES)
    follow = asked.flag("follow") if asked.text("follow") else media_type == EVENTS
    if follow and not streamed:
        raise InvalidInput(f"request/query/follow is for streams; expected Accept: {EVENTS} or {answers.LINES}")
    return _Asked(
        media_type=media_type,
        form=_form(
            f"{url}{MOUNT}" if media_type == BATCH or asked.text("format") == "cloudevents" else None,
            media_type == EVENTS,
            parse_fields(asked.texts("fields")),
        ),
        offset=offset,
        epoch=epoch,
        began=began,
        mode=Mode(asked.text("mode") or "log"),
        limit=asked.integer("limit"),
        wait=asked.number("wait"),
        follow=follow,
        predicate=both(parse_filters(asked.texts("filter")), _query(asked.texts("query"))),
    )


# The same object for all who ask for the same form: to find out that two are equal takes longer than to look one up.
@lru_cache(maxsize=128)
def _form(source: str | None, framed: bool, projection: Projection | None) -> Form:
    return Form(source=source, framed=framed, projection=projection)


def _media_type(accepted: str, asked: Parameters) -> str:
    for media_type in (EVENTS, answers.LINES, BATCH):
        if media_type in accepted:
            return media_type
    return BATCH if asked.text("format") == "cloudevents" else answers.JSON


def _resumed(last: str) -> tuple[str, int, int | None] | None:
    """The bookmark that an EventSource sends as a header when it comes back; it goes before the query."""
    if not last:
        return None
    found = _POSITION.fullmatch(last)
    if found is None:
        raise InvalidInput("request/headers/last-event-id must be the id of an event")
    return found[1], int(found[2]), None if found[3] is None else int(found[3])


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

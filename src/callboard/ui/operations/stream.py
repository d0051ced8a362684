"""The stream: where it stands, who reads it, and the cursors that the server keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from callboard.errors import InvalidInput
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.asking import Refused, path_of
from callboard.ui.operations.frame import TABS, permitted, rate
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_WIDE = 1_000
"""Units of the drawing, from offset 0 to the head."""
_MOST_MARKS = 40
_ON_A_PAGE = 50
"""Subscriptions; all are counted."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the line of the stream."""

    name: str
    offset: int
    at: int
    """Units from the left."""
    state: str


async def stream(visit: Visit) -> Response:
    """The state of the stream and all subscriptions that whoever looks may know of."""
    status = await permitted(visit, "/events/status")
    found = await permitted(visit, "/subscriptions")
    subscriptions = mappings(mapping(found).get("items"))
    start = _start(visit, len(subscriptions))
    head = visit.context.follower.view.offset if status is None else int(str(status["head"]))
    return visit.page(
        "operations/stream.html",
        tabs=TABS,
        rate=rate,
        status=status,
        head=head,
        subscriptions=None if found is None else [*map(_described, subscriptions[start : start + _ON_A_PAGE])],
        count=len(subscriptions),
        start=start,
        size=_ON_A_PAGE,
        marks=_marks(subscriptions, head),
        history=_at(mapping(status).get("historyFloor"), head),
        tombstones=_at(mapping(status).get("tombstoneFloor"), head),
        wide=_WIDE,
    )


def _start(visit: Visit, count: int) -> int:
    """Which subscription the page begins with; the first one where there are fewer than there were."""
    text = visit.text("from")
    start = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    return start if start < count else 0


def _at(offset: JsonValue, head: int) -> int:
    return round(_WIDE * int(str(offset or 0)) / head) if head else 0


def _marks(subscriptions: Sequence[JsonObject], head: int) -> list[Mark]:
    marks = [
        Mark(str(each["name"]), int(str(each["cursor"])), _at(each["cursor"], head), str(each["state"]))
        for each in subscriptions
    ]
    return sorted(marks, key=lambda mark: mark.offset)[:_MOST_MARKS]


def _described(subscription: JsonObject) -> JsonObject:
    """A subscription with its destination in words."""
    sink = mapping(subscription.get("sink"))
    places = ("url", "subject", "topic", "queue", "stream", "exchange", "routingKey", "handler")
    place = next((str(sink[key]) for key in places if sink.get(key)), "")
    words = f"{sink['type']} {place}".strip() if sink else "read by consumers"
    filters = subscription.get("filter")
    narrowed = [str(each) for each in filters] if isinstance(filters, list) else []
    return {**subscription, "destination": words, "narrowed": " or ".join(narrowed)}


async def pause(visit: Visit) -> Response:
    """Let nothing be told until it is resumed."""
    return await _done(visit, "pause", {}, "is paused")


async def resume(visit: Visit) -> Response:
    """Let it go on where it stands."""
    return await _done(visit, "resume", {}, "goes on")


async def replay(visit: Visit) -> Response:
    """Ask from where on a subscription is to be told everything again; and once that is said, move its cursor."""
    name = visit.request.path_params["name"]
    subscription = await visit.catalog.get_object("/subscriptions" + path_of(name))
    problem = ""
    if visit.request.method == "POST":
        try:
            offset = _wanted(visit.form.get("offset", ""))
        except InvalidInput as error:
            problem = str(error)
        else:
            after = "the last change" if offset == "now" else f"offset {offset}"
            try:
                return await _done(visit, "seek", {"offset": offset}, f"begins again after {after}")
            except Refused as refused:
                # Beyond the head, or where nobody can begin any more: another offset will do.
                if refused.status not in (409, 410):
                    raise
                problem = refused.message
    head = visit.context.follower.view.offset
    return visit.page(
        "operations/replay.html", 400 if problem else 200, tabs=TABS, it=subscription, head=head, problem=problem
    )


def _wanted(text: str) -> JsonValue:
    stripped = text.strip()
    if stripped == "now":
        return "now"
    if not (stripped.isascii() and stripped.isdecimal() and len(stripped) < 19):
        raise InvalidInput(f"'{text}' is no offset: expected a whole number, 0 for the whole catalog, or now")
    return int(stripped)


async def forget(visit: Visit) -> Response:
    """Ask whether a subscription is to go; and then let it go."""
    name = visit.request.path_params["name"]
    path = "/subscriptions" + path_of(name)
    subscription = await visit.catalog.get_object(path)
    if visit.request.method == "POST":
        await visit.catalog.ask("DELETE", path, None)
        return visit.go("/operations/stream", f"The subscription {name} is forgotten.")
    return visit.page("operations/forget_subscription.html", tabs=TABS, it=subscription)


async def _done(visit: Visit, verb: str, body: JsonObject, words: str) -> Response:
    name = visit.request.path_params["name"]
    await visit.catalog.post("/subscriptions" + path_of(name, verb), body)
    return visit.go("/operations/stream", f"The subscription {name} {words}.")

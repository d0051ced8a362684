"""Subscriptions over HTTP: cursors that the server keeps, read by consumers or delivered to a sink."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.decisions import NOTHING
from callboard.access.permissions import ENTITY_READ, INGESTION_MANAGE
from callboard.access.principals import Anonymous, Principal, Service, User
from callboard.api import answers, context, errors
from callboard.api.context import MOUNT
from callboard.api.parameters import Body, body_of, query_of
from callboard.errors import InvalidInput, NotAllowed, OffsetExpired, OffsetInTheFuture
from callboard.extend import SinkTarget
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import Predicate
from callboard.store.subscriptions import Subscription, is_of_plugin
from callboard.stream import forms, subscriptions
from callboard.stream.subscriptions import NOW, Caller, Consumer, Handed, Known, Sinking, Wanted

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_OF_PLUGIN = re.compile(r"plugin:[A-Za-z0-9_-]{1,63}\.[A-Za-z0-9_-]{1,63}")

_DEFAULT_LIMIT = 100
_LARGEST_LIMIT = 10_000
_LONGEST_WAIT = 60.0
_USUAL_LEASE = 30.0
_LONGEST_LEASE = 3_600.0
_FORM = "subscription"
"""As what readers count who are held."""


async def listing(request: Request) -> Response:
    """`GET /subscriptions`."""
    query_of(request, {})
    caller = await _caller(request)
    found = await subscriptions.every(context.of(request).database, caller)
    return answers.value({"items": [described(each) for each in found]})


async def by_name(request: Request) -> Response:
    """`GET /subscriptions/{name}`."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    return answers.value(described(await subscriptions.get(context.of(request).database, name, caller)))


async def put(request: Request) -> Response:
    """`PUT /subscriptions/{name}`: make one, or let it tell something else."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    if is_of_plugin(name):
        raise NotAllowed(f"Subscription {name} belongs to a plugin: it is what the handler in its code says")
    visible = await context.visible(request, ENTITY_READ)
    body = await body_of(request)
    _no_others(body, "filter", "query", "fields", "start", "sink")
    wanted = _wanted(body)
    start = _place(body, "start", default=0)
    sinking = _sinking(request, name, body, visible)
    database = context.of(request).database
    try:
        known, created = await subscriptions.put(database, name, caller, wanted, start=start, sinking=sinking)
    except (OffsetExpired, OffsetInTheFuture) as error:
        return _start_again(request, error)
    return answers.value(described(known), 201 if created else 200)


async def delete(request: Request) -> Response:
    """`DELETE /subscriptions/{name}`."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    await subscriptions.remove(context.of(request).database, name, caller)
    return answers.empty(204)


async def pause(request: Request) -> Response:
    """`POST /subscriptions/{name}/pause`."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    return answers.value(described(await subscriptions.pause(context.of(request).database, name, caller)))


async def resume(request: Request) -> Response:
    """`POST /subscriptions/{name}/resume`."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    return answers.value(described(await subscriptions.resume(context.of(request).database, name, caller)))


async def seek(request: Request) -> Response:
    """`POST /subscriptions/{name}/seek`: move the cursor."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    body = await body_of(request)
    _no_others(body, "offset")
    if "offset" not in body.content:
        raise InvalidInput("request/body must have required property 'offset'")
    offset = _place(body, "offset", default=0)
    database = context.of(request).database
    try:
        return answers.value(described(await subscriptions.seek(database, name, caller, offset)))
    except (OffsetExpired, OffsetInTheFuture) as error:
        return _start_again(request, error)


async def read(request: Request) -> Response:
    """`POST /subscriptions/{name}/read`: the events after the cursor, for one consumer at a time."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    visible = await context.visible(request)
    body = await body_of(request, optional=True)
    _no_others(body, "limit", "wait", "lease", "leaseSeconds")
    limit = body.integer("limit")
    if limit == 0:
        raise InvalidInput("request/body/limit must be >= 1")
    here = context.of(request)
    _ = here.view
    wait = min(_seconds(body, "wait") or 0.0, _LONGEST_WAIT)
    consumer = Consumer(
        follower=here.follower,
        caller=caller,
        name=name,
        limit=_DEFAULT_LIMIT if limit is None else min(limit, _LARGEST_LIMIT),
        wait=wait,
        lease=_lease(body),
        visible=visible,
        holder=body.text("lease"),
    )
    audience = here.read_side.audience
    if wait:
        audience.admit(_FORM)
    try:
        handed = await consumer.read()
        known = await subscriptions.get(here.database, name, caller)
    except (OffsetExpired, OffsetInTheFuture) as error:
        return _start_again(request, error)
    finally:
        if wait:
            audience.leave(_FORM)
    return answers.raw(_handed(handed, known.subscription, here.view.offset))


async def acknowledge(request: Request) -> Response:
    """`POST /subscriptions/{name}/ack`: everything up to an offset is dealt with."""
    query_of(request, {})
    name, caller = _name(request), await _caller(request)
    body = await body_of(request)
    _no_others(body, "lease", "offset", "leaseSeconds", "release")
    lease, offset, release = body.required_text("lease"), body.integer("offset"), body.content.get("release", False)
    if offset is None:
        raise InvalidInput("request/body must have required property 'offset'")
    if not isinstance(release, bool):
        raise InvalidInput("request/body/release must be boolean")
    known = await subscriptions.acknowledge(
        context.of(request).database,
        name,
        caller,
        lease=lease,
        offset=offset,
        keep=None if release else _lease(body),
    )
    return answers.value({"cursor": known.subscription.offset, "lag": known.lag})


async def _caller(request: Request) -> Caller:
    """Who asks. Raises NotAllowed for who may read nothing at all."""
    visible = await context.visible(request)
    if visible == NOTHING:
        raise context.refusal(ENTITY_READ)
    operator = await context.permits(request, INGESTION_MANAGE)
    return Caller(name=_principal(context.principal_of(request)), operator=operator)


def _principal(principal: Principal) -> str | None:
    match principal:
        case Anonymous():
            return None
        case User(ref=ref):
            return ref
        case Service(subject=subject):
            return subject


def _start_again(request: Request, error: Exception) -> Response:
    view = context.of(request).view
    advice: dict[str, object] = {"head": view.offset, "epoch": view.epoch, "resync": {"seek": 0}}
    return errors.answer(request, error, mount=MOUNT, extra=advice)


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if not (_NAME.fullmatch(name) or _OF_PLUGIN.fullmatch(name)):
        raise InvalidInput(
            f"{name!r} can't name a subscription; expected 1 to 63 letters, digits and, between these, any of - _ ."
        )
    return name


def _no_others(body: Body, *known: str) -> None:
    if unknown := sorted(set(body.content) - set(known)):
        raise InvalidInput(f"request/body must have no properties but {', '.join(known)}, found {unknown[0]!r}")


def _wanted(body: Body) -> Wanted:
    query = body.content.get("query")
    if query is not None and not isinstance(query, dict):
        raise InvalidInput("request/body/query must be object")
    return Wanted(filters=_texts(body, "filter"), query=query, fields=_texts(body, "fields"))


def _texts(body: Body, name: str) -> list[str]:
    """A text, or several."""
    value = body.content.get(name)
    return [value] if isinstance(value, str) else body.texts(name)


def _place(body: Body, name: str, *, default: int) -> int | str:
    if body.content.get(name) == NOW:
        return NOW
    if isinstance(body.content.get(name), str):
        raise InvalidInput(f"request/body/{name} must be a whole number >= 0, or now")
    offset = body.integer(name)
    return default if offset is None else offset


def _seconds(body: Body, name: str) -> float | None:
    value = body.content.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InvalidInput(f"request/body/{name} must be a number >= 0")
    return float(value)


def _lease(body: Body) -> dt.timedelta:
    seconds = _seconds(body, "leaseSeconds")
    if seconds is not None and not 1 <= seconds <= _LONGEST_LEASE:
        raise InvalidInput(f"request/body/leaseSeconds must be a number from 1 to {_LONGEST_LEASE:g}")
    return dt.timedelta(seconds=seconds or _USUAL_LEASE)


def _sinking(request: Request, name: str, body: Body, visible: Predicate | None) -> Sinking | None:
    if body.content.get("sink") is None:
        return None
    options = dict(body.required_object("sink"))
    kinds = context.of(request).read_side.sinks
    kind = kinds.get(Body(options).required_text("type", of="sink/"))
    if kind is None:
        raise InvalidInput(f"request/body/sink/type must be equal to one of the allowed values: {', '.join(kinds)}")
    if unknown := sorted(set(options) - {"type", *kind.options}):
        known = ", ".join(("type", *kind.options))
        raise InvalidInput(f"request/body/sink must have no properties but these: {known}; found {unknown[0]!r}")
    secrets = Body(options).texts("secrets", of="sink/") if "secrets" in options else None
    options.pop("secrets", None)
    if "secrets" not in kind.options:
        # Those of another sink, which this one replaces, are of no use any more.
        secrets = []

    def check(stored: Sequence[str]) -> None:
        kind.check(
            SinkTarget(subscription=name, generation=0, options=options, secrets=stored if secrets is None else secrets)
        )

    return Sinking(options=options, secrets=secrets, permitted=visible, check=check)


def described(known: Known) -> JsonObject:
    """A subscription as clients see it: without secrets, and without the lease, which is one."""
    found = known.subscription
    return {
        "name": found.name,
        "owner": found.owner,
        "createdAt": found.created_at.isoformat(),
        **Wanted.parse(found.wanted).described(),
        "sink": _sink(known),
        "state": found.state.value,
        "cursor": found.offset,
        "epoch": found.epoch,
        "lag": known.lag,
        "ackedAt": _at(found.acked_at),
        "leasedUntil": _at(found.leased_until),
        "attempts": found.attempts,
        "failingSince": _at(found.failing_since),
        "nextAttemptAt": _at(found.next_at) if found.attempts and found.state.value == "active" else None,
        "error": found.error,
    }


def _sink(known: Known) -> JsonValue:
    found = known.subscription
    if found.sink is None:
        return None
    options, secrets = json.decode(found.sink), json.decode(found.secrets or "[]")
    assert isinstance(options, dict)
    assert isinstance(secrets, list)
    described: JsonObject = {**options, "secretCount": len(secrets)}
    return described if known.connected is None else {**described, "connected": known.connected}


def _at(at: dt.datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _handed(handed: Handed, found: Subscription, head: int) -> bytes:
    if handed.page is None:
        told: Mapping[str, JsonValue] = {
            "events": [],
            "held": True,
            "lease": None,
            "leasedUntil": _at(handed.leased_until),
            "cursor": handed.cursor,
            "nextOffset": handed.cursor,
            "lastEventOffset": head,
            "epoch": found.epoch,
            "caughtUp": False,
        }
        return json.encode(told)
    projection = Wanted.parse(found.wanted).projection
    listed = b",".join(forms.plain(change, projection) for change in handed.page.changes)
    rest = json.encode(
        {
            "held": False,
            "lease": handed.lease,
            "leasedUntil": _at(handed.leased_until),
            "cursor": handed.cursor,
            "nextOffset": handed.page.next_offset,
            "lastEventOffset": handed.page.head,
            "epoch": handed.page.epoch,
            "caughtUp": handed.page.caught_up,
        }
    )
    return b'{"events":[%b],%b' % (listed, rest[1:])

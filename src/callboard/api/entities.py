"""Entities: the plain list, single ones, and batches by ref."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.decisions import NOTHING
from callboard.access.permissions import ENTITY_DELETE, ENTITY_READ
from callboard.api import answers, context, history, removals
from callboard.api.parameters import Known, Number, Parameters, Text, body_of, query_of
from callboard.errors import InvalidInput, InvalidRef, NotFound
from callboard.ingestion import deleting
from callboard.model import json
from callboard.model.predicates import both, parse_filters
from callboard.model.projection import parse_fields, reduced
from callboard.model.refs import EntityRef
from callboard.store import entities
from callboard.view.cursors import Window, parse_after
from callboard.view.listings import list_entities
from callboard.view.orders import parse_order

_LIST: Known = {
    "filter": Text(),
    "fields": Text(),
    "limit": Number(),
    "offset": Number(),
    "after": Text(),
    "order": Text(),
    **context.READ,
}
_ONE: Known = {**context.READ, **history.AT}
_BATCH: Known = {"filter": Text(), **context.LIST}


async def listing(request: Request) -> Response:
    """`GET /entities`."""
    asked = query_of(request, _LIST)
    reading = await context.reading(request, asked)
    found = list_entities(
        reading.view,
        parse_filters(asked.texts("filter")),
        orders=[parse_order(text) for text in asked.texts("order")],
        window=_window(asked),
        visible=reading.visible,
    )
    headers = {"link": _next_link(asked, found.after)} if found.after else None
    return answers.entities(request, found.bodies, parse_fields(asked.texts("fields")), headers)


def _window(asked: Parameters) -> Window | None:
    limit, offset, after = asked.integer("limit"), asked.integer("offset"), asked.text("after")
    if limit == 0:
        raise InvalidInput("Invalid limit, must be greater than zero")
    if limit is None and offset is None and after is None:
        return None
    window = Window(offset or 0, limit)
    return parse_after(after, window) if after else window


def _next_link(asked: Parameters, after: str) -> str:
    # Without the mount point, as Backstage writes it and its clients expect it.
    again = [(name, value) for name in asked.values if name not in ("offset", "after") for value in asked.values[name]]
    return f'</entities?{urlencode([*again, ("after", after)])}>; rel="next"'


async def by_name(request: Request) -> Response:
    """`GET /entities/by-name/{kind}/{namespace}/{name}`, as it is or as it was `at` an offset."""
    asked = query_of(request, _ONE)
    reading = await context.reading(request, asked)
    if (offset := asked.integer("at")) is not None:
        return await history.at(request, offset, reading.visible)
    body = reading.view.by_ref(str(context.ref_of(request)), predicate=reading.visible)
    if body is None:
        kind, namespace, name = (request.path_params[part] for part in ("kind", "namespace", "name"))
        raise NotFound(f"No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'")
    return answers.raw(body)


async def by_uid(request: Request) -> Response:
    """`GET /entities/by-uid/{uid}`."""
    reading = await context.reading(request, query_of(request, context.READ))
    uid = request.path_params["uid"]
    body = reading.view.by_uid(uid, predicate=reading.visible)
    if body is None:
        raise NotFound(f"No entity with uid {uid}")
    return answers.raw(body)


async def delete(request: Request) -> Response:
    """`DELETE /entities/by-uid/{uid}`: gone at once, and back soon if a source still offers it."""
    asked, uid = query_of(request, removals.DRY_RUN), request.path_params["uid"]
    await _permit_to_delete(request, uid)
    database, delete_orphans = context.of(request).database, removals.delete_orphans(request)
    if removals.is_dry(asked):
        would = await deleting.preview(database, uid, delete_orphans=delete_orphans)
        return await removals.told(request, would, asked)
    by = context.asked_by(request)
    return await removals.done(request, await deleting.delete(database, uid, delete_orphans=delete_orphans, by=by))


async def _permit_to_delete(request: Request, uid: str) -> None:
    allowed = await context.visible(request, ENTITY_DELETE)
    view = context.of(request).view
    # What is not there can be deleted by everybody, unless deleting anything at all is forbidden.
    if allowed is not None and (allowed == NOTHING or (view.by_uid(uid) and not view.by_uid(uid, predicate=allowed))):
        raise context.refusal(ENTITY_DELETE, "this entity")


async def by_refs(request: Request) -> Response:
    """`POST /entities/by-refs`: entities in the order of their refs, null for what is not there or not meant."""
    asked = query_of(request, _BATCH)
    body = await body_of(request)
    refs = [_canonical(text) for text in body.texts("entityRefs", required=True)]
    predicate = both(parse_filters(asked.texts("filter")), body.predicate())
    projection = parse_fields(body.texts("fields"))
    reading = await context.reading(request, asked)
    found = reading.view.by_refs(refs, predicate=both(predicate, reading.visible))
    items = [b"null" if entity is None else reduced(entity, projection) for entity in found]
    return answers.raw(b'{"items":[%b]%b}' % (b",".join(items), answers.appended(reading.said)))


def _canonical(text: str) -> str:
    try:
        return str(EntityRef.parse(text))
    except InvalidRef:
        # Nothing has such a name, and that is all the caller asked.
        return text


async def ancestry(request: Request) -> Response:
    """`GET /entities/by-name/{kind}/{namespace}/{name}/ancestry`: the entity, and all that led to it."""
    asked = query_of(request, context.READ)
    here = context.of(request)
    ref = str(context.ref_of(request))
    async with here.database.transaction() as tx:
        found = await entities.ancestry(tx, ref)
    reading = await context.reading(request, asked)
    if reading.view.by_ref(ref) is None:
        raise NotFound(f"No such entity {ref}")
    bodies = {
        member: body
        for member, _ in found
        if (body := reading.view.by_ref(member, predicate=reading.visible)) is not None
    }
    if ref not in bodies:
        raise context.refusal(ENTITY_READ, ref)
    items = [
        b'{"entity":%b,"parentEntityRefs":%b}' % (bodies[member], json.encode(parents))
        for member, parents in _reached(ref, dict(found), bodies)
    ]
    return answers.raw(b'{"rootEntityRef":%b,"items":[%b]}' % (json.encode(ref), b",".join(items)))


def _reached(
    ref: str, parents_of: Mapping[str, list[str]], bodies: Mapping[str, bytes]
) -> Iterator[tuple[str, list[str]]]:
    """The entities that can be read on the way up from *ref*, each with such parents."""
    pending, met = [ref], {ref}
    for member in pending:
        parents = [parent for parent in parents_of.get(member, []) if parent in bodies]
        yield member, parents
        pending += [parent for parent in parents if parent not in met]
        met.update(parents)

"""Entities: the plain list, single ones, and batches by ref."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.parameters import Known, Number, Parameters, Text, body_of, query_of
from callboard.errors import InvalidInput, InvalidRef, NotFound
from callboard.ingestion import deleting
from callboard.model import json
from callboard.model.predicates import both, parse_filters
from callboard.model.projection import parse_fields
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
}
_BATCH: Known = {"filter": Text()}


async def listing(request: Request) -> Response:
    """`GET /entities`."""
    asked = query_of(request, _LIST)
    view = context.of(request).view
    found = list_entities(
        view,
        parse_filters(asked.texts("filter")),
        orders=[parse_order(text) for text in asked.texts("order")],
        window=_window(asked),
    )
    headers = {"link": _next_link(asked, found.after)} if found.after else None
    return answers.raw(answers.joined(found.bodies, parse_fields(asked.texts("fields"))), headers)


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
    """`GET /entities/by-name/{kind}/{namespace}/{name}`."""
    query_of(request, {})
    kind, namespace, name = (request.path_params[part] for part in ("kind", "namespace", "name"))
    ref = EntityRef(kind.lower(), namespace.lower(), name.lower())
    body = context.of(request).view.by_ref(str(ref))
    if body is None:
        raise NotFound(f"No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'")
    return answers.raw(body)


async def by_uid(request: Request) -> Response:
    """`GET /entities/by-uid/{uid}`."""
    query_of(request, {})
    uid = request.path_params["uid"]
    body = context.of(request).view.by_uid(uid)
    if body is None:
        raise NotFound(f"No entity with uid {uid}")
    return answers.raw(body)


async def delete(request: Request) -> Response:
    """`DELETE /entities/by-uid/{uid}`: gone at once, and back soon if a source still offers it."""
    query_of(request, {})
    here = context.of(request)
    offset = await deleting.delete(here.database, request.path_params["uid"])
    if offset is not None:
        await here.follower.wait_beyond(offset - 1, context.PATIENCE)
    return answers.empty(204)


async def by_refs(request: Request) -> Response:
    """`POST /entities/by-refs`: entities in the order of their refs, null for what is not there or not meant."""
    asked = query_of(request, _BATCH)
    body = await body_of(request)
    refs = [_canonical(text) for text in body.texts("entityRefs", required=True)]
    predicate = both(parse_filters(asked.texts("filter")), body.predicate())
    projection = parse_fields(body.texts("fields"))
    view = context.of(request).view
    found = view.by_refs(refs, predicate=predicate)
    items = [b"null" if entity is None else answers.reduced(entity, projection) for entity in found]
    return answers.raw(b'{"items":[%b],"lastEventOffset":%d}' % (b",".join(items), view.offset))


def _canonical(text: str) -> str:
    try:
        return str(EntityRef.parse(text))
    except InvalidRef:
        # Nothing has such a name, and that is all the caller asked.
        return text


async def ancestry(request: Request) -> Response:
    """`GET /entities/by-name/{kind}/{namespace}/{name}/ancestry`: the entity, and all that led to it."""
    query_of(request, {})
    here = context.of(request)
    ref = str(EntityRef(*(request.path_params[part].lower() for part in ("kind", "namespace", "name"))))
    async with here.database.transaction() as tx:
        found = await entities.ancestry(tx, ref)
    view = here.view
    if view.by_ref(ref) is None:
        raise NotFound(f"No such entity {ref}")
    items = [
        b'{"entity":%b,"parentEntityRefs":%b}' % (body, json.encode(parents))
        for member, parents in found
        if (body := view.by_ref(member)) is not None
    ]
    return answers.raw(b'{"rootEntityRef":%b,"items":[%b]}' % (json.encode(ref), b",".join(items)))

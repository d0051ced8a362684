"""Entities: lists, queries, single ones."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.parameters import Known, Number, Parameters, Text, query_of
from callboard.errors import InvalidInput, NotFound
from callboard.model import json
from callboard.model.predicates import parse_filters
from callboard.model.projection import parse_fields
from callboard.model.refs import EntityRef
from callboard.view.cursors import Query, TextSearch, Window, parse_after
from callboard.view.facets import facets
from callboard.view.listings import list_entities
from callboard.view.orders import parse_order, parse_order_field
from callboard.view.queries import DEFAULT_LIMIT, Page, query, resume

_LIST: Known = {
    "filter": Text(),
    "fields": Text(),
    "limit": Number(),
    "offset": Number(),
    "after": Text(),
    "order": Text(),
}
_QUERY: Known = {
    "filter": Text(),
    "fields": Text(),
    "limit": Number(),
    "offset": Number(),
    "orderField": Text(),
    "cursor": Text(),
    "totalItems": Text(choices=("include", "exclude")),
    "fullTextFilterTerm": Text(),
    "fullTextFilterFields": Text(),
}
_FACETS: Known = {"facet": Text(), "filter": Text()}


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


async def by_query(request: Request) -> Response:
    """`GET /entities/by-query`."""
    asked = query_of(request, _QUERY)
    view = context.of(request).view
    limit = asked.integer("limit")
    limit = DEFAULT_LIMIT if limit is None else limit
    cursor = asked.text("cursor")
    if cursor is not None:
        page = resume(view, cursor, limit=limit)
    else:
        page = query(
            view,
            _query(asked),
            limit=limit,
            offset=asked.integer("offset") or 0,
            count=asked.text("totalItems") != "exclude",
        )
    return answers.raw(_page(page, asked, view.offset))


def _query(asked: Parameters) -> Query:
    orders = [parse_order_field(text) for text in asked.texts("orderField")]
    term = asked.text("fullTextFilterTerm")
    fields = [part for text in asked.texts("fullTextFilterFields") for part in text.split(",") if part]
    return Query(
        predicate=parse_filters(asked.texts("filter")),
        order=orders[0] if orders else None,
        text=TextSearch(term, tuple(fields)) if term else None,
    )


def _page(page: Page, asked: Parameters, offset: int) -> bytes:
    cursors = {"nextCursor": page.next_cursor, "prevCursor": page.previous_cursor}
    return b'{"items":%b,"totalItems":%d,"pageInfo":%b,"lastEventOffset":%d}' % (
        answers.joined(page.bodies, parse_fields(asked.texts("fields"))),
        page.total,
        json.encode({name: cursor for name, cursor in cursors.items() if cursor}),
        offset,
    )


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


async def entity_facets(request: Request) -> Response:
    """`GET /entity-facets`."""
    asked = query_of(request, _FACETS)
    keys = asked.texts("facet")
    if not keys:
        raise InvalidInput("request/query must have required property 'facet'")
    view = context.of(request).view
    found = facets(view, keys, parse_filters(asked.texts("filter")))
    return answers.value({"facets": found, "lastEventOffset": view.offset})

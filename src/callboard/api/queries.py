"""Queries and facets, asked by query strings or by predicate objects."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.context import Reading
from callboard.api.parameters import Body, Known, Number, Parameters, Text, body_of, query_of
from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.predicates import both, parse_filters
from callboard.model.projection import Projection, parse_fields
from callboard.view.cursors import Query
from callboard.view.facets import Narrowing, facets
from callboard.view.orders import Order, parse_order_field
from callboard.view.queries import DEFAULT_LIMIT, Page, query, resume
from callboard.view.texts import TextSearch

_TOTALS = ("include", "exclude")
_QUERY: Known = {
    "filter": Text(),
    "fields": Text(),
    "limit": Number(),
    "offset": Number(),
    "orderField": Text(),
    "cursor": Text(),
    "totalItems": Text(choices=_TOTALS),
    "fullTextFilterTerm": Text(),
    "fullTextFilterFields": Text(),
    **context.LIST,
}
_FACETS: Known = {"facet": Text(), "filter": Text(), "limit": Number(), "contains": Text(), **context.LIST}


async def by_query(request: Request) -> Response:
    """`GET /entities/by-query`."""
    asked = query_of(request, _QUERY)
    reading = await context.reading(request, asked)
    page = _find(reading, asked, lambda: _query_of_parameters(asked))
    return _page(request, page, parse_fields(asked.texts("fields")), reading.said)


async def by_query_object(request: Request) -> Response:
    """`POST /entities/by-query`."""
    asked = query_of(request, context.LIST)
    body = await body_of(request, optional=True)
    total = body.text("totalItems")
    if total not in (None, *_TOTALS):
        raise InvalidInput(f"request/body/totalItems must be equal to one of the allowed values: {', '.join(_TOTALS)}")
    reading = await context.reading(request, asked)
    page = _find(reading, body, lambda: _query_of_body(body))
    return _page(request, page, parse_fields(body.texts("fields")), reading.said)


def _find(reading: Reading, asked: Parameters | Body, query_asked: Callable[[], Query]) -> Page:
    """The page that a cursor leads to, beside which only the limit counts; without a cursor the first page."""
    cursor, limit, offset = asked.text("cursor"), asked.integer("limit"), asked.integer("offset")
    limit = DEFAULT_LIMIT if limit is None else limit
    if cursor is not None:
        return resume(reading.view, cursor, limit=limit, visible=reading.visible)
    count = asked.text("totalItems") != "exclude"
    return query(reading.view, query_asked(), limit=limit, offset=offset or 0, count=count, visible=reading.visible)


def _query_of_parameters(asked: Parameters) -> Query:
    orders = [parse_order_field(text) for text in asked.texts("orderField")]
    term = asked.text("fullTextFilterTerm")
    fields = [part for text in asked.texts("fullTextFilterFields") for part in text.split(",") if part]
    return Query(
        predicate=parse_filters(asked.texts("filter")),
        order=orders[0] if orders else None,
        text=TextSearch(term, tuple(fields)) if term else None,
    )


def _query_of_body(body: Body) -> Query:
    return Query(predicate=body.predicate(), order=_order(body), text=_text(body))


def _order(body: Body) -> Order | None:
    match body.content.get("orderBy"):
        case None | []:
            return None
        case [{"field": str(field), "order": "asc" | "desc" as direction}, *_]:
            return Order(field, direction == "desc")
        case _:
            raise InvalidInput('request/body/orderBy must be a list of {"field": text, "order": "asc" or "desc"}')


def _text(body: Body) -> TextSearch | None:
    asked = body.content.get("fullTextFilter")
    if asked is None:
        return None
    if not isinstance(asked, dict) or not isinstance(term := asked.get("term"), str):
        raise InvalidInput('request/body/fullTextFilter must be {"term": text, "fields": [texts]}')
    fields = Body(asked).texts("fields", of="fullTextFilter/")
    return TextSearch(term, tuple(fields)) if term else None


def _page(request: Request, page: Page, projection: Projection | None, said: Mapping[str, int]) -> Response:
    if answers.wants_lines(request):
        return answers.raw(answers.whole(page.bodies, projection, lines=True), _beside(page), answers.LINES)
    cursors = {"nextCursor": page.next_cursor, "prevCursor": page.previous_cursor}
    return answers.raw(
        b'{"items":%b,"totalItems":%d,"pageInfo":%b%b}'
        % (
            answers.whole(page.bodies, projection),
            page.total,
            json.encode({name: cursor for name, cursor in cursors.items() if cursor}),
            answers.appended(said),
        )
    )


def _beside(page: Page) -> dict[str, str]:
    """What has no place among lines of entities."""
    found = {"callboard-total-items": str(page.total)}
    if page.next_cursor:
        found["callboard-next-cursor"] = page.next_cursor
    if page.previous_cursor:
        found["callboard-prev-cursor"] = page.previous_cursor
    return found


async def entity_facets(request: Request) -> Response:
    """`GET /entity-facets`."""
    asked = query_of(request, _FACETS)
    keys = asked.texts("facet")
    if not keys:
        raise InvalidInput("request/query must have required property 'facet'")
    narrowing = Narrowing(asked.integer("limit"), asked.text("contains") or "")
    reading = await context.reading(request, asked)
    predicate = both(parse_filters(asked.texts("filter")), reading.visible)
    return answers.value({"facets": facets(reading.view, keys, predicate, narrowing), **reading.said})


async def entity_facets_object(request: Request) -> Response:
    """`POST /entity-facets`."""
    asked = query_of(request, context.LIST)
    body = await body_of(request)
    keys = body.texts("facets", required=True)
    if not keys:
        raise InvalidInput("Missing or empty facets parameter")
    narrowing = Narrowing(body.integer("limit"), body.text("contains") or "")
    reading = await context.reading(request, asked)
    predicate = both(body.predicate(), reading.visible)
    found = facets(reading.view, keys, predicate, narrowing, _text(body))
    return answers.value({"facets": found, **reading.said})

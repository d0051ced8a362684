"""Cursors: a place in a list, handed out to the caller and taken back.

A cursor of `by-query` is base64 of JSON with the fields that the Backstage catalog writes, and holds all that the walk
asked for; what the caller may see is never taken from it. The `after` cursor of `GET /entities` is a plain offset.
"""

import base64
import binascii
from dataclasses import dataclass

from callboard.errors import InvalidInput
from callboard.model.json import JsonObject, JsonValue, decode, encode
from callboard.model.predicates import Predicate, format_query, parse_query
from callboard.view.orders import Order
from callboard.view.texts import TextSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a walk through the catalog asks for."""

    predicate: Predicate | None = None
    order: Order | None = None
    """Default: by uid."""
    text: TextSearch | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entity stands in a list: the value that it is sorted by (None in a list by uid), and its uid."""

    value: str | None
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The page after *place*, or before it."""

    query: Query
    place: Place
    backwards: bool
    first: Place
    """The first entity of the first page: a walk backwards ends there."""
    total: int | None
    """As counted for the first page; None when nobody asked."""


def format_cursor(cursor: Cursor) -> str:
    """*cursor* as text."""
    query = cursor.query
    content: JsonObject = {"orderFields": [], "isPrevious": cursor.backwards}
    if query.order is not None:
        direction = "desc" if query.order.descending else "asc"
        content["orderFields"] = [{"field": query.order.field, "order": direction}]
    if query.predicate is not None:
        content["query"] = format_query(query.predicate)
    if query.text is not None:
        content["fullTextFilter"] = {"term": query.text.term, "fields": list(query.text.fields)}
    content["orderFieldValues"] = _format_place(cursor.place)
    content["firstSortFieldValues"] = _format_place(cursor.first)
    if cursor.total is not None:
        content["totalItems"] = cursor.total
    return base64.b64encode(encode(content)).decode()


def parse_cursor(text: str) -> Cursor:
    """The cursor that *text* says. Raises InvalidInput."""
    content = _decode(text, "Malformed cursor")
    order = _parse_order(content.get("orderFields"))
    total = content.get("totalItems")
    backwards = content.get("isPrevious")
    if not isinstance(backwards, bool):
        raise InvalidInput("Malformed cursor: isPrevious is not a boolean")
    if total is not None and (isinstance(total, bool) or not isinstance(total, int)):
        raise InvalidInput("Malformed cursor: totalItems is not an integer")
    query = Query(
        predicate=parse_query(content["query"]) if "query" in content else None,
        order=order,
        text=_parse_text(content.get("fullTextFilter")),
    )
    return Cursor(
        query=query,
        place=_parse_place(content, "orderFieldValues", order),
        backwards=backwards,
        first=_parse_place(content, "firstSortFieldValues", order),
        total=total,
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is asked for; no *limit* means all the rest."""

    offset: int = 0
    limit: int | None = None


def format_after(window: Window) -> str:
    """The `after` cursor that leads to *window*."""
    return base64.b64encode(encode({"limit": window.limit, "offset": window.offset})).decode()


def parse_after(text: str, default: Window) -> Window:
    """The window that the `after` cursor says; *default* gives what it does not say."""
    content = _decode(text, "Malformed after cursor")
    limit, offset = content.get("limit", default.limit), content.get("offset", default.offset)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidInput("Malformed after cursor, limit was not an number")
    if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
        raise InvalidInput("Malformed after cursor, offset was not a number")
    return Window(offset, limit)


def _decode(text: str, complaint: str) -> JsonObject:
    # A plus sign that was not escaped in a URL arrives as a blank; the padding is often cut off.
    tidy = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        content = decode(base64.b64decode(tidy + "=" * (-len(tidy) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{complaint}: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{complaint}: it is not an object")
    return content


def _format_place(place: Place) -> JsonValue:
    return [place.uid] if place.value is None else [place.value, place.uid]


def _parse_place(content: JsonObject, name: str, order: Order | None) -> Place:
    values = content.get(name)
    match values:
        case [str(uid)] if order is None:
            return Place(None, uid)
        case [str(value), str(uid)] if order is not None:
            return Place(value, uid)
        case _:
            raise InvalidInput(f"Malformed cursor: {name} does not fit the order")


def _parse_order(fields: JsonValue) -> Order | None:
    match fields:
        case []:
            return None
        case [{"field": str(field), "order": "asc" | "desc" as direction}, *_]:
            return Order(field, direction == "desc")
        case _:
            raise InvalidInput("Malformed cursor: orderFields is not a list of fields with an order")


def _parse_text(text: JsonValue) -> TextSearch | None:
    if text is None:
        return None
    if not isinstance(text, dict) or not isinstance(term := text.get("term"), str):
        raise InvalidInput("Malformed cursor: fullTextFilter has no term")
    fields = text.get("fields") or []
    names = [field for field in fields if isinstance(field, str)] if isinstance(fields, list) else []
    return TextSearch(term, tuple(names)) if term else None

"""Registered locations, asked for by predicates, one page after the other."""

import base64
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import LOCATION_READ
from callboard.api import answers, context, waiting
from callboard.api.locations import described
from callboard.api.parameters import Body, Known, Text, body_of, query_of
from callboard.errors import InvalidInput
from callboard.ingestion import settledness
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import EVERYTHING, AllOf, AnyOf, Not, Predicate, format_query, matches, parse_query
from callboard.store import locations
from callboard.store.database import Transaction
from callboard.store.locations import RegisteredLocation

_DEFAULT_LIMIT = 1_000
_MOST = 1_000_000
_CHUNK = 2_000
_MOST_STATES = 100
"""Locations in a page that tells how far each has come: all that hangs below them is looked at."""
_NAMED = 10
"""So many failures of each are told there."""
_STATUS: Known = {"status": Text(choices=("true", "false"))}
_KEYS = ("id", "type", "target", "entityRef")


@dataclass(frozen=True, slots=True)
class _Walk:
    """A place on the way through the locations that a query finds."""

    limit: int
    after: str | None
    query: JsonObject | None

    @property
    def predicate(self) -> Predicate:
        predicate = EVERYTHING if self.query is None else parse_query(self.query)
        _check_keys(predicate)
        return predicate

    def cursor(self, last: RegisteredLocation) -> str:
        content: JsonObject = {"limit": self.limit, "afterId": last.id}
        if self.query is not None:
            # As it was understood: what was ignored could be anything, be it too deep to be written.
            content["query"] = format_query(self.predicate)
        return base64.b64encode(json.encode(content)).decode()


async def by_query(request: Request) -> Response:
    """`POST /locations/by-query`."""
    with_status = query_of(request, _STATUS).flag("status")
    walk = _walk(await body_of(request, optional=True))
    if with_status:
        walk = replace(walk, limit=min(walk.limit, _MOST_STATES))
    if not await context.permits(request, LOCATION_READ):
        return answers.value({"items": [], "totalItems": 0, "pageInfo": {}})
    async with context.of(request).database.transaction(snapshot=True) as tx:
        items, total = await _find(tx, walk)
    shown = items[: walk.limit]
    told = [described(item) for item in shown]
    if with_status:
        states = await _states(request, shown)
        told = [{**each, "status": state} for each, state in zip(told, states, strict=True)]
    more = {"nextCursor": walk.cursor(shown[-1])} if len(items) > walk.limit else {}
    return answers.value({"items": [*told], "totalItems": total, "pageInfo": more})


async def _states(request: Request, shown: Sequence[RegisteredLocation]) -> list[JsonObject]:
    """How far all has come that each of them has led to; the view has seen what is settled."""
    here, refs = context.of(request), [location.entity_ref for location in shown]
    async with here.database.transaction() as tx:
        found = await settledness.glance(tx, refs, named=_NAMED)
    if settled := [status.offset for status in found if status.settled]:
        await context.until_visible(here, max(settled))
    return [waiting.described(status) for status in found]


async def _find(tx: Transaction, walk: _Walk) -> tuple[list[RegisteredLocation], int]:
    """What is on the page, one more if there is one, and how many there are on all pages together."""
    predicate = walk.predicate
    if predicate == EVERYTHING:
        return await locations.page(tx, after=walk.after, limit=walk.limit + 1), await locations.count(tx)
    items: list[RegisteredLocation] = []
    total = 0
    async for location in _every(tx):
        if matches(predicate, _facts(location)):
            total += 1
            if len(items) <= walk.limit and (walk.after is None or location.id > walk.after):
                items.append(location)
    return items, total


async def _every(tx: Transaction) -> AsyncIterator[RegisteredLocation]:
    # In pieces, so that neither memory nor the other requests suffer when there are very many.
    after = None
    while chunk := await locations.page(tx, after=after, limit=_CHUNK):
        for location in chunk:
            yield location
        after = chunk[-1].id


def _facts(location: RegisteredLocation) -> dict[str, tuple[str, ...]]:
    return {
        "id": (location.id,),
        "type": (location.type,),
        "target": (location.target,),
        "entityref": (location.entity_ref,),
    }


def _check_keys(predicate: Predicate) -> None:
    match predicate:
        case AllOf(members) | AnyOf(members):
            for member in members:
                _check_keys(member)
        case Not(member):
            _check_keys(member)
        case _:
            if predicate.key not in map(str.lower, _KEYS):
                expected = "', '".join(_KEYS)
                raise InvalidInput(
                    f"Invalid filter predicate, expected one of the keys '{expected}', got '{predicate.key}'"
                )


def _walk(body: Body) -> _Walk:
    limit, cursor = body.integer("limit"), body.text("cursor")
    if limit == 0:
        raise InvalidInput("Limit must be a positive integer >= 1")
    if cursor:
        walk = _parse_cursor(cursor)
        return _Walk(min(limit or walk.limit, _MOST), walk.after, walk.query)
    query = body.required_object("query") if "query" in body.content else None
    return _Walk(min(limit or _DEFAULT_LIMIT, _MOST), None, query)


def _parse_cursor(text: str) -> _Walk:
    try:
        content = json.decode(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise InvalidInput(f"Malformed cursor, unknown encoding: {error}") from None
    if not isinstance(content, dict):
        raise InvalidInput("Malformed cursor, it is not an object")
    limit, after, query = content.get("limit"), content.get("afterId"), content.get("query")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidInput("Malformed cursor, its limit is not a number")
    if query is not None and not isinstance(query, dict):
        raise InvalidInput("Malformed cursor, its query is not an object")
    return _Walk(limit, _id(after), query)


def _id(value: JsonValue) -> str:
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise InvalidInput("Malformed cursor, its afterId is not an id") from None

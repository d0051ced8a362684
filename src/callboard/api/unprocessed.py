"""Unprocessed entities: what is in the catalog but can't be seen by readers yet, why, and away with it."""

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import UNPROCESSED_DELETE, UNPROCESSED_READ
from callboard.api import answers, context, removals
from callboard.api.parameters import Known, Number, Parameters, Text, query_of
from callboard.ingestion import deleting
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.store import entities
from callboard.store.entities import Unprocessed, Wanted

_KNOWN: Known = {"owner": Text(), "entityId": Text(), "limit": Number(), "offset": Number(), "countUpTo": Number()}
_PAGE = {"limit", "offset", "countUpTo"}


async def failed(request: Request) -> Response:
    """`GET /entities/unprocessed/failed`."""
    return await _listing(request, failed=True)


async def pending(request: Request) -> Response:
    """`GET /entities/unprocessed/pending`."""
    return await _listing(request, failed=False)


async def delete(request: Request) -> Response:
    """`DELETE /entities/unprocessed/delete/{entity_id}`: as by uid, but never of an entity that is all right."""
    query_of(request, {})
    await context.permit(request, UNPROCESSED_DELETE)
    deleted = await deleting.delete(
        context.of(request).database,
        request.path_params["entity_id"],
        find=entities.find_unprocessed,
        delete_orphans=removals.delete_orphans(request),
        by=context.asked_by(request),
    )
    return await removals.done(request, deleted)


async def _listing(request: Request, *, failed: bool) -> Response:
    asked = query_of(request, _KNOWN)
    await context.permit(request, UNPROCESSED_READ)
    async with context.of(request).database.transaction(snapshot=True) as tx:
        found, total = await entities.unprocessed(tx, failed=failed, wanted=_wanted(asked))
    content: JsonObject = {"type": "failed" if failed else "pending", "entities": [*map(_row, found)]}
    # Without these parameters the answer is what Backstage's has.
    return answers.value({**content, "totalItems": total} if asked.values.keys() & _PAGE else content)


def _wanted(asked: Parameters) -> Wanted:
    return Wanted(
        uid=asked.text("entityId"),
        owner=asked.text("owner"),
        limit=asked.integer("limit"),
        offset=asked.integer("offset") or 0,
        count_up_to=asked.integer("countUpTo"),
    )


def _row(entity: Unprocessed) -> JsonObject:
    def parsed(text: str | None) -> JsonValue:
        return json.decode(text) if text else None

    return {
        "entity_id": entity.uid,
        "entity_ref": entity.ref,
        "unprocessed_entity": parsed(entity.content),
        "processed_entity": None,
        "cache": parsed(entity.state),
        "errors": parsed(entity.errors) or [],
        "next_update_at": entity.due_at.isoformat() if entity.due_at else None,
        "last_discovery_at": entity.discovered_at.isoformat(),
        "location_key": entity.location_key or None,
        "result_hash": entity.result_hash.hex() if entity.result_hash else None,
        "unprocessed_hash": entity.unprocessed_hash.hex() if entity.unprocessed_hash else None,
    }

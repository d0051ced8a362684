"""Registered locations, and the request to read something again."""

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.parameters import Known, Text, body_of, query_of
from callboard.errors import InvalidInput, NotAllowed, NotFound
from callboard.ingestion import locations as registering
from callboard.ingestion import refreshing
from callboard.ingestion.locations import OnConflict
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.store import locations
from callboard.store.locations import RegisteredLocation

_ALLOWED_TYPES = ("url",)
_CREATE: Known = {"onConflict": Text(choices=("reject", "refresh"))}


def _described(location: RegisteredLocation) -> JsonObject:
    return {
        "id": location.id,
        "type": location.type,
        "target": location.target,
        "entityRef": location.entity_ref,
    }


async def listing(request: Request) -> Response:
    """`GET /locations`."""
    query_of(request, {})
    async with context.of(request).database.transaction() as tx:
        found = await locations.every(tx)
    return answers.value([{"data": _described(location)} for location in found])


async def by_id(request: Request) -> Response:
    """`GET /locations/{id}`."""
    query_of(request, {})
    location_id = request.path_params["id"]
    async with context.of(request).database.transaction() as tx:
        found = await locations.find(tx, location_id)
    if found is None:
        raise NotFound(f"Found no location with ID {location_id}")
    return answers.value(_described(found))


async def register(request: Request) -> Response:
    """`POST /locations`."""
    here = context.of(request)
    chosen = query_of(request, _CREATE).text("onConflict")
    location = _location((await body_of(request)).content)
    if here.settings.catalog.readonly:
        raise NotAllowed("This operation not allowed in readonly mode")
    on_conflict = OnConflict(chosen or here.settings.catalog.default_location_conflict_strategy)
    registered = await registering.register(here.database, location, on_conflict=on_conflict)
    return answers.value({"location": _described(registered), "entities": []}, 201)


async def unregister(request: Request) -> Response:
    """`DELETE /locations/{id}`."""
    here = context.of(request)
    query_of(request, {})
    if here.settings.catalog.readonly:
        raise NotAllowed("This operation not allowed in readonly mode")
    offset = await registering.unregister(here.database, request.path_params["id"])
    if offset is not None:
        await here.follower.wait_beyond(offset - 1, context.PATIENCE)
    return answers.empty(204)


async def refresh(request: Request) -> Response:
    """`POST /refresh`."""
    query_of(request, {})
    text = (await body_of(request)).text("entityRef")
    if text is None:
        raise InvalidInput("request/body must have required property 'entityRef'")
    await refreshing.refresh(context.of(request).database, EntityRef.parse(text))
    return answers.empty(200)


def _location(body: JsonObject) -> LocationRef:
    for name in ("type", "target"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise InvalidInput(f"Malformed request: {name}: expected a text, got {body.get(name)!r}")
    if unknown := sorted(set(body) - {"type", "target", "presence"}):
        raise InvalidInput(f"Malformed request: unrecognized_keys: {', '.join(unknown)}")
    if body["type"] not in _ALLOWED_TYPES:
        raise InvalidInput('Registered locations must be of an allowed type ["url"]')
    return LocationRef(str(body["type"]), str(body["target"]))

"""Registered locations, and the request to read something again."""

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import ENTITY_REFRESH, LOCATION_CREATE, LOCATION_DELETE, LOCATION_READ
from callboard.api import answers, context, removals, waiting
from callboard.api.context import Context
from callboard.api.parameters import Body, Known, Text, body_of, query_of
from callboard.errors import InvalidEntity, InvalidInput, InvalidRef, NotAllowed, NotFound, Unauthenticated
from callboard.ingestion import locations as registering
from callboard.ingestion import refreshing
from callboard.ingestion.locations import OnConflict
from callboard.model import json
from callboard.model.causes import Because, Reason
from callboard.model.entities import origin_of
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.processing import trial
from callboard.store import locations
from callboard.store.locations import RegisteredLocation
from callboard.store.progress import Part

_ALLOWED_TYPES = ("url",)
_CREATE: Known = {"onConflict": Text(choices=("reject", "refresh")), "dryRun": Text()}


def described(location: RegisteredLocation) -> JsonObject:
    """A location as clients see it."""
    return {
        "id": location.id,
        "type": location.type,
        "target": location.target,
        "entityRef": location.entity_ref,
    }


async def listing(request: Request) -> Response:
    """`GET /locations`."""
    query_of(request, {})
    if not await context.permits(request, LOCATION_READ):
        return answers.value([])
    async with context.of(request).database.transaction() as tx:
        found = await locations.every(tx)
    return answers.value([{"data": described(location)} for location in found])


async def by_id(request: Request) -> Response:
    """`GET /locations/{id}`."""
    query_of(request, {})
    location_id = request.path_params["id"]
    async with context.of(request).database.transaction() as tx:
        found = await locations.find(tx, location_id)
    if found is None or not await context.permits(request, LOCATION_READ):
        raise NotFound(f"Found no location with ID {location_id}")
    return answers.value(described(found))


async def status(request: Request) -> Response:
    """`GET /locations/{id}/status`: how far all that a registered location has led to has come."""
    asked = query_of(request, waiting.WAIT)
    location_id = request.path_params["id"]
    async with context.of(request).database.transaction() as tx:
        found = await locations.find(tx, location_id)
    if found is None or not await context.permits(request, LOCATION_READ):
        raise NotFound(f"Found no location with ID {location_id}")
    return await waiting.status(request, Part(refs=[found.entity_ref]), waiting.seconds(asked))


async def by_entity(request: Request) -> Response:
    """`GET /locations/by-entity/{kind}/{namespace}/{name}`: the registered location that led to the entity."""
    query_of(request, {})
    here, visible = context.of(request), await context.visible(request)
    ref = context.ref_of(request)
    body = here.view.by_ref(str(ref), predicate=visible)
    if body is None:
        raise NotFound(f"found no entity for ref {ref}")
    origin = _origin(body)
    found = await _find_target(here, origin)
    if found is None or not await context.permits(request, LOCATION_READ):
        raise NotFound(f"Found no location with type {origin.type} and target {origin.target}")
    return answers.value(described(found))


def _origin(body: bytes) -> LocationRef:
    entity = json.decode(body)
    assert isinstance(entity, dict)
    try:
        return origin_of(entity)
    except InvalidEntity as error:
        raise NotFound(str(error)) from None


async def register(request: Request) -> Response:
    """`POST /locations`."""
    asked = query_of(request, _CREATE)
    location = _location(await body_of(request))
    await context.permit(request, LOCATION_CREATE)
    if asked.flag("dryRun"):
        return await _try_out(context.of(request), location)
    here = _writable(request)
    on_conflict = OnConflict(asked.text("onConflict") or here.settings.catalog.default_location_conflict_strategy)
    registered = await registering.register(
        here.database, location, on_conflict=on_conflict, by=context.asked_by(request)
    )
    return answers.value({"location": described(registered), "entities": []}, 201)


async def _try_out(here: Context, location: LocationRef) -> Response:
    """What would come in with *location*. Nothing is stored, so that read-only mode has nothing against it."""
    existing = await _find_target(here, location)
    ref = registering.entity_ref_of(location) if existing is None else EntityRef.parse(existing.entity_ref)
    entity = registering.location_entity(location, ref)
    entities = await trial.follow(here.read_side.pipeline, entity, trial.Limits())
    made = RegisteredLocation(id=str(location), type=location.type, target=location.target, entity_ref=str(ref))
    content = {"exists": existing is not None, "location": described(made), "entities": entities}
    return answers.value(content, 201)


async def retarget(request: Request) -> Response:
    """`PUT /locations/{id}`."""
    query_of(request, {})
    location = _location(await body_of(request))
    await context.permit(request, LOCATION_CREATE)
    here = _writable(request)
    reason = Reason(Because.RETARGETED, context.asked_by(request))
    changed, offset = await registering.retarget(here.database, request.path_params["id"], location, reason)
    await context.until_visible(here, offset)
    return answers.value(described(changed))


async def unregister(request: Request) -> Response:
    """`DELETE /locations/{id}`."""
    asked, location_id = query_of(request, removals.DRY_RUN), request.path_params["id"]
    await context.permit(request, LOCATION_DELETE)
    if removals.is_dry(asked):
        return await removals.told(request, await registering.preview(context.of(request).database, location_id), asked)
    here = _writable(request)
    reason = Reason(Because.UNREGISTERED, context.asked_by(request))
    await context.until_visible(here, await registering.unregister(here.database, location_id, reason))
    return answers.empty(204)


async def refresh(request: Request) -> Response:
    """`POST /refresh`; with `wait` the answer comes when that has been done, and says what came of it."""
    asked = query_of(request, waiting.WAIT)
    patience = waiting.seconds(asked)
    body = await body_of(request)
    text = body.required_text("entityRef")
    await _check_older_token(request, body.text("authorizationToken"))
    try:
        ref = EntityRef.parse(text)
    except InvalidRef:
        # Nothing has such a name, and that is all the caller asked.
        raise NotFound(f"Entity {text} not found") from None
    allowed = await context.visible(request, ENTITY_REFRESH)
    if allowed is not None and context.of(request).view.by_ref(str(ref), predicate=allowed) is None:
        raise context.refusal(ENTITY_REFRESH, str(ref))
    refreshed = await refreshing.refresh(context.of(request).database, ref, by=context.asked_by(request))
    if patience is None:
        return answers.empty(200)
    found = await waiting.wait(request, Part(refs=refreshed), patience)
    return answers.value(
        {"entityRef": str(ref), "refreshed": refreshed, "status": waiting.described(found)},
        headers={"callboard-offset": str(found.offset)},
    )


async def _check_older_token(request: Request, token: str | None) -> None:
    """Older clients send their token in the body as well; one that nobody can verify is refused there too."""
    if token:
        authenticator = context.of(request).read_side.authenticator
        if authenticator is None:
            raise Unauthenticated("Illegal token")
        await authenticator.authenticate(f"Bearer {token}")


def _writable(request: Request) -> Context:
    here = context.of(request)
    if here.settings.catalog.readonly:
        raise NotAllowed("This operation not allowed in readonly mode")
    return here


async def _find_target(here: Context, location: LocationRef) -> RegisteredLocation | None:
    async with here.database.transaction() as tx:
        return await locations.find_target(tx, location.type, location.target)


def _location(body: Body) -> LocationRef:
    target, kind = body.required_text("target"), body.required_text("type")
    body.text("presence")
    if unknown := sorted(set(body.content) - {"type", "target", "presence"}):
        raise InvalidInput(f"Malformed request: unrecognized_keys: {', '.join(unknown)}")
    if not target:
        raise InvalidInput("Malformed request: target: expected a text that is not empty")
    if kind not in _ALLOWED_TYPES:
        raise InvalidInput('Registered locations must be of an allowed type ["url"]')
    return LocationRef(kind, target)

"""The table of routes, to be read from top to bottom."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from callboard.api import (
    analysis,
    answers,
    conflicts,
    description,
    entities,
    errors,
    event_status,
    events,
    explanation,
    health,
    history,
    location_queries,
    locations,
    model,
    permissions,
    processing_status,
    providers,
    queries,
    subscriptions,
    unprocessed,
    validation,
    webhooks,
)
from callboard.api.context import MOUNT, Context
from callboard.api.dispatch import Dispatch
from callboard.api.door import Door
from callboard.api.gauges import Gauges
from callboard.api.paths import Route, allowed_methods
from callboard.api.scim import routes as scim
from callboard.api.sparing import Sparing
from callboard.api.surroundings import Surroundings
from callboard.app import ReadSide
from callboard.errors import CallboardError
from callboard.settings.cors import CorsSettings

CATALOG = [
    Route("/entities", entities.listing),
    Route("/entities/by-query", queries.by_query),
    Route("/entities/by-query", queries.by_query_object, methods=["POST"]),
    Route("/entities/by-refs", entities.by_refs, methods=["POST"]),
    Route("/entities/by-name/{kind}/{namespace}/{name}", entities.by_name),
    Route("/entities/by-name/{kind}/{namespace}/{name}/ancestry", entities.ancestry),
    Route("/entities/by-name/{kind}/{namespace}/{name}/explain", explanation.explain),
    Route("/entities/by-name/{kind}/{namespace}/{name}/history", history.history),
    Route("/entities/by-uid/{uid}", entities.by_uid),
    Route("/entities/by-uid/{uid}", entities.delete, methods=["DELETE"]),
    Route("/entities/unprocessed/failed", unprocessed.failed),
    Route("/entities/unprocessed/pending", unprocessed.pending),
    Route("/entities/unprocessed/delete/{entity_id}", unprocessed.delete, methods=["DELETE"]),
    Route("/entity-facets", queries.entity_facets),
    Route("/entity-facets", queries.entity_facets_object, methods=["POST"]),
    Route("/events", events.events),
    Route("/events/status", event_status.status),
    Route("/subscriptions", subscriptions.listing),
    Route("/subscriptions/{name}", subscriptions.by_name),
    Route("/subscriptions/{name}", subscriptions.put, methods=["PUT"]),
    Route("/subscriptions/{name}", subscriptions.delete, methods=["DELETE"]),
    Route("/subscriptions/{name}/pause", subscriptions.pause, methods=["POST"]),
    Route("/subscriptions/{name}/resume", subscriptions.resume, methods=["POST"]),
    Route("/subscriptions/{name}/seek", subscriptions.seek, methods=["POST"]),
    Route("/subscriptions/{name}/read", subscriptions.read, methods=["POST"]),
    Route("/subscriptions/{name}/ack", subscriptions.acknowledge, methods=["POST"]),
    Route("/processing/status", processing_status.status),
    Route("/conflicts", conflicts.listing),
    Route("/conflicts/hand-over", conflicts.hand_over, methods=["POST"]),
    Route("/locations", locations.listing),
    Route("/locations", locations.register, methods=["POST"]),
    Route("/locations/by-query", location_queries.by_query, methods=["POST"]),
    Route("/locations/by-entity/{kind}/{namespace}/{name}", locations.by_entity),
    Route("/locations/{id}", locations.by_id),
    Route("/locations/{id}/status", locations.status),
    Route("/locations/{id}", locations.retarget, methods=["PUT"]),
    Route("/locations/{id}", locations.unregister, methods=["DELETE"]),
    Route("/analyze-location", analysis.analyze, methods=["POST"]),
    Route("/validate-entity", validation.validate, methods=["POST"]),
    Route("/refresh", locations.refresh, methods=["POST"]),
    Route("/.well-known/backstage/permissions/metadata", permissions.metadata),
    Route("/.well-known/backstage/permissions/apply-conditions", permissions.apply_conditions, methods=["POST"]),
    Route("/providers", providers.listing),
    Route("/providers/{name}", providers.by_name),
    Route("/providers/{name}", providers.forget, methods=["DELETE"]),
    Route("/providers/{name}/status", providers.status),
    Route("/providers/{name}/let-through", providers.let_through, methods=["POST"]),
    Route("/providers/{name}/trigger", providers.trigger, methods=["POST"]),
    Route("/providers/{name}/entities", providers.entities),
    Route("/providers/{name}/entities", providers.put_entities, methods=["PUT"]),
    Route("/providers/{name}/delta", providers.delta, methods=["POST"]),
    Route("/providers/{name}/entities/{kind}/{namespace}/{entity}", providers.entity),
    Route("/providers/{name}/entities/{kind}/{namespace}/{entity}", providers.put_entity, methods=["PUT"]),
    Route("/providers/{name}/entities/{kind}/{namespace}/{entity}", providers.delete_entity, methods=["DELETE"]),
    Route("/model", model.model),
    Route("/openapi.json", description.openapi),
]

ROOT = [
    # Described by itself, at its /Schemas.
    Mount(f"{MOUNT}/scim", routes=scim.ROUTES),
    Mount(MOUNT, routes=CATALOG),
    # No token is asked for here: the signature of the webhook is the proof.
    Route("/api/events/http/{system}", webhooks.receive, methods=["POST"]),
    Route("/.backstage/health/v1/liveness", health.liveness),
    Route("/.backstage/health/v1/readiness", health.readiness),
    Route("/metrics", health.metrics),
]


def application(read_side: ReadSide, pages: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The ASGI application of one process: the API, and *pages* beside it.

    What the pages ask the API is in `app.state.api`: all of it but what surrounds a request from outside.
    """
    app = Starlette(
        routes=[*ROOT, *pages],
        exception_handlers={404: _nothing_here, 405: _nothing_here, Exception: _failed, CallboardError: _failed},
    )
    app.router.redirect_slashes = False
    # Around the whole and not among Starlette's middleware, which does not see the answer to an unexpected error.
    inner: ASGIApp = Dispatch(app, CATALOG, mount=MOUNT, on_error=_failed)
    if read_side.authenticator is not None:
        inner = Door(inner, read_side.authenticator)
    app.state.api = inner
    write_side = Sparing(lambda: processing_status.look(read_side.database), read_side.clock)
    gauges = Gauges(read_side.database, read_side.clock)
    context = Context(read_side, gauges, write_side, read_side.settings.backend.url)
    return shared_with_pages(Surroundings(inner, context), read_side.settings.backend.cors)


def shared_with_pages(app: ASGIApp, cors: CorsSettings) -> ASGIApp:
    """*app*, open to the pages of other origins that the configuration names."""
    if not cors.origin:
        return app
    return CORSMiddleware(
        app,
        allow_origins=cors.origin,
        allow_methods=cors.methods,
        allow_headers=cors.allowed_headers,
        expose_headers=cors.exposed_headers,
        allow_credentials=cors.credentials,
        max_age=cors.max_age,
    )


async def _nothing_here(request: Request, error: Exception) -> Response:
    # A path, or a method on a path, that does not exist: Backstage answers nothing at all.
    # By now the request is on its way through the mount point; the table wants it as it came.
    scope = {**request.scope, "root_path": ""}
    methods = allowed_methods(ROOT, scope) if request.method == "OPTIONS" else []
    if not methods:
        return answers.empty(404)
    allowed = ",".join(methods)
    return Response(allowed, headers={"allow": allowed}, media_type="text/html")


async def _failed(request: Request, error: Exception) -> Response:
    return errors.answer(request, error, mount=MOUNT)

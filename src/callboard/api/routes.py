"""The table of routes, to be read from top to bottom."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from callboard.api import answers, entities, errors, events, health, locations, queries, unprocessed
from callboard.api.context import MOUNT, Context
from callboard.api.surroundings import Surroundings
from callboard.app import ReadSide
from callboard.errors import CallboardError

CATALOG = [
    Route("/entities", entities.listing),
    Route("/entities/by-query", queries.by_query),
    Route("/entities/by-query", queries.by_query_object, methods=["POST"]),
    Route("/entities/by-refs", entities.by_refs, methods=["POST"]),
    Route("/entities/by-name/{kind}/{namespace}/{name}", entities.by_name),
    Route("/entities/by-name/{kind}/{namespace}/{name}/ancestry", entities.ancestry),
    Route("/entities/by-uid/{uid}", entities.by_uid),
    Route("/entities/by-uid/{uid}", entities.delete, methods=["DELETE"]),
    Route("/entities/unprocessed/failed", unprocessed.failed),
    Route("/entities/unprocessed/pending", unprocessed.pending),
    Route("/entity-facets", queries.entity_facets),
    Route("/entity-facets", queries.entity_facets_object, methods=["POST"]),
    Route("/events", events.events),
    Route("/locations", locations.listing),
    Route("/locations", locations.register, methods=["POST"]),
    Route("/locations/{id}", locations.by_id),
    Route("/locations/{id}", locations.unregister, methods=["DELETE"]),
    Route("/refresh", locations.refresh, methods=["POST"]),
]

ROOT = [
    Mount(MOUNT, routes=CATALOG),
    Route("/.backstage/health/v1/liveness", health.liveness),
    Route("/.backstage/health/v1/readiness", health.readiness),
    Route("/metrics", health.metrics),
]


def application(read_side: ReadSide) -> ASGIApp:
    """The ASGI application of one process."""
    app = Starlette(
        routes=ROOT,
        exception_handlers={404: _nothing_here, 405: _nothing_here, Exception: _failed, CallboardError: _failed},
    )
    app.router.redirect_slashes = False
    app.state.context = Context(read_side)
    # Around the whole and not among Starlette's middleware, which does not see the answer to an unexpected error.
    return Surroundings(app, read_side)


async def _nothing_here(request: Request, error: Exception) -> Response:
    # A path, or a method on a path, that does not exist: Backstage answers nothing at all.
    return answers.empty(404)


async def _failed(request: Request, error: Exception) -> Response:
    return errors.answer(request, error, mount=MOUNT)

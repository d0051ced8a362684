"""The table of pages, to be read from top to bottom."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from callboard.api import answers
from callboard.api.paths import Route
from callboard.errors import NotFound
from callboard.ui import (
    assets,
    catalog,
    definition,
    explorer,
    exporting,
    history,
    inspection,
    live,
    login,
    overview,
    refreshing,
    registering,
    relations,
    removing,
    search,
    settling,
    tails,
)
from callboard.ui.operations import conflicts as operated_conflicts
from callboard.ui.operations import locations as operated_locations
from callboard.ui.operations import overview as operations
from callboard.ui.operations import providers as operated_providers
from callboard.ui.operations import stream, unprocessed
from callboard.ui.visits import Endpoint, Visit, page

_READING = ("GET",)
_DOING = ("POST",)
_ASKING = ("GET", "POST")


class Page(Route):
    """A page, or with `methods=_DOING` what a form on one asks for."""

    def __init__(
        self, path: str, endpoint: Endpoint, *, methods: tuple[str, ...] = _READING, open_to_all: bool = False
    ) -> None:
        super().__init__(path, page(endpoint, open_to_all=open_to_all), methods=[*methods])


class Elsewhere(Route):
    """Whatever a browser asks for that is no page, and no part of the API."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Clients of the API get its own answer to an unknown path."""
        wanted = answers.header(scope, b"accept") or b""
        if scope["path"].startswith(("/api", "/.backstage")) or b"text/html" not in wanted:
            return Match.NONE, {}
        return super().matches(scope)


async def _home(request: Request) -> Response:
    return RedirectResponse("/catalog", 307)


async def _nothing_here(visit: Visit) -> Response:
    raise NotFound(f"There is no page {visit.request.url.path}")


PAGES = [
    Route("/", _home),
    Page("/catalog", catalog.index),
    # No namespace can be called so: these are no pages of entities.
    Page("/catalog/-/choices/{dimension}", catalog.choices),
    Page("/catalog/-/export.{format}", exporting.export),
    Page("/search", search.search),
    Page("/catalog/{namespace}/{kind}/{name}", overview.overview),
    Page("/catalog/{namespace}/{kind}/{name}/definition", definition.definition),
    Page("/catalog/{namespace}/{kind}/{name}/relations", relations.relations),
    Page("/catalog-graph", explorer.explorer),
    Page("/catalog/{namespace}/{kind}/{name}/refresh", refreshing.refresh, methods=_DOING),
    Page("/catalog/{namespace}/{kind}/{name}/settling", settling.entity),
    Page("/catalog/{namespace}/{kind}/{name}/unregister", removing.unregister, methods=_ASKING),
    Page("/catalog/{namespace}/{kind}/{name}/delete", removing.delete, methods=_ASKING),
    Page("/catalog-import", registering.start),
    Page("/catalog-import", registering.register, methods=_DOING),
    Page("/catalog-import/settling/{id}", registering.settling),
    Page("/operations", operations.overview),
    Page("/operations/locations", operated_locations.locations),
    Page("/operations/providers", operated_providers.providers),
    Page("/operations/providers/{name}", operated_providers.provider),
    Page("/operations/providers/{name}/trigger", operated_providers.trigger, methods=_DOING),
    Page("/operations/providers/{name}/let-through", operated_providers.let_through, methods=_DOING),
    Page("/operations/providers/{name}/forget", operated_providers.forget, methods=_ASKING),
    Page("/operations/conflicts", operated_conflicts.conflicts),
    Page("/operations/unprocessed", unprocessed.unprocessed),
    Page("/operations/unprocessed/{id}", unprocessed.source),
    Page("/operations/unprocessed/refresh", unprocessed.refresh, methods=_DOING),
    Page("/operations/unprocessed/delete", unprocessed.delete, methods=_DOING),
    Page("/operations/stream", stream.stream),
    Page("/operations/stream/{name}/pause", stream.pause, methods=_DOING),
    Page("/operations/stream/{name}/resume", stream.resume, methods=_DOING),
    Page("/operations/stream/{name}/replay", stream.replay, methods=_ASKING),
    Page("/operations/stream/{name}/forget", stream.forget, methods=_ASKING),
    Page("/catalog/{namespace}/{kind}/{name}/history", history.history),
    Page("/catalog/{namespace}/{kind}/{name}/changes/{offset}", history.change),
    Page("/catalog/{namespace}/{kind}/{name}/inspect", inspection.inspect),
    Page("/catalog/{namespace}/{kind}/{name}/events", tails.events),
    Page("/operations/tail", tails.tail),
    Page("/login", login.login, methods=("GET", "POST"), open_to_all=True),
    Page("/logout", login.logout, methods=_DOING, open_to_all=True),
    Route("/live/events", live.events),
    Route("/assets/{version}/{name}", assets.serve),
    Elsewhere("/{path:path}", page(_nothing_here, open_to_all=True)),
]

"""The table of routes finds what Starlette would find."""

import contextlib

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Scope

from callboard.api.context import MOUNT
from callboard.api.dispatch import Dispatch
from callboard.api.paths import Route
from callboard.api.routes import CATALOG


async def _unused(request: Request, error: Exception) -> Response:
    raise AssertionError from error


TABLE = Dispatch(Starlette(), CATALOG, mount=MOUNT, on_error=_unused)

ASKED = [
    (method, f"{MOUNT}{route.path}".replace("{", "a%20").replace("}", "%2Fb"))
    for route in CATALOG
    for method in sorted(route.methods or ())
]
STRAY = [
    ("GET", MOUNT),
    ("GET", f"{MOUNT}/"),
    ("GET", f"{MOUNT}/entities/by-name"),
    ("GET", f"{MOUNT}/entities/by-name/a/b"),
    ("GET", f"{MOUNT}/entities/by-name//b/c"),
    ("GET", f"{MOUNT}/entities/by-name/a/b/c/d"),
    ("PUT", f"{MOUNT}/entities"),
    ("POST", f"{MOUNT}/entities/by-uid/a"),
    ("DELETE", f"{MOUNT}/locations/a/b"),
    ("GET", "/elsewhere/entities"),
    ("GET", "/entities"),
]


def by_starlette(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    scope: Scope = {"type": "http", "method": method, "path": path, "root_path": MOUNT}
    if not path.startswith(MOUNT + "/"):
        return None
    for route in CATALOG:
        match, child = route.matches(scope)
        if match is Match.FULL:
            return route, child["path_params"]
    return None


def by_table(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    scope: Scope = {"type": "http", "method": method, "path": path}
    route = TABLE._find(scope)
    return None if route is None else (route, scope.get("path_params", {}))


@pytest.mark.parametrize(("method", "path"), [*ASKED, *STRAY])
def test_both_find_the_same_or_the_table_leaves_it_to_starlette(method: str, path: str) -> None:
    expected = by_starlette(method, path)

    found = by_table(method, path)

    if found is None:
        assert expected is None or not ends_in_parameters(expected[0])
    else:
        assert found == expected


def ends_in_parameters(route: Route) -> bool:
    """Whether what follows the fixed part of a path are parameters alone: those have a place in the table."""
    return all(part.startswith("{") for part in route.path.partition("/{")[2].split("/")[1:])


def test_the_table_finds_what_is_read_most() -> None:
    placed = {route.path for method, path in ASKED if (found := by_table(method, path)) for route in [found[0]]}

    assert placed >= {
        "/entities",
        "/entities/by-query",
        "/entities/by-refs",
        "/entities/by-uid/{uid}",
        "/entities/by-name/{kind}/{namespace}/{name}",
        "/entity-facets",
        "/events",
        "/locations/{id}",
    }


@pytest.mark.parametrize("path", ["/entities/by-name/a/b/c/ancestry", "/entities"])
async def test_an_unexpected_error_is_answered_once(path: str) -> None:
    async def failing(request: Request) -> Response:
        raise ZeroDivisionError

    async def answered(request: Request, error: Exception) -> Response:
        return Response("sorry", 500)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    sent: list[str] = []
    routes = [Route("/entities", failing), Route("/entities/by-name/{kind}/{namespace}/{name}/ancestry", failing)]
    app = Starlette(routes=routes, exception_handlers={Exception: answered})
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}

    with contextlib.suppress(ZeroDivisionError):
        await Dispatch(app, routes, mount="", on_error=answered)(scope, receive, send)

    assert sent == ["http.response.start", "http.response.body"]

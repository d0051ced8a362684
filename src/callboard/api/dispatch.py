"""Dispatch: the shortest way from a request to its endpoint.

Starlette looks for a route by trying one after the other, through layers that most requests don't need; at a tenth of a
millisecond that is more than most answers cost. Here a route is found by one look at a table, and what has no place in
the table goes to Starlette.
"""

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from callboard.api.paths import Route, decode_parameters

OnError = Callable[[Request, Exception], Awaitable[Response]]


class Dispatch:
    """Calls the endpoint of the route that is meant; *app* answers what the table has no place for."""

    def __init__(self, app: Starlette, routes: Sequence[Route], *, mount: str, on_error: OnError) -> None:
        self._app = app
        self._on_error = on_error
        # By method, by the path before the parameters, and by their number: they have to be the end of the path.
        self._routes: dict[tuple[str, str, int], Route] = {}
        for route in routes:
            fixed, _, parameters = (mount + route.path).partition("/{")
            number = len(route.param_convertors)
            if parameters.count("/") == max(number - 1, 0):
                for method in route.methods or ():
                    self._routes[method, fixed, number] = route
        self._numbers = sorted({number for _, _, number in self._routes} - {0})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            route = self._find(scope)
            if route is not None:
                scope["app"] = self._app
                scope["route"] = route
                response: Response = await route.endpoint(request)
        except Exception as error:  # noqa: BLE001 - it becomes the answer, as it does in Starlette
            response = await self._on_error(request, error)
        else:
            if route is None:
                # It answers its errors itself, and raises them again for the server's log.
                await self._app(scope, receive, send)
                return
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> Route | None:
        method, path = scope["method"], scope["path"]
        if (route := self._routes.get((method, path, 0))) is not None:
            scope["path_params"] = {}
            return route
        for number in self._numbers:
            fixed, *values = path.rsplit("/", number)
            route = self._routes.get((method, fixed, number))
            if route is not None and all(values):
                parameters = dict(zip(route.param_convertors, values, strict=True))
                scope["path_params"] = decode_parameters(parameters) if "%" in path else parameters
                return route
        return None

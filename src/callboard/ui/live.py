"""Live: the stream of events for the scripts of a page, which can send cookies and no other proof of who they are."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from callboard.api.context import MOUNT
from callboard.api.event_streams import EVENTS
from callboard.ui import sessions


async def events(request: Request) -> Response:
    """As `GET /api/catalog/events` answers to whoever is logged in here, as server-sent events."""
    return _Passed(request)


class _Passed(Response):
    """The answer that the API gives."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{MOUNT}/events"
        authorization = sessions.authorization_of(self._request)
        headers = [(b"accept", EVENTS.encode())]
        headers += [(name, value) for name, value in scope["headers"] if name == b"last-event-id"]
        if authorization is not None:
            headers.append((b"authorization", authorization.encode("latin-1")))
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "headers": headers}
        await self._request.app.state.api(inner, receive, send)

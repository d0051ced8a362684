"""The door: who calls is found out before anything of the catalog is touched."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from callboard.access.authentication import Authenticator
from callboard.api import answers, errors
from callboard.api.context import MOUNT
from callboard.errors import CallboardError


class Door:
    """Lets only those through to the catalog whom *authenticator* knows; health and metrics are open to everybody."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(MOUNT):
            shown = answers.header(scope, b"authorization") or b""
            try:
                scope["callboard.principal"] = await self._authenticator.authenticate(shown.decode("latin-1"))
            except CallboardError as error:
                answer = errors.answer(Request(scope), error, mount=MOUNT)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

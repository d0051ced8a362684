"""Serving: the HTTP server of one API process."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator, Sequence

import structlog
import uvicorn
from starlette.routing import BaseRoute
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from callboard.api.event_streams import CONNECTION
from callboard.api.routes import application
from callboard.app import ReadSide

_log = structlog.get_logger(__name__)


class Quiet(uvicorn.Server):
    """Leaves the signals to the process, which has more than HTTP to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(HttpToolsProtocol):
    """A connection that an open stream can look at, and close when its reader takes nothing any more."""

    def on_message_begin(self) -> None:
        """A request is about to come."""
        super().on_message_begin()
        self.scope["state"][CONNECTION] = self

    def is_full(self) -> bool:
        """Whether it takes nothing now."""
        return self.flow.write_paused

    def abort(self) -> None:
        """Close it at once."""
        self.transport.abort()


def configured(app: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    """How uvicorn serves *app*: without all that nobody here asks for."""
    return uvicorn.Config(
        app,
        http=_Connection,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=4096,
        # Longer than load balancers keep an idle connection, which is a minute as a rule: else one of them sends a
        # request into a connection that is just being closed, and tells its client of a bad gateway.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        lifespan="off",
        # It would be taken for an application of the second version, since what it calls first is no coroutine.
        interface="asgi3",
    )


def allow_open_files() -> None:
    """Let this process have as many open files as the system lets it: each reader who waits is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(
    read_side: ReadSide, stop: asyncio.Event, *, inherited: int | None, pages: Sequence[BaseRoute] = ()
) -> None:
    """Answer requests, also those for *pages*, until *stop* is set.

    That is on the *inherited* socket, or on the configured address.
    """
    allow_open_files()
    listen = read_side.settings.backend.listen
    server = Quiet(configured(application(read_side, pages), host=listen.host, port=listen.port))
    sockets = [socket.socket(fileno=inherited)] if inherited is not None else None
    following = asyncio.create_task(read_side.run(stop))
    serving = asyncio.create_task(server.serve(sockets))
    _log.info("api.started", address=str(listen))
    await asyncio.wait({asyncio.create_task(stop.wait()), serving}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    server.should_exit = True
    await asyncio.gather(serving, following)
    _log.info("api.stopped")

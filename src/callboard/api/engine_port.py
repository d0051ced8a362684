"""The port of an engine that runs alone: its metrics, and whether it lives and works."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callboard.api import answers, health
from callboard.api.gauges import Gauges
from callboard.api.serving import Quiet, configured
from callboard.app import Engine
from callboard.errors import CallboardError
from callboard.store import changes

_log = structlog.get_logger(__name__)

_PATIENCE = 2.0
"""Seconds for PostgreSQL to answer: who asks whether a process is ready does not wait long."""


@dataclass(slots=True)
class EnginePort:
    """What can be asked of *engine*."""

    engine: Engine
    gauges: Gauges = field(init=False)

    def __post_init__(self) -> None:
        self.gauges = Gauges(self.engine.database, self.engine.clock)

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/.backstage/health/v1/liveness", health.liveness),
                Route("/.backstage/health/v1/readiness", self.readiness),
                Route("/metrics", self.metrics),
            ]
        )

    async def readiness(self, request: Request) -> Response:
        """Whether the engine can work: unlike an API it can do nothing without PostgreSQL."""
        try:
            async with asyncio.timeout(_PATIENCE):
                head = (await changes.now(self.engine.database)).head
        except (CallboardError, TimeoutError) as error:
            reason = str(error) or f"PostgreSQL has not answered for {_PATIENCE:g} seconds"
            return answers.value({"status": "error", "message": reason}, 503)
        return answers.value({"status": "ok", "head": head})

    async def metrics(self, request: Request) -> Response:
        """All metrics in Prometheus' text form."""
        return health.told(self.engine.metrics, await self.gauges.gauges())


@contextlib.asynccontextmanager
async def answering(engine: Engine, listener: socket.socket) -> AsyncIterator[None]:
    """Answer what comes to *listener* within the block."""
    host, port = listener.getsockname()[:2]
    server = Quiet(configured(EnginePort(engine).application(), host=host, port=port))
    serving = asyncio.create_task(server.serve([listener]))
    _log.info("engine.listening", host=host, port=port)
    try:
        yield
    finally:
        server.should_exit = True
        await serving

"""`callboard api`: the read side alone."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import options
from callboard.clock import CommonClock
from callboard.settings import Settings

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


@click.command(
    epilog="""\b
Example:
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard api --config app-config.yaml --port 7007
"""
)
@options.server_flags
def command(**flags: Any) -> None:
    """Run one API process: the view, and HTTP. Any number of them may share a database."""
    from callboard.cli.roles import run

    run(_run(options.server_settings(**flags)))


async def _run(settings: Settings) -> None:
    from callboard import app, tracing
    from callboard.api.serving import serve
    from callboard.cli.roles import database_url
    from callboard.metrics import Metrics
    from callboard.server import LISTEN_SOCKET, until_told
    from callboard.ui.routes import PAGES

    inherited = os.environ.get(LISTEN_SOCKET)
    with tracing.started(os.environ, "api") as spans:
        async with (
            until_told(os.environ) as stop,
            app.read_side(settings, database_url(settings), CommonClock(), Metrics(tracing=spans)) as read_side,
        ):
            pages = [*(PAGES if settings.callboard.ui.enabled else ()), *_tools()]
            await serve(read_side, stop, inherited=int(inherited) if inherited else None, pages=pages)


def _tools() -> "Sequence[BaseRoute]":
    """The tools for AI agents, where the extra that they need is installed."""
    try:
        from callboard.mcp.routes import ROUTES
    except ModuleNotFoundError as error:
        if error.name not in ("mcp", "mcp_types"):
            raise
        return ()
    return ROUTES

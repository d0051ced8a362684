"""`callboard serve`: everything on one machine."""

import asyncio
import os
from typing import Any

import click

from callboard.cli import options
from callboard.clock import SystemClock


@click.command(
    epilog="""\b
Example:
  callboard serve --config app-config.yaml --config app-config.production.yaml --port 7007
"""
)
@options.server_flags
def command(**flags: Any) -> None:
    """Run PostgreSQL (unless one is configured), engines and APIs, until SIGTERM or Ctrl-C."""
    from callboard import plugins
    from callboard.server import Server

    settings = options.server_settings(**flags)
    if plugins.has_any(settings):
        # What is wrong with one is told here, and not by processes that are started again and again.
        from callboard import app

        app.plugins_of(settings)
    server = Server(settings, options.passed_on(**flags), os.environ, SystemClock())
    asyncio.run(server.run())

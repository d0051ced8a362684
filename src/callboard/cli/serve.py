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
    from callboard.server import Server

    server = Server(options.server_settings(**flags), options.passed_on(**flags), os.environ, SystemClock())
    asyncio.run(server.run())

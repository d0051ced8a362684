"""`callboard engine`: the write side alone."""

import os
from typing import Any

import click

from callboard.cli import options
from callboard.clock import SystemClock
from callboard.settings import Settings


@click.command(
    epilog="""\b
Example:
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard engine --config app-config.yaml
"""
)
@options.server_flags
def command(**flags: Any) -> None:
    """Run one engine: providers, processing and stitching. Any number of them may share a database."""
    from callboard.cli.roles import run

    run(_run(options.server_settings(**flags)))


async def _run(settings: Settings) -> None:
    from callboard import app
    from callboard.cli.roles import database_url
    from callboard.metrics import Metrics
    from callboard.server import until_told

    async with (
        until_told(os.environ) as stop,
        app.engine(settings, database_url(settings), SystemClock(), Metrics()) as engine,
    ):
        await engine.run(stop)

"""`callboard engine`: the write side alone."""

import os
from typing import Any

import click

from callboard.cli import options
from callboard.clock import CommonClock
from callboard.settings import Listen, Settings


@click.command(
    epilog="""\b
Example:
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard engine --config app-config.yaml
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard engine --metrics-port 9464
"""
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve /metrics, liveness and readiness there, on the address of --host.",
)
@options.server_flags
def command(metrics_port: int | None, **flags: Any) -> None:
    """Run one engine: providers, processing and stitching. Any number of them may share a database."""
    from callboard.cli.roles import run

    settings = options.server_settings(**flags)
    run(_run(settings, _address(settings, metrics_port)))


def _address(settings: Settings, port: int | None) -> Listen | None:
    """Where this engine can be asked how it is. For one that `callboard serve` has started its API tells."""
    from callboard.server import PARENT_PIPE

    if port is not None:
        return Listen(settings.backend.listen.host, port)
    return None if PARENT_PIPE in os.environ else settings.callboard.metrics.listen


async def _run(settings: Settings, address: Listen | None) -> None:
    from callboard import app, tracing
    from callboard.api.engine_port import answering
    from callboard.cli.roles import database_url
    from callboard.metrics import Metrics
    from callboard.server import listening, until_told

    with tracing.started(os.environ, "engine") as spans:
        async with (
            until_told(os.environ) as stop,
            app.engine(settings, database_url(settings), CommonClock(), Metrics(tracing=spans)) as engine,
        ):
            if address is None:
                await engine.run(stop)
                return
            with listening(address) as listener:
                async with answering(engine, listener):
                    await engine.run(stop)

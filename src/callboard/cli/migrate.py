"""`callboard migrate`: bring the database to this release's schema."""

import asyncio
from typing import Any

import click

from callboard.cli import options


@click.command(
    epilog="""\b
Example:
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard migrate
"""
)
@options.server_flags
def command(**flags: Any) -> None:
    """Apply the migrations that the database lacks. `callboard serve` does this by itself."""
    from callboard.cli.roles import database_url
    from callboard.store import migrations

    settings = options.server_settings(**flags)
    applied = asyncio.run(migrations.apply(settings.callboard.database.direct or database_url(settings)))
    for migration in applied:
        click.echo(f"applied {migration.version:04} {migration.name}")
    if not applied:
        click.echo("the database is up to date")

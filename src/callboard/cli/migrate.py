"""`callboard migrate`: bring the database to this release's schema."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import options
from callboard.cli.progress import Bar

if TYPE_CHECKING:
    from callboard.store.migrations import Progress


@click.command(
    epilog="""\b
Example:
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard migrate --dry-run
  CALLBOARD_DATABASE_URL=postgresql://catalog@db/catalog callboard migrate
"""
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, step by step, and do nothing.")
@options.server_flags
def command(dry_run: bool, **flags: Any) -> None:
    """Apply the migrations that the database lacks. `callboard serve` does this by itself.

    Others may read and write meanwhile. What was interrupted goes on where it was.
    """
    from callboard.cli.roles import database_url
    from callboard.store import migrations, steps

    settings = options.server_settings(**flags)
    url = settings.callboard.database.direct or database_url(settings)
    if dry_run:
        found = asyncio.run(migrations.pending(url))
        for migration in found:
            click.echo(f"would apply {migration}; {_for_others(migration.works_with, migration.version)}")
            for step in migration.steps:
                click.echo(f"  {steps.summary(step)}")
    else:
        with Bar() as bar:
            found = asyncio.run(migrations.apply(url, told=_Shown(bar)))
        for migration in found:
            click.echo(f"applied {migration}")
    if not found:
        click.echo("the database is up to date")


def _for_others(works_with: int, version: int) -> str:
    if works_with == version:
        return "processes of older releases end"
    return f"processes of releases since {works_with:04} go on"


class _Shown:
    """Shows each step once, and how far it has come."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._shown = ""

    def __call__(self, progress: "Progress") -> None:
        what = f"{progress.migration}, step {progress.step}: {progress.what}"
        if progress.waits:
            what += " (waits for a lock that somebody holds)"
        if what != self._shown:
            self._shown = what
            self._bar.begin(what, progress.total or None)
        if progress.done:
            self._bar.at(progress.done, progress.total)

"""`callboard epoch`: what the offsets of the stream belong to."""

import asyncio
from typing import Any

import click

from callboard.cli import options


@click.command(
    epilog="""\b
Example:
  callboard epoch --config app-config.yaml
  callboard epoch --config app-config.yaml --begin
"""
)
@click.option("--begin", is_flag=True, help="Begin another epoch: every reader that gives its epoch begins again.")
@options.server_flags
def command(begin: bool, **flags: Any) -> None:
    """Tell the epoch of the stream. Begin another one after a restore that nothing can notice."""
    from callboard.cli.roles import database_url

    settings = options.server_settings(**flags)
    epoch, said = asyncio.run(_told(database_url(settings), begin=begin))
    click.echo(epoch)
    click.echo(said, err=True)


async def _told(url: str, *, begin: bool) -> tuple[str, str]:
    from callboard.clock import CommonClock
    from callboard.store.database import Database
    from callboard.stream import lines

    database = await Database.open(url, clock=CommonClock(), connections=1)
    try:
        found = await lines.begin(database) if begin else await lines.current(database)
    finally:
        await database.close()
    return found.epoch, f"began at {found.began_at.isoformat(timespec='seconds')} ({found.because})"

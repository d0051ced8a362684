"""`callboard version`: which release this is."""

import platform

import click

from callboard import __version__


@click.command(
    epilog="""\b
Example:
  callboard version
"""
)
def command() -> None:
    """Print the version of Callboard and of Python."""
    click.echo(f"callboard {__version__} (Python {platform.python_version()})")

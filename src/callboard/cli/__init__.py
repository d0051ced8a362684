"""The `callboard` command: one module a sub-command, loaded when it is asked for."""

import importlib
import sys
from collections.abc import Sequence

import click

from callboard import __version__
from callboard.errors import CallboardError, WrongSchema

_COMMANDS = (
    "serve",
    "engine",
    "api",
    "migrate",
    "epoch",
    "doctor",
    "validate",
    "get",
    "tail",
    "mirror",
    "push",
    "import",
    "providers",
    "plugins",
    "subscriptions",
    "version",
)

_MODULES = {"import": "importing"}
"""Where the name of a command can't be that of a module."""


class _Commands(click.Group):
    """Finds sub-commands by name, so that `callboard version` does not load the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"callboard.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CallboardError as error:
            raise (_LeftBehind if isinstance(error, WrongSchema) else _Refused)(str(error)) from error


class _Refused(click.ClickException):
    """What went wrong, in one piece and without a traceback."""

    def show(self, file: object = None) -> None:
        for line in self.message.splitlines():
            click.secho(f"callboard: {line}", fg="red", err=True)


class _LeftBehind(_Refused):
    """The same, where starting again does not help."""

    exit_code = WrongSchema.exit_code


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="callboard")
def program() -> None:
    """Callboard, a software catalog server: the Backstage catalog API, with an exact stream of changes.

    \b
    Start here:
      callboard serve --config examples/acme/app-config.yaml
      callboard get component:default/cashier
      callboard tail --offset 0
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with its exit code."""
    try:
        program.main(arguments, prog_name="callboard")
    except BrokenPipeError:
        # `callboard tail | head` is over when head is; nothing went wrong.
        sys.stderr.close()
        sys.exit(0)

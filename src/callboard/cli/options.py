"""Flags that several commands share, and the settings that they amount to."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import structlog

from callboard import settings as configuration
from callboard.errors import InvalidConfiguration, RemovalRefused
from callboard.settings import LogFormat, Settings

if TYPE_CHECKING:
    from callboard.client import CatalogClient

F = TypeVar("F", bound=Callable[..., object])

DEFAULT_SERVER = "http://127.0.0.1:7007"

server_flag = click.option(
    "--server",
    metavar="URL",
    envvar="CALLBOARD_SERVER",
    default=DEFAULT_SERVER,
    show_default=True,
    show_envvar=True,
    help="The server to ask.",
)
"""The flag that says which server a command talks to."""

token_flag = click.option(
    "--token",
    metavar="TEXT",
    envvar="CALLBOARD_TOKEN",
    show_envvar=True,
    help="What proves to the server who asks. In the environment other users of the machine can't see it.",
)
"""The flag that says as whom a command talks to a server."""


def client_of(server: str, token: str | None, *, retries: int = 0) -> "CatalogClient":
    """A client for a command. It gives up at once: whoever waits for the command can see that, and call it again."""
    from callboard.client import CatalogClient

    return CatalogClient(server, token=token, retries=retries)


def advised(error: RemovalRefused, provider: str) -> RemovalRefused:
    """The same refusal, with what to do about it."""
    advice = f"If this is meant: callboard providers {provider} --let-through, and then the same again"
    return RemovalRefused(f"{error}. {advice}", held=error.held, removed=error.removed)


_FLAGS = (
    click.option(
        "--config",
        "files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A configuration file in Backstage's app-config dialect. May be repeated: later files win.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where the embedded PostgreSQL lives.  [default: ./callboard-data]",
    ),
    click.option("--host", help="The address to listen on.  [default: 127.0.0.1]"),
    click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on.  [default: 7007]"),
    click.option("--engines", type=click.IntRange(0, 64), help="Engine processes to run.  [default: 1]"),
    click.option("--apis", type=click.IntRange(0, 64), help="API processes to run.  [default: 1]"),
    click.option(
        "--log-format", type=click.Choice([form.value for form in LogFormat]), help="How log records are written."
    ),
    click.option("--insecure", is_flag=True, help="Listen beyond loopback although nobody has to log in."),
)


def server_flags(command: F) -> F:
    """Add the flags that describe a server."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def server_settings(
    *,
    files: Sequence[Path] = (),
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    engines: int | None = None,
    apis: int | None = None,
    log_format: str | None = None,
    insecure: bool = False,
) -> Settings:
    """The settings of the files, overridden by the flags; warnings go to the log."""
    from callboard import modelling
    from callboard.access import authentication, authorizers

    read = configuration.read(configuration.load(files, os.environ))
    settings = read.overridden(
        {
            "callboard.data_dir": data_dir.absolute() if data_dir else None,
            "backend.listen.host": host,
            "backend.listen.port": port,
            "callboard.engines": engines,
            "callboard.apis": apis,
            "callboard.logging.format": LogFormat(log_format) if log_format else None,
        }
    )
    authorizers.check(settings)
    modelling.check(settings)
    if not (settings.backend.listen.loopback or authentication.enabled(settings) or insecure):
        raise InvalidConfiguration(
            f"refusing to listen on {settings.backend.listen}: nobody would have to log in."
            " Configure backend.auth, listen on a loopback address, or say --insecure if something in front of"
            " Callboard checks who comes"
        )
    set_up_logging(settings)
    for warning in settings.warnings:
        structlog.get_logger("callboard.settings").warning("configuration.questionable", what=warning)
    return settings


def passed_on(
    *,
    files: Sequence[Path] = (),
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    log_format: str | None = None,
    insecure: bool = False,
    **_own: object,
) -> list[str]:
    """The flags as they are passed on to the processes of `callboard serve`."""
    arguments = [text for file in files for text in ("--config", str(file.absolute()))]
    for name, value in (
        ("--data-dir", data_dir.absolute() if data_dir else None),
        ("--host", host),
        ("--port", port),
        ("--log-format", log_format),
    ):
        arguments += [name, str(value)] if value is not None else []
    return [*arguments, "--insecure"] if insecure else arguments


def set_up_logging(settings: Settings) -> None:
    """Write log records to standard error: an event name and its fields."""
    logging_settings = settings.callboard.logging
    as_json = logging_settings.format is LogFormat.JSON
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    )
    fields: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([structlog.processors.format_exc_info] if as_json else []),
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *fields, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[logging_settings.level.upper()]
        ),
        # Record and line end in one write: all processes of a server write to the same place.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _set_up_others(fields, renderer)


def _set_up_others(fields: Sequence[structlog.typing.Processor], renderer: structlog.typing.Processor) -> None:
    """Let the warnings of libraries look as our own records do, so that whoever collects these can read all lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *fields],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])

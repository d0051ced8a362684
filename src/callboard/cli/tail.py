"""`callboard tail`: the stream of changes, line by line."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from callboard.cli import options
from callboard.cli.tables import moment
from callboard.errors import CallboardError, Gone, OffsetExpired
from callboard.model.changes import ChangeType

if TYPE_CHECKING:
    from callboard.client import CatalogClient, Event, Mode

_COLOURS = {ChangeType.ADDED: "green", ChangeType.UPDATED: "yellow", ChangeType.REMOVED: "red"}
_INTERRUPTED = 130


@click.command(
    epilog="""\b
Example:
  callboard tail
  callboard tail --offset 0 --output ndjson --until-caught-up > catalog.ndjson
"""
)
@click.option(
    "--offset",
    type=click.IntRange(0),
    help="Begin after this offset; 0 shows every entity once, then each change.  [default: now]",
)
@click.option("--epoch", help="The epoch that the offset belongs to; another one is an error.")
@click.option(
    "--began",
    type=click.IntRange(0),
    help="The second half of the position of a first showing that was broken off; needs --offset.",
)
@click.option("--until-caught-up", is_flag=True, help="End when everything so far has been shown.")
@click.option(
    "--output",
    type=click.Choice(["text", "ndjson"]),
    default="text",
    show_default=True,
    help="A line for people, or the event itself as JSON.",
)
@options.server_flag
@options.token_flag
def command(
    offset: int | None,
    epoch: str | None,
    began: int | None,
    until_caught_up: bool,
    output: str,
    server: str,
    token: str | None,
) -> None:
    """Print each change of the catalog as one line, live, until Ctrl-C.

    A connection that breaks is mended, and no change is lost or shown twice. What is needed to go on later is said at
    the end, on standard error.
    """
    if began is not None and offset is None:
        raise click.UsageError("--began needs the --offset that it was told with.")
    with options.client_of(server, token) as catalog:
        tail = _Tail(catalog, server, as_text if output == "text" else as_ndjson)
        try:
            tail.begin(offset, epoch, began)
            tail.run(until_caught_up=until_caught_up)
        except Gone as error:
            raise OffsetExpired(
                f"{error}. Begin again with every entity (--offset 0) or with now (no --offset)"
            ) from error
        except KeyboardInterrupt:
            tail.tell_where()
            sys.exit(_INTERRUPTED)


def as_text(event: "Event") -> str:
    """Offset, time, type and ref of an event in columns, and after that, for nobody knows how long a ref is, why."""
    at = moment(event.at)
    kind = click.style(f"{event.type:<7}", fg=_COLOURS[event.type])
    return f"{event.offset:>9}  {click.style(at, dim=True)}  {kind}  {event.ref}{_why(event)}"


def _why(event: "Event") -> str:
    """The reason, and who asked for it, as far as they are known."""
    cause = event.cause
    if cause is None or cause.because is None:
        return ""
    because = cause.because if cause.by is None else f"{cause.because} by {cause.by}"
    return click.style(f"  ({because})", dim=True)


def as_ndjson(event: "Event") -> str:
    """The event as the server sent it."""
    return event.source.decode()


@dataclass(slots=True)
class _Tail:
    """Prints the stream and knows how far it has come."""

    catalog: "CatalogClient"
    server: str
    line: Callable[["Event"], str]
    _offset: int = field(default=0, init=False)
    _epoch: str | None = field(default=None, init=False)
    _began: int | None = field(default=None, init=False)
    _mode: "Mode" = field(default="log", init=False)
    _broken: bool = field(default=False, init=False)

    def begin(self, offset: int | None, epoch: str | None, began: int | None) -> None:
        """Ask the server where the stream stands; it must be there at the start."""
        page = self.catalog.events(offset or 0, limit=1, epoch=epoch, began=began)
        self._offset = page.last_event_offset if offset is None else offset
        self._epoch = page.epoch
        self._began = began if offset else page.began
        # Whoever names a position wants to see what has happened since; from the beginning it would be too much, and
        # who has been shown a part of the beginning goes on in the same way.
        self._mode = "compacted" if self._offset == 0 or began is not None else "log"

    def run(self, *, until_caught_up: bool) -> None:
        """Print what comes."""
        from callboard.client import Bookmark, Event

        for news in self.catalog.follow(
            self._offset,
            epoch=self._epoch,
            began=self._began,
            mode=self._mode,
            until_caught_up=until_caught_up,
            on_retry=self._complain,
        ):
            match news:
                case Event():
                    click.echo(self.line(news))
                case Bookmark() if self._broken:
                    self._broken = False
                    click.secho("callboard: connected again", fg="yellow", err=True)
                case Bookmark():
                    pass
            self._offset = news.offset
            if isinstance(news, Bookmark):
                self._began = news.began

    def tell_where(self) -> None:
        """Say how to go on from here."""
        if self._epoch is None:
            return
        flags = ["--offset", str(self._offset), "--epoch", self._epoch]
        flags += ["--began", str(self._began)] if self._began is not None else []
        flags += ["--server", self.server] if self.server != options.DEFAULT_SERVER else []
        click.echo(f"to go on from here: callboard tail {shlex.join(flags)}", err=True)

    def _complain(self, error: CallboardError, pause: float) -> None:
        self._broken = True
        click.secho(f"callboard: {error}; trying again in {pause:.1f} s", fg="yellow", err=True)

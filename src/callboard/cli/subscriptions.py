"""`callboard subscriptions`: cursors that the catalog keeps, and what an operator can do about one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from callboard.cli import options
from callboard.cli.tables import aligned, moment

if TYPE_CHECKING:
    from callboard.client import CatalogClient, Subscription

_HEADINGS = ("NAME", "STATE", "CURSOR", "LAG", "OWNER", "SINK", "ERROR")
_NUMBERS = frozenset(("CURSOR", "LAG"))

Place = int | Literal["now"]


def _place(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Place | None:
    if text is None or text == "now":
        return "now" if text else None
    if not (text.isascii() and text.isdigit()):
        raise click.BadParameter("expected an offset, or now")
    return int(text)


@click.command(
    epilog="""\b
Example:
  callboard subscriptions
  callboard subscriptions search
  callboard subscriptions search --seek 0
"""
)
@click.argument("name", required=False)
@click.option("--pause", is_flag=True, help="Let NAME tell nothing until it is resumed.")
@click.option("--resume", is_flag=True, help="Let NAME go on where it stands, also if it is dead.")
@click.option(
    "--seek", metavar="OFFSET", callback=_place, help="Move the cursor of NAME: an offset, 0 for all, or now."
)
@click.option("--delete", is_flag=True, help="Forget NAME.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The notation.")
@options.server_flag
@options.token_flag
def command(
    name: str | None,
    pause: bool,
    resume: bool,
    seek: Place | None,
    delete: bool,
    output: str,
    server: str,
    token: str | None,
) -> None:
    """List the subscriptions, or show the one with this NAME: where its cursor stands, and why it does not go on."""
    wishes = [pause, resume, seek is not None, delete]
    if any(wishes) and name is None:
        raise click.UsageError("--pause, --resume, --seek and --delete need the NAME of a subscription.")
    if sum(wishes) > 1:
        raise click.UsageError("One of --pause, --resume, --seek and --delete.")
    with options.client_of(server, token) as catalog:
        if name is None:
            found = catalog.get_subscriptions()
            _show(found, table(found), output)
        elif delete:
            catalog.delete_subscription(name)
            _show({"name": name}, [f"{name} is forgotten"], output)
        else:
            one = _done(catalog, name, pause=pause, resume=resume, seek=seek)
            _show(one, details(one), output)


def _done(catalog: "CatalogClient", name: str, *, pause: bool, resume: bool, seek: Place | None) -> "Subscription":
    if pause:
        return catalog.pause_subscription(name)
    if resume:
        return catalog.resume_subscription(name)
    return catalog.get_subscription(name) if seek is None else catalog.seek_subscription(name, seek)


def _show(value: object, lines: Iterable[str], output: str) -> None:
    click.echo(msgspec.json.encode(value) if output == "json" else "\n".join(lines))


def table(found: Sequence["Subscription"]) -> Iterator[str]:
    """A line for each subscription."""
    return aligned(_HEADINGS, map(_cells, found), numbers=_NUMBERS)


def _cells(found: "Subscription") -> tuple[str, ...]:
    return (
        found.name,
        found.state,
        f"{found.cursor:,}",
        f"{found.lag:,}",
        found.owner or "-",
        _sink(found),
        found.error or "-",
    )


def details(found: "Subscription") -> Iterator[str]:
    """All that is known of one subscription."""
    yield f"name:           {found.name}"
    yield f"owner:          {found.owner or '-'}"
    yield f"created:        {moment(found.created_at)}"
    yield f"filter:         {' or '.join(found.filter) or '-'}"
    yield f"sink:           {_sink(found)}"
    yield f"state:          {found.state}"
    yield f"cursor:         {found.cursor:,}, {found.lag:,} behind the head"
    yield f"acknowledged:   {moment(found.acked_at)}"
    yield f"failed:         {found.attempts:,} times in a row since {moment(found.failing_since)}"
    yield f"next attempt:   {moment(found.next_attempt_at)}"
    yield f"error:          {found.error or '-'}"


def _sink(found: "Subscription") -> str:
    if found.sink is None:
        return "-"
    return f"{found.sink.type}, in no engine" if found.sink.connected is False else found.sink.destination

"""`callboard push`: write the entities of a provider, from files."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from callboard.cli import options
from callboard.cli.progress import Bar
from callboard.clock import SystemClock
from callboard.errors import InvalidInput, InvalidRows, NotAllowed, RemovalRefused
from callboard.model import json

if TYPE_CHECKING:
    from callboard.cli.parcel import Parcel
    from callboard.cli.push_report import Report
    from callboard.client import CatalogClient, Pushed, Status
    from callboard.model.json import JsonObject

_LOOK = 10.0
"""Seconds between two looks at how far the catalog has come; each of them costs it something."""

_FETCHED = 50
"""So many entities are asked for one by one; for more, all are read."""

_RETRIES = 3


@click.command(
    epilog="""\b
Example:
  callboard push cmdb catalog/ --dry-run
  callboard push cmdb catalog/ --token "$TOKEN"
  ./export | callboard push cmdb -
  callboard push cmdb payments.yaml --delta --remove component:billing

\b
Exit code:
  0  all is in the catalog, or would be
  1  something was refused, has failed, or is still pending after --timeout
  2  the command line makes no sense
"""
)
@click.argument("provider")
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Store nothing; show what would change.")
@click.option("--delta", is_flag=True, help="Add and change only; what is not in FILES stays as it is.")
@click.option(
    "--remove", "removed", metavar="REF", multiple=True, help="With --delta: withdraw this entity. Repeatable."
)
@click.option("--partial", is_flag=True, help="Push what is good, although some of the entities are malformed.")
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait until all has settled, and say how it went."
)
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(0), default=60.0, show_default=True, help="How long to wait."
)
@click.option("--if-match", metavar="ETAG", help="With --delta and one entity: only if the catalog has this version.")
@click.option(
    "--idempotency-key", metavar="TEXT", help="The same push under the same key is done once.  [default: a new one]"
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The notation.")
@options.server_flag
@options.token_flag
def command(
    provider: str,
    files: Sequence[Path],
    dry_run: bool,
    delta: bool,
    removed: Sequence[str],
    partial: bool,
    wait: bool,
    timeout: float,
    if_match: str | None,
    idempotency_key: str | None,
    output: str,
    server: str,
    token: str | None,
) -> None:
    """Make what FILES say the entities of PROVIDER: what it had before and is not in them is withdrawn.

    FILES are YAML, JSON, or NDJSON with one entity a line; directories, in which *.yaml, *.yml, *.json and *.ndjson are
    looked for; or a dash for standard input. All of them are checked first, so that nothing is sent when any entity is
    malformed.
    """
    wanted = _Wanted(
        provider=provider,
        dry_run=dry_run,
        delta=delta,
        removed=removed,
        partial=partial,
        if_match=if_match,
        key=idempotency_key,
    )
    if not files and not removed:
        raise click.UsageError("Name at least one FILE.")
    if not delta and (removed or if_match):
        raise click.UsageError("--remove and --if-match need --delta: without it everything is replaced.")
    # What only this command needs is not loaded for the help.
    from callboard.cli.parcel import Parcel

    # Standard input can be read only once, and a complaint may have to look for its line.
    with tempfile.TemporaryDirectory(prefix="callboard-push-") as folder, Parcel(provider, Path(folder)) as parcel:
        with options.client_of(server, token, retries=_RETRIES) as catalog, Bar() as bar:
            report = _pushed(catalog, bar, wanted, parcel, files, timeout if wait and not dry_run else None)
        click.echo(json.encode(report.as_json()) if output == "json" else "\n".join(report.as_text()))
        sys.exit(1 if report.failed else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be done with the entities."""

    provider: str
    dry_run: bool
    delta: bool
    removed: Sequence[str]
    partial: bool
    if_match: str | None
    key: str | None


def _pushed(
    catalog: "CatalogClient",
    bar: Bar,
    wanted: _Wanted,
    parcel: "Parcel",
    files: Sequence[Path],
    patience: float | None,
) -> "Report":
    from callboard.cli.push_report import Report

    until = SystemClock().monotonic() + (patience or 0.0)
    _take_in(parcel, bar, files)
    report = Report(parcel=parcel, delta=wanted.delta)
    if not _may_be_sent(parcel, wanted):
        return report
    rows = len(parcel.rows)
    bar.begin(f"sending {rows:,} {'entity' if rows == 1 else 'entities'}", rows)
    try:
        report.pushed = _send(catalog, bar, wanted, parcel)
    except InvalidRows as error:
        report.reject(error)
        return report
    except RemovalRefused as error:
        raise options.advised(error, wanted.provider) from error
    try:
        if wanted.dry_run:
            report.before = _before(catalog, wanted, report.pushed)
        elif patience is not None:
            bar.begin("waiting for the catalog", report.pushed.entities)
            report.status = _settled(catalog, bar, wanted, until)
    except NotAllowed as error:
        # Who may write need not be allowed to look; it would be wrong to say that the push has failed.
        report.blind = str(error)
    return report


def _take_in(parcel: "Parcel", bar: Bar, paths: Sequence[Path]) -> None:
    from callboard.cli import entity_files

    files = entity_files.find(paths, parcel.folder)
    bar.begin(f"reading {len(files):,} {'file' if len(files) == 1 else 'files'}", len(files))
    for file in files:
        parcel.take_in(file)
        bar.advance()


def _may_be_sent(parcel: "Parcel", wanted: _Wanted) -> bool:
    """Whether nothing is wrong with the entities, or only what may be left out."""
    if not parcel.rows and not parcel.problems and not wanted.delta:
        raise InvalidInput(
            "there is no entity in these files, and an empty set would withdraw everything."
            f" If this is meant: callboard providers {wanted.provider} --forget"
        )
    if not wanted.partial:
        return not parcel.problems
    # What has no name can't be named to the server as something to keep; it would be withdrawn.
    return wanted.delta or all(problem.ref is not None for problem in parcel.problems)


def _send(catalog: "CatalogClient", bar: Bar, wanted: _Wanted, parcel: "Parcel") -> "Pushed":
    if wanted.if_match is not None:
        if len(parcel.refs) != 1 or wanted.removed:
            raise InvalidInput(f"--if-match is for one entity, and there are {len(parcel.refs)} in these files")
        return catalog.put_provider_entity(
            wanted.provider,
            parcel.entity(parcel.refs[0]),
            if_match=wanted.if_match,
            dry_run=wanted.dry_run,
            idempotency_key=wanted.key,
        )
    if wanted.delta:
        return _send_deltas(catalog, bar, wanted, parcel)
    return catalog.push_entities(
        wanted.provider,
        _Told(parcel, bar),
        partial=wanted.partial,
        dry_run=wanted.dry_run,
        idempotency_key=wanted.key,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """The rows of a parcel, told to a bar whenever they are sent."""

    parcel: "Parcel"
    bar: Bar

    def __iter__(self) -> Iterator[bytes]:
        self.bar.at(0, len(self.parcel.rows))
        for row in self.parcel:
            yield row
            self.bar.advance()


def _send_deltas(catalog: "CatalogClient", bar: Bar, wanted: _Wanted, parcel: "Parcel") -> "Pushed":
    """Send a large delta in pieces. What is to be removed goes first, as that is what may be refused."""
    from callboard.client.lines import pieces

    done: Pushed | None = None
    for number, piece in enumerate(pieces(parcel.good())):
        pushed = catalog.push_delta(
            wanted.provider,
            piece,
            () if number else wanted.removed,
            dry_run=wanted.dry_run,
            idempotency_key=wanted.key and (f"{wanted.key}-{number}" if number else wanted.key),
        )
        done = pushed if done is None else _joined(done, pushed)
        bar.advance(len(piece))
    assert done is not None
    return done


def _joined(one: "Pushed", other: "Pushed") -> "Pushed":
    """What two deltas have done, one after the other."""
    return replace(
        other,
        added=one.added + other.added,
        changed=one.changed + other.changed,
        removed=one.removed + other.removed,
        unchanged=one.unchanged + other.unchanged,
        conflicts=[*one.conflicts, *other.conflicts],
        difference=[*one.difference, *other.difference],
        difference_count=one.difference_count + other.difference_count,
        refused=one.refused or other.refused,
    )


def _before(catalog: "CatalogClient", wanted: _Wanted, tried: "Pushed") -> "dict[str, JsonObject]":
    """What the provider has now of the entities that would be changed."""
    from callboard.errors import NotFound
    from callboard.model.entities import check_envelope, entity_ref

    refs = {each.ref for each in tried.difference if each.change == "changed"}
    found: dict[str, JsonObject] = {}
    if len(refs) <= _FETCHED:
        for ref in refs:
            try:
                found[ref] = cast("JsonObject", catalog.get_provider_entity(wanted.provider, ref).entity)
            except NotFound:
                # Somebody was faster; then there is nothing to compare with.
                continue
        return found
    for told in catalog.iterate_provider_entities(wanted.provider):
        entity = cast("JsonObject", told)
        check_envelope(entity)
        if (ref := str(entity_ref(entity))) in refs:
            found[ref] = entity
    return found


def _settled(catalog: "CatalogClient", bar: Bar, wanted: _Wanted, until: float) -> "Status":
    """How far the provider's entities have come when all have settled, or when it is *until*."""
    clock = SystemClock()
    while True:
        left = max(0.0, until - clock.monotonic())
        status = catalog.provider_status(wanted.provider, wait=min(left, _LOOK))
        bar.at(status.entities - status.pending, status.entities)
        if status.state == "settled" or left <= 0:
            return status

"""`callboard import`: what another catalog holds, copied into this one."""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from callboard.cli import options
from callboard.cli.progress import Bar
from callboard.clock import SystemClock
from callboard.errors import InvalidInput, NotAllowed, RemovalRefused
from callboard.model import json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callboard.cli.import_report import Report
    from callboard.client import CatalogClient, Location
    from callboard.moving.backstage import Backstage
    from callboard.moving.copying import Registration

_RETRIES = 5
_LOOK = 10.0
"""Seconds between two looks at how far the catalog has come."""
_SLOW = 60.0
"""Seconds that a large Backstage may need for a page."""


@click.command(
    epilog="""\b
Example:
  callboard import backstage http://backstage:7007 --dry-run
  callboard import backstage http://backstage:7007 --from-token "$BACKSTAGE_TOKEN" --compare
  callboard import backstage http://backstage:7007 --dry-run --compare --output json

\b
Exit code:
  0  all is here, or would be; with --compare: and as it is there
  1  something was refused, has failed here alone, is pending, differs, or could not be read
  2  the command line makes no sense
"""
)
@click.argument("system", type=click.Choice(["backstage"]))
@click.argument("url")
@click.option("--dry-run", is_flag=True, help="Copy nothing; say what would be copied.")
@click.option("--compare", is_flag=True, help="Afterwards, hold each entity there against the one here.")
@click.option("--provider", metavar="NAME", default="imported", show_default=True, help="Who has the copied entities.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="How long to wait until all has settled.",
)
@click.option(
    "--from-token",
    metavar="TEXT",
    envvar="CALLBOARD_FROM_TOKEN",
    show_envvar=True,
    help="What proves to the catalog at URL who reads.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The notation.")
@options.server_flag
@options.token_flag
def command(
    system: str,
    url: str,
    dry_run: bool,
    compare: bool,
    provider: str,
    timeout: float,
    from_token: str | None,
    output: str,
    server: str,
    token: str | None,
) -> None:
    """Copy what the Backstage catalog at URL has, and nothing would bring: locations, and entities without a source.

    Its registered locations are registered here. Entities that these, or sources of this catalog, bring are left to
    them; all others are written for one provider. Of several sources that claim an entity here, the one that has it
    there gets it. It may be run again at any time, also after it was interrupted: what
    is here already is not copied again.
    """
    from callboard.client import CatalogClient
    from callboard.client.core import base_of
    from callboard.moving.backstage import Backstage

    if "@" in url.partition("//")[2].partition("/")[0]:
        # Addresses are told in errors and in the list of processes.
        raise click.UsageError(
            "URL must have no user and no password in it; --from-token is for what proves who reads."
        )
    if base_of(url) == base_of(server):
        raise InvalidInput(f"{url} is the catalog itself; expected another one")
    with (
        CatalogClient(url, token=from_token, retries=_RETRIES, timeout=_SLOW) as source,
        options.client_of(server, token, retries=_RETRIES) as catalog,
        Bar() as bar,
    ):
        moving = _Moving(Backstage(source, url), catalog, bar, provider, dry_run=dry_run)
        report = moving.copied()
        if not dry_run:
            moving.wait(report, timeout)
        moving.settle(report, timeout)
        if compare:
            moving.compare(report)
    click.echo(json.encode(report.as_json()) if output == "json" else "\n".join(report.as_text()))
    sys.exit(1 if report.failed else 0)


class _Moving:
    """One run of the command."""

    def __init__(
        self, backstage: "Backstage", catalog: "CatalogClient", bar: Bar, provider: str, *, dry_run: bool
    ) -> None:
        self.backstage, self.catalog, self.bar, self.provider = backstage, catalog, bar, provider
        self.dry_run = dry_run

    def copied(self) -> "Report":
        """Copy what has to be copied, or find out what would be."""
        from callboard.cli.import_report import Report
        from callboard.moving import copying
        from callboard.moving.plans import Fate, Known, Plan

        self.bar.begin("looking at both catalogs")
        total = self.backstage.count()
        if not total:
            raise InvalidInput(f"{self.backstage.url} shows no entities to whoever asks; is it the right token?")
        plan = Plan(Known.read(self.catalog, self.provider), self.backstage.locations())
        report = Report(
            provider=self.provider,
            dry_run=self.dry_run,
            registered=len(plan.locations),
            unprocessed=self.backstage.unprocessed(),
        )
        with tempfile.TemporaryDirectory(prefix="callboard-import-") as folder:
            self.bar.begin(f"reading {total:,} entities", total)
            rows = copying.gather(self.backstage, plan, Path(folder) / "rows.ndjson", self.bar.advance)
            report.fates = rows.fates
            # Locations first: what they bring is theirs before anything is written.
            report.registrations = list(self._registered(plan.missing_locations()))
            if not (rows.fates[Fate.COPIED] or plan.known.copied):
                return report
            self.bar.begin("writing entities")
            try:
                report.pushed = copying.write(self.catalog, self.provider, rows, dry_run=self.dry_run)
            except RemovalRefused as error:
                raise options.advised(error, self.provider) from error
        return report

    def _registered(self, missing: "list[Location]") -> "Iterator[Registration]":
        from callboard.moving import copying

        if self.dry_run:
            yield from (copying.Registration(location, None) for location in missing)
            return
        self.bar.begin(f"registering {len(missing):,} locations", len(missing))
        for each in copying.register(self.catalog, missing):
            yield each
            self.bar.advance()

    def wait(self, report: "Report", patience: float) -> None:
        """Wait until all that was copied, and what it leads to, has settled."""
        clock = SystemClock()
        until = clock.monotonic() + patience
        self.bar.begin("waiting for the catalog")
        targets = {each.location.target for each in report.registrations if each.refusal is None}
        new = [location.id for location in self.catalog.get_locations() if location.target in targets]
        asked = [partial(self.catalog.location_status, location) for location in new]
        if report.pushed is not None:
            asked.insert(0, partial(self.catalog.provider_status, self.provider))
        for ask in asked:
            while True:
                status = ask(wait=max(0.0, min(until - clock.monotonic(), _LOOK)))
                if status.state == "settled" or until <= clock.monotonic():
                    break
            report.statuses.append(status)

    def settle(self, report: "Report", patience: float) -> None:
        """Let those have what several sources claim who have it there, and wait until readers see it."""
        from callboard.moving import conflicts
        from callboard.moving.conflicts import Outcome

        self.bar.begin("looking at conflicts")
        clock = SystemClock()
        until = clock.monotonic() + patience
        try:
            for settled in conflicts.settle(self.catalog, self.backstage, self.provider, dry_run=self.dry_run):
                report.conflicts.append(settled)
                self.bar.advance()
        except NotAllowed:
            report.conflicts_told = False
        if self.dry_run:
            return
        for settled in report.conflicts:
            if settled.outcome is Outcome.HANDED_OVER:
                left = max(0.0, min(until - clock.monotonic(), _LOOK))
                report.unsettled_conflicts += not conflicts.await_settled(self.catalog, settled, left)

    def compare(self, report: "Report") -> None:
        """Hold each entity there against the one here."""
        from callboard.moving import comparing
        from callboard.moving.plans import is_readable

        total = self.backstage.count()
        self.bar.begin(f"comparing {total:,} entities", total)
        report.compared = 0
        for page in self.backstage.pages():
            theirs = [entity for entity in page if is_readable(entity)]
            report.compared += len(theirs)
            for found in comparing.differing(self.catalog, theirs):
                report.differ(found)
            self.bar.advance(len(page))

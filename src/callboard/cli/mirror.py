"""`callboard mirror`: a copy of the catalog elsewhere, kept equal to it."""

import asyncio
import contextlib
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from callboard.cli import options
from callboard.cli.progress import Bar
from callboard.errors import CallboardError, InvalidInput, RemovalRefused
from callboard.model import json

if TYPE_CHECKING:
    from callboard.client import Applied, AsyncReplica, CatalogClient
    from callboard.client.replicas import AsyncStore, Store

_INTERRUPTED = 130

_ATTEMPTS = 3
"""How often `--once` tries in vain: whoever waits for it wants to know."""

_TARGETS = ("postgresql://", "postgres://", "sqlite:", "dir:", "http://", "https://")


@click.command(
    epilog="""\b
Example:
  callboard mirror --to sqlite:catalog.db --filter kind=component
  callboard mirror --to postgresql://reports@db/reports --table catalog --lease 15
  callboard mirror --to dir:backup --once
  callboard mirror --to https://staging.example.com --to-token "$TOKEN"
"""
)
@click.option(
    "--to",
    "target",
    metavar="TARGET",
    required=True,
    help="postgresql://…, sqlite:FILE, dir:FOLDER, or the http(s):// URL of another Callboard.",
)
@click.option("--filter", "filters", metavar="TEXT", multiple=True, help="Only what meets this, or another --filter.")
@click.option("--query", metavar="JSON", help="Only what also meets this predicate.")
@click.option("--once", is_flag=True, help="End when the copy is equal to the catalog.")
@click.option("--anew", is_flag=True, help="Read everything again, for example after a change of permissions.")
@click.option("--table", metavar="NAME", help="In a database: the table.  [default: entities]")
@click.option(
    "--lease",
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    help="In a database: others that were started with this take over when this one is silent for so long.",
)
@click.option("--provider", metavar="NAME", help="In a catalog: the provider of the entities.  [default: mirror]")
@click.option(
    "--to-token",
    metavar="TEXT",
    envvar="CALLBOARD_TO_TOKEN",
    show_envvar=True,
    help="What proves to the other catalog who writes.",
)
@options.server_flag
@options.token_flag
def command(
    target: str,
    filters: Sequence[str],
    query: str | None,
    once: bool,
    anew: bool,
    table: str | None,
    lease: float | None,
    provider: str | None,
    to_token: str | None,
    server: str,
    token: str | None,
) -> None:
    """Keep a copy of the catalog, or of a part of it, in another place, and go on until Ctrl-C.

    It may be killed at any time: the next one goes on where the copy is, and nothing is lost. What the catalog has no
    more, or what meets the filter no more, is removed from the copy.
    """
    wanted = _Wanted(
        target=target,
        filters=filters,
        query=_parsed(query),
        once=once,
        anew=anew,
        table=table,
        lease=lease,
        provider=provider,
        to_token=to_token,
        server=server,
        token=token,
    )
    wanted.check()
    asyncio.run(_mirrored(wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be mirrored, and where to."""

    target: str
    filters: Sequence[str]
    query: dict[str, object] | None
    once: bool
    anew: bool
    table: str | None
    lease: float | None
    provider: str | None
    to_token: str | None
    server: str
    token: str | None

    def check(self) -> None:
        """Raises UsageError for flags that mean nothing together."""
        if not self.target.startswith(_TARGETS):
            raise click.UsageError(
                f"{self.target!r} can't be mirrored to; expected postgresql://…, sqlite:FILE, dir:FOLDER or http(s)://…"
            )
        in_database = self.target.startswith(("postgres", "sqlite:"))
        if not in_database and (self.table or self.lease):
            raise click.UsageError("--table and --lease are for databases.")
        if not self.target.startswith("http") and (self.provider or self.to_token):
            raise click.UsageError("--provider and --to-token are for another catalog.")


def _parsed(query: str | None) -> dict[str, object] | None:
    if query is None:
        return None
    try:
        value = json.decode(query)
    except ValueError as error:
        raise click.BadParameter(f"is not JSON: {error}", param_hint="--query") from error
    if not isinstance(value, dict):
        raise click.BadParameter("expected a JSON object", param_hint="--query")
    return dict(value)


async def _mirrored(wanted: _Wanted) -> None:
    from callboard.client import AsyncCatalogClient, AsyncReplica

    stopped = _Stopped()
    report = _Report(once=wanted.once)
    with stopped.listening(), report.bar, _explained(wanted):
        async with _store(wanted, report) as store, AsyncCatalogClient(wanted.server, token=wanted.token) as catalog:
            replica = AsyncReplica(
                catalog,
                store,
                filters=wanted.filters,
                query=wanted.query,
                anew=wanted.anew,
                lease=wanted.lease,
                on_retry=report.complain,
            )
            await _told(replica, report)
    if stopped.by == signal.SIGINT:
        sys.exit(_INTERRUPTED)


async def _told(replica: "AsyncReplica", report: "_Report") -> None:
    report.bar.begin("reading the catalog")
    try:
        async with contextlib.aclosing(replica.follow(until_caught_up=report.once)) as transactions:
            async for applied in transactions:
                report.tell(applied)
    except asyncio.CancelledError:
        # Told to stop; what was stored is stored.
        return


@dataclass(slots=True)
class _Stopped:
    """Which signal has ended the command, if one has."""

    by: signal.Signals | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """The task that is at work is cancelled by a signal."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop(by: signal.Signals) -> None:
            self.by = by
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


@dataclass(slots=True)
class _Report:
    """Says how far it has come, and what goes wrong."""

    once: bool
    bar: Bar = field(default_factory=Bar)
    _put: int = field(default=0, init=False)
    _removed: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _caught_up: bool = field(default=False, init=False)

    def tell(self, applied: "Applied") -> None:
        """A transaction is through."""
        if self._failures:
            click.secho("callboard: goes on", fg="yellow", err=True)
            self._failures = 0
        self._put += len(applied.put)
        self._removed += len(applied.removed)
        self.bar.advance(len(applied.events))
        position = applied.position
        if position.caught_up and (applied.put or applied.removed or not self._caught_up):
            click.echo(f"equal to the catalog at offset {position.offset}: {self._put} put, {self._removed} removed")
            self._put = self._removed = 0
        self._caught_up = position.caught_up

    def complain(self, error: CallboardError, pause: float) -> None:
        """An attempt has failed."""
        self._failures += 1
        if self.once and self._failures >= _ATTEMPTS:
            raise error
        click.secho(f"callboard: {error}; trying again in {pause:.1f} s", fg="yellow", err=True)

    def conflicts(self, refs: Sequence[str]) -> None:
        """Another source of the other catalog has these."""
        for ref in refs:
            click.secho(f"callboard: {ref} stays what another source of the other catalog says", fg="yellow", err=True)


@contextlib.asynccontextmanager
async def _store(wanted: _Wanted, report: _Report) -> "AsyncIterator[AsyncStore | Store]":
    target, table = wanted.target, wanted.table or "entities"
    if target.startswith("postgres"):
        from callboard.client.replicas.postgresql import PostgreSQLStore

        async with PostgreSQLStore(target, table=table) as in_postgresql:
            yield in_postgresql
    elif target.startswith("sqlite:"):
        from callboard.client import SQLiteStore

        with SQLiteStore(_file(target), table=table) as in_sqlite:
            yield in_sqlite
    elif target.startswith("dir:"):
        from callboard.client.replicas.folder import FolderStore

        with FolderStore(target.removeprefix("dir:")) as in_folder:
            yield in_folder
    else:
        from callboard.client import CatalogClient
        from callboard.client.replicas.catalogs import CatalogStore

        with CatalogClient(target, token=wanted.to_token) as other:
            await asyncio.to_thread(_must_differ, wanted, other)
            yield CatalogStore(other, wanted.provider or "mirror", on_conflict=report.conflicts)


def _must_differ(wanted: _Wanted, other: "CatalogClient") -> None:
    with options.client_of(wanted.server, wanted.token, retries=_ATTEMPTS) as catalog:
        if catalog.events(0, limit=1).epoch == other.events(0, limit=1).epoch:
            raise InvalidInput(f"{wanted.target} is the catalog itself; expected another one")


def _file(target: str) -> Path:
    """The file in `sqlite:copy.db`, or as others write it, `sqlite:///copy.db`."""
    name = target.removeprefix("sqlite:")
    name = name.removeprefix("///") if name.startswith("///") else name
    if not name or name.startswith("//"):
        raise InvalidInput(f"{target!r} names no file; expected something like sqlite:catalog.db")
    return Path(name)


@contextlib.contextmanager
def _explained(wanted: _Wanted) -> Iterator[None]:
    """What a target says of itself is told like any other failure."""
    from callboard.client.replicas.postgresql import FAILURES

    try:
        yield
    except RemovalRefused as error:
        raise options.advised(error, wanted.provider or "mirror") from error
    except (sqlite3.Error, *FAILURES, OSError) as error:
        raise CallboardError(f"can't write to {_nameless(wanted.target)}: {error}") from error


def _nameless(target: str) -> str:
    """A URL without the password that may be in it."""
    from urllib.parse import urlsplit

    parts = urlsplit(target)
    return target if parts.password is None else target.replace(f":{parts.password}@", ":…@")

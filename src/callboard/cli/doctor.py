"""`callboard doctor`: is this installation sound, and what can be put right."""

import asyncio
import datetime as dt
import enum
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from callboard.cli import options
from callboard.cli.progress import Bar
from callboard.errors import CallboardError, Unavailable, WrongSchema
from callboard.model import json
from callboard.model.json import JsonObject

if TYPE_CHECKING:
    from callboard.client import AsyncCatalogClient
    from callboard.store.database import Database, Transaction
    from callboard.store.soundness import Rule

_OLDEST = 150_000
"""PostgreSQL 15."""
_BATCH = 1_000
_PAGE = 1_000
_EXAMPLES = 3
_TOLERATED = dt.timedelta(seconds=2)
_LONG = dt.timedelta(minutes=10)


class Verdict(enum.StrEnum):
    """How a check has ended."""

    OK = "ok"
    REPAIRED = "repaired"
    WARNING = "warning"
    ERROR = "error"


_COLOURS = {Verdict.OK: "green", Verdict.REPAIRED: "cyan", Verdict.WARNING: "yellow", Verdict.ERROR: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has come to."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    """What to do about it."""

    def told(self) -> JsonObject:
        """It as JSON."""
        return {
            "check": self.check,
            "verdict": self.verdict.value,
            "found": self.found,
            **({"advice": self.advice} if self.advice else {}),
        }


@click.command(
    epilog="""\b
Example:
  callboard doctor --config app-config.yaml
  callboard doctor --config app-config.yaml --repair
  callboard doctor --config app-config.yaml --ask http://127.0.0.1:7007 --json
"""
)
@click.option("--repair", is_flag=True, help="Put right what can be put right without losing anything.")
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
@click.option("--ask", metavar="URL", help="Compare what this server answers with the database, too.")
@options.token_flag
@options.server_flags
def command(repair: bool, as_json: bool, ask: str | None, token: str | None, **flags: Any) -> None:
    """Look at configuration, database, schema, tables and stream; say what is wrong, and how to put it right.

    Nothing is changed without --repair. The exit code is 1 when an error is left.
    """
    findings = asyncio.run(_examined(Patient(flags, ask=ask, token=token, repair=repair)))
    if as_json:
        click.echo(json.encode([finding.told() for finding in findings]))
    else:
        _show(findings)
    if any(finding.verdict is Verdict.ERROR for finding in findings):
        raise SystemExit(1)


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        verdict = click.style(f"{finding.verdict.value:8}", fg=_COLOURS[finding.verdict])
        click.echo(f"{verdict}  {finding.check:{width}}  {finding.found}")
        if finding.advice:
            click.echo(f"{'':8}  {'':{width}}  {finding.advice}")


@dataclass(frozen=True, slots=True)
class Patient:
    """What is to be looked at, and how."""

    flags: dict[str, Any]
    """Those that describe the server."""
    ask: str | None = None
    """The server that answers."""
    token: str | None = None
    repair: bool = False


async def _examined(patient: Patient) -> list[Finding]:
    with Bar() as bar:
        findings: list[Finding] = []
        async for finding in _findings(patient, bar):
            findings.append(finding)
            bar.advance()
        return findings


async def _findings(patient: Patient, bar: Bar) -> AsyncIterator[Finding]:
    from callboard.cli.roles import database_url
    from callboard.clock import SystemClock
    from callboard.store.database import Database

    bar.begin("looking")
    try:
        settings = options.server_settings(**patient.flags)
        url = database_url(settings)
    except CallboardError as error:
        yield Finding("configuration", Verdict.ERROR, str(error))
        return
    if settings.warnings:
        yield Finding("configuration", Verdict.WARNING, "; ".join(settings.warnings))
    else:
        yield Finding("configuration", Verdict.OK, "can be read")
    try:
        database = await Database.open(url, clock=SystemClock(), connections=2, name="callboard-doctor")
    except Unavailable as error:
        yield Finding("database", Verdict.ERROR, str(error), "start it, or correct backend.database.connection")
        return
    try:
        async for finding in examine(database, patient):
            yield finding
    finally:
        await database.close()


async def examine(database: "Database", patient: Patient) -> AsyncIterator[Finding]:
    """Look at everything that the database can tell, and put right what the patient wants to be repaired."""
    from callboard.store import schema, soundness, steps

    async with database.transaction() as tx:
        yield _server(await soundness.server(tx), tx.now)
    try:
        await schema.check(database)
    except WrongSchema as error:
        yield Finding("schema", Verdict.ERROR, str(error))
        return
    yield Finding("schema", Verdict.OK, f"is {steps.available()[-1].version:04}, which this release needs")
    for rule in soundness.RULES:
        yield await _held(database, rule, repair=patient.repair)
    async with database.transaction() as tx:
        found = await soundness.find(tx, soundness.WAITING, since=tx.now - _LONG)
    yield _told(soundness.WAITING, found.count, found.examples)
    yield await _statistics(database, repair=patient.repair)
    if patient.ask:
        yield await _view(database, patient.ask, patient.token)


def _server(said: Any, here: dt.datetime) -> Finding:
    version = said["version"]
    if version < _OLDEST:
        return Finding("database", Verdict.ERROR, f"is PostgreSQL {version // 10_000}", "PostgreSQL 15 is the oldest")
    if said["encoding"] != "UTF8":
        return Finding("database", Verdict.ERROR, f"is encoded in {said['encoding']}", "create it with encoding UTF8")
    unsafe = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if said[name] == "off"]
    if unsafe:
        advice = "what was acknowledged can be lost when the machine fails; switch it on"
        return Finding("database", Verdict.WARNING, f"has {', '.join(unsafe)} off", advice)
    apart = abs(said["now"] - here)
    if apart > _TOLERATED:
        found = f"its clock and this machine's are {apart.total_seconds():.0f} s apart"
        advice = "all processes go by the database's, logs and the times of files by this one; synchronise them"
        return Finding("database", Verdict.WARNING, found, advice)
    return Finding("database", Verdict.OK, f"is PostgreSQL {version // 10_000}, in UTF8, durable")


async def _held(database: "Database", rule: "Rule", *, repair: bool) -> Finding:
    """Whether a rule holds; with *repair* it does afterwards, if it can be put right."""
    from callboard.store import soundness

    async with database.transaction(snapshot=True) as tx:
        found = await soundness.find(tx, rule)
    if not found.count or not repair or rule.repair is None:
        return _told(rule, found.count, found.examples)
    mend, before = rule.repair, list[str]()

    async def step(tx: "Transaction") -> list[str]:
        refs = await soundness.refs(tx, rule, _BATCH)
        if refs and refs != before:
            await mend(tx, refs)
        return refs

    while (left := await database.run(step)) and left != before:
        before = left
    if not left:
        return Finding(rule.name, Verdict.REPAIRED, f"{found.count:,} {rule.broken}", "put right")
    async with database.transaction(snapshot=True) as tx:
        return _told(rule, (await soundness.find(tx, rule)).count, found.examples)


def _told(rule: "Rule", count: int, examples: Sequence[str]) -> Finding:
    if not count:
        return Finding(rule.name, Verdict.OK, f"no {rule.broken}")
    verdict = Verdict.WARNING if rule.harmless else Verdict.ERROR
    named = ", ".join(examples) + (", …" if count > len(examples) else "")
    advice = f"--repair does it: {rule.advice}" if rule.repair else rule.advice
    return Finding(rule.name, verdict, f"{count:,} {rule.broken}: {named}", advice)


async def _statistics(database: "Database", *, repair: bool) -> Finding:
    from callboard.store import statistics

    async with database.transaction() as tx:
        tables = await statistics.overtaken(tx)
        if not tables:
            return Finding("statistics", Verdict.OK, "PostgreSQL knows how large the tables are")
        if repair:
            await statistics.analyse(tx, tables)
            return Finding("statistics", Verdict.REPAIRED, f"PostgreSQL took {', '.join(tables)} for empty", "analysed")
    said = f"PostgreSQL takes {', '.join(tables)} for far smaller than they are, and is slow"
    return Finding("statistics", Verdict.WARNING, said, "engines put that right in ten seconds; or --repair")


async def _view(database: "Database", server: str, token: str | None) -> Finding:
    """Whether the API process that answers at *server* shows what the tables say."""
    from callboard.client import AsyncCatalogClient

    try:
        async with AsyncCatalogClient(server, token=token, retries=0) as catalog:
            seen, total, offset, wrong = await _compared(database, catalog)
    except CallboardError as error:
        return Finding("view", Verdict.ERROR, str(error), "start callboard api, or ask another one")
    if wrong:
        named = ", ".join(wrong[:_EXAMPLES]) + (", …" if len(wrong) > _EXAMPLES else "")
        advice = "start that process again: it loads all of them anew"
        return Finding("view", Verdict.ERROR, f"{len(wrong):,} entities are others than in the tables: {named}", advice)
    if total is not None and total != seen:
        advice = "a token that may see everything, or start that process again"
        return Finding("view", Verdict.ERROR, f"shows {seen:,} of {total:,} entities", advice)
    return Finding("view", Verdict.OK, f"shows {seen:,} entities as they are in the tables at offset {offset:,}")


async def _compared(database: "Database", catalog: "AsyncCatalogClient") -> tuple[int, int | None, int, list[str]]:
    """How many entities were seen, how many there are (None if they changed meanwhile), where, and which are wrong."""
    from callboard.model.entities import entity_ref
    from callboard.store import soundness

    seen, wrong = 0, []
    fields = ["kind", "metadata.namespace", "metadata.name", "metadata.etag"]
    page = await catalog.query_entities(limit=_PAGE, fields=fields)
    began = page.offset
    while True:
        etags = {str(entity_ref(cast("JsonObject", entity))): str(entity["metadata"]["etag"]) for entity in page.items}
        seen += len(etags)
        async with database.transaction() as tx:
            wrong += await soundness.wrong_etags(tx, etags, page.offset)
            if page.next_cursor is None:
                # Once, and not for each page: all of the table is counted.
                total, head = await soundness.visible(tx)
                return seen, total if began == page.offset == head else None, page.offset, wrong
        page = await catalog.query_page(page.next_cursor, fields=fields, limit=_PAGE)

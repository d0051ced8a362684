"""`python -m benchmarks`: a quick set of everything, or one benchmark at a size of your choice."""

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import click
import httpx2
import structlog
from rich.console import Console
from rich.progress import Progress

from benchmarks import (
    bootstrap,
    compact,
    compare,
    cost,
    crawl,
    deliver,
    doctor,
    follow,
    generate,
    hot,
    ingest,
    join,
    live,
    migrate,
    pages,
    plot,
    processes,
    publish,
    query,
    scale,
    servers,
    tables,
    view,
)
from benchmarks.ingest import Via
from benchmarks.programs import Missing
from benchmarks.query import Look
from benchmarks.servers import ReaderClocks
from benchmarks.sides import Side
from callboard.errors import CallboardError

_console = Console() if sys.stdout.isatty() else Console(width=110)

_QUICK = 2_000
_QUICK_WAITERS = 200
_QUICK_SHARE = 0.25

_COUNT = click.IntRange(min=100)


class Counts(click.ParamType[list[int]]):
    """Numbers, of entities as a rule, separated by commas."""

    name = "numbers"

    def __init__(self, each: click.IntRange = _COUNT) -> None:
        self.each = each

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        if isinstance(value, list):
            return value
        return [self.each.convert(each, param, ctx) for each in value.split(",")]


_save = click.option(
    "--json", "save", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
_count = click.option("--count", type=_COUNT, default=10_000, show_default=True, help="Entities.")
_database = click.option("--database-url", help="A PostgreSQL database; the default is an embedded one.")
_server = click.option("--server", help="A running server, for example http://localhost:7007.  [default: a fresh one]")
_pid = click.option("--pid", type=int, help="The process of that server, if it runs here: for its CPU time.")
_share = click.option(
    "--share",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    help="Ask for this part of the usual time: 0.2 for a quick look.",
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@_save
@click.pass_context
def main(context: click.Context, save: Path | None) -> None:
    """Measure Callboard: ingest, query, follow. Without a command: all of them, small, in a minute or two."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if context.invoked_subcommand is None:
        _measure(_everything, save)
    elif save is not None:
        raise click.UsageError(f"--json comes after the command: {context.invoked_subcommand} --json {save}")


async def _everything(progress: Progress) -> list[Any]:
    async with servers.fresh() as server:
        filed = await ingest.run(server, _QUICK, Via.FILES, 1, progress, quick=True)
    async with servers.fresh() as server:
        provided = await ingest.run(server, _QUICK, Via.PROVIDER, 1, progress, quick=True)
        read = await query.run(server.url, progress, look=server.reader_clocks, share=_QUICK_SHARE)
        followed = await follow.run(server, _QUICK_WAITERS, progress)
    return [provided, filed, read, followed]


@main.command("ingest")
@_count
@click.option(
    "--via",
    type=click.Choice([via.value for via in Via]),
    default="provider",
    show_default=True,
    help="How entities come in.",
)
@click.option("--engines", type=click.IntRange(1, 64), default=1, show_default=True, help="Engine processes.")
@_database
@_save
def _ingest(count: int, via: str, engines: int, database_url: str | None, save: Path | None) -> None:
    """Take a generated catalog into a fresh server."""

    async def work(progress: Progress) -> list[Any]:
        async with servers.fresh(engines=engines, database_url=database_url) as server:
            return [await ingest.run(server, count, Via(via), engines, progress)]

    _measure(work, save)


@main.command("scale")
@click.option("--count", type=_COUNT, default=30_000, show_default=True, help="Entities.")
@click.option(
    "--engines",
    type=Counts(click.IntRange(1, 64)),
    default="1,2,4",
    show_default=True,
    help="Engine processes; one run after the other.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="Of each, in turn.")
@click.option("--pooler", is_flag=True, help="Behind PgBouncer, which lends connections to transactions.")
@_save
def _scale(count: int, engines: list[int], rounds: int, pooler: bool, save: Path | None) -> None:
    """Take the same catalog in with one engine, with two, with four."""

    async def work(progress: Progress) -> list[Any]:
        return [await scale.run(count, engines, rounds, progress, pooled=pooler)]

    _measure(work, save)


@main.command("join")
@_count
@click.option("--apis", type=click.IntRange(min=1), default=3, show_default=True, help="API processes that come.")
@click.option("--rate", type=click.IntRange(min=1), default=1_000, show_default=True, help="Changes a second.")
@_save
def _join(count: int, apis: int, rate: int, save: Path | None) -> None:
    """Start API processes, one after the other, while the catalog changes."""

    async def work(progress: Progress) -> list[Any]:
        return [await join.run(count, apis, rate, progress)]

    _measure(work, save)


@main.command("query")
@click.option(
    "--count",
    "counts",
    type=Counts(),
    multiple=True,
    default=["10000"],
    help="Entities; several numbers, or the option several times, are one run after the other.  [default: 10000]",
)
@_share
@_server
@_pid
@_save
def _query(counts: Sequence[list[int]], share: float, server: str | None, pid: int | None, save: Path | None) -> None:
    """Read from a server in every way that readers do, and weigh its API process."""
    _check_pid(server, pid)

    async def work(progress: Progress) -> list[Any]:
        if server is not None:
            return [await query.run(server, progress, look=_clocks_below(pid), share=share)]
        numbers = itertools.chain.from_iterable(counts)
        return [await query.run_fresh(count, progress, share=share) for count in numbers]

    _measure(work, save)


def _check_pid(server: str | None, pid: int | None) -> None:
    if pid is not None and server is None:
        raise click.UsageError("--pid belongs to --server")


def _clocks_below(pid: int | None) -> Look | None:
    """Looks at the clocks of a process and of all below it; None of none."""

    async def look() -> ReaderClocks:
        assert pid is not None
        return ReaderClocks(processes.clocks([pid, *processes.below(pid)]), None)

    return None if pid is None else look


@main.command("pages")
@click.option("--count", type=_COUNT, default=50_000, show_default=True, help="Entities.")
@_share
@_server
@_pid
@click.option("--worst", is_flag=True, help="Instead, the pages that something makes hard: thousands of failures, ...")
@_save
def _pages(count: int, share: float, server: str | None, pid: int | None, worst: bool, save: Path | None) -> None:
    """Look at every page of the web page: CPU of the server, and bytes of a first visit."""
    _check_pid(server, pid)
    if worst and server is not None:
        raise click.UsageError("--worst fills a server of its own, so it takes no --server")

    async def work(progress: Progress) -> list[Any]:
        if server is not None:
            return [await pages.run(server, progress, look=_clocks_below(pid), share=share)]
        return [await (pages.run_worst if worst else pages.run_fresh)(count, progress, share=share)]

    _measure(work, save)


@main.command("follow")
@click.option("--waiters", type=click.IntRange(min=1), default=1_000, show_default=True, help="Readers that wait.")
@click.option(
    "--form",
    type=click.Choice([form.value for form in follow.Form]),
    default=follow.Form.LONG_POLL.value,
    show_default=True,
    help="How they follow.",
)
@click.option("--rate", type=click.IntRange(min=1), help="Publish so many changes a second, instead of one at a time.")
@click.option("--own", is_flag=True, help="With --rate: let each reader want to hear of one entity, instead of all.")
@click.option(
    "--apis", type=click.IntRange(min=1), default=1, show_default=True, help="API processes, of a new server."
)
@_count
@_server
@click.option("--database-url", help="The database of that server, through which a provider makes the change.")
@_save
def _follow(
    waiters: int,
    form: str,
    rate: int | None,
    own: bool,
    apis: int,
    count: int,
    server: str | None,
    database_url: str | None,
    save: Path | None,
) -> None:
    """Change an entity and see when everybody has it."""
    if (server is None) != (database_url is None):
        raise click.UsageError("--server and --database-url belong together")
    if server is not None and rate is not None:
        raise click.UsageError("--rate leaves entities behind that nobody claims: only in a fresh server")
    wanted = follow.Form(form)

    async def work(progress: Progress) -> list[Any]:
        if server is not None and database_url is not None:
            async with servers.existing(server, database_url) as found:
                return [await follow.run(found, waiters, progress, wanted)]
        async with servers.filled(count, apis) as fresh:
            if rate is not None:
                return [await live.run(fresh, waiters, rate, progress, wanted, own=own)]
            return [await follow.run(fresh, waiters, progress, wanted)]

    _measure(work, save)


@main.command("compact")
@click.option(
    "--count", type=click.IntRange(min=1_000), default=200_000, show_default=True, help="Changes in the history."
)
@_save
def _compact(count: int, save: Path | None) -> None:
    """Forget a long history while somebody publishes."""

    async def work(progress: Progress) -> list[Any]:
        return [await compact.run(count, progress)]

    _measure(work, save)


@main.command("publish")
@click.option("--seconds", type=click.FloatRange(min=0.5), default=5.0, show_default=True, help="For each combination.")
@_save
def _publish(seconds: float, save: Path | None) -> None:
    """Append to the stream in batches of 1, 10, 100 and 500, beside a stream that loses events."""

    async def work(progress: Progress) -> list[Any]:
        return [await publish.run(seconds, progress)]

    _measure(work, save)


@main.command("cost")
@_count
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs with, and without.")
@_save
def _cost(count: int, rounds: int, save: Path | None) -> None:
    """Take a catalog in with the stream and without it."""

    async def work(progress: Progress) -> list[Any]:
        return [await cost.run(count, rounds, progress)]

    _measure(work, save)


@main.command("bootstrap")
@click.option(
    "--count",
    "counts",
    type=Counts(),
    multiple=True,
    default=["50000"],
    help="Entities; several numbers are one run after the other.  [default: 50000]",
)
@click.option("--readers", type=click.IntRange(min=1), default=4, show_default=True, help="Consumers at once.")
@_save
def _bootstrap(counts: Sequence[list[int]], readers: int, save: Path | None) -> None:
    """Read a whole catalog from the stream."""

    async def work(progress: Progress) -> list[Any]:
        return [await bootstrap.run(count, readers, progress) for count in itertools.chain.from_iterable(counts)]

    _measure(work, save)


@main.command("view")
@_count
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Times all is changed.")
@_save
def _view(count: int, rounds: int, save: Path | None) -> None:
    """Build the view, read from it, and change everything in it several times over."""

    async def work(progress: Progress) -> list[Any]:
        return [await view.run(count, rounds, progress)]

    _measure(work, save)


@main.command("hot")
@click.option("--members", type=click.IntRange(min=1), default=6_000, show_default=True, help="Of the group.")
@_save
def _hot(members: int, save: Path | None) -> None:
    """Let the members of one group arrive, one by one and all at once."""

    async def work(progress: Progress) -> list[Any]:
        return [await hot.run(members, progress)]

    _measure(work, save)


@main.command("crawl")
@click.option("--repositories", type=click.IntRange(min=1), default=5_000, show_default=True, help="Of two entities.")
@click.option("--latency", type=click.FloatRange(min=0), default=0.02, show_default=True, help="Seconds an answer.")
@_save
def _crawl(repositories: int, latency: float, save: Path | None) -> None:
    """Read an organization on a fake GitHub, read it again, and push to it."""

    async def work(progress: Progress) -> list[Any]:
        return [await crawl.run(repositories, latency, progress)]

    _measure(work, save)


@main.command("deliver")
@_count
@_save
def _deliver(count: int, save: Path | None) -> None:
    """Deliver events to each message broker whose program is installed here."""

    async def work(progress: Progress) -> list[Any]:
        return [await deliver.run(count, progress)]

    _measure(work, save)


@main.command("compare")
@click.option("--peer", required=True, help="The server to compare with, for example http://localhost:7017.")
@click.option("--ours", required=True, help="The server that is compared.")
@click.option(
    "--peer-token", help="What proves to it who asks; rather COMPARE_PEER_TOKEN.", envvar="COMPARE_PEER_TOKEN"
)
@click.option("--ours-token", help="The same for the other one; COMPARE_OURS_TOKEN.", envvar="COMPARE_OURS_TOKEN")
@click.option(
    "--peer-pid",
    type=int,
    multiple=True,
    help="Where a tree of its processes begins; may be repeated.  [default: who listens there, and its PostgreSQL]",
)
@click.option("--ours-pid", type=int, multiple=True, help="The same for the other one.")
@click.option("--ingest", type=_COUNT, help="Let both take in a location with so many entities first.")
@click.option(
    "--files-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where that location is served; both must be allowed to read from 127.0.0.1:PORT.  [default: any]",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each server.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="How long a turn is, for a read."
)
@click.option("--connections", type=click.IntRange(min=1), default=1, show_default=True, help="Readers at a time.")
@click.option("--although-different", is_flag=True, help="Measure although they do not show the same entities.")
@_save
def _compare(
    peer: str,
    ours: str,
    peer_token: str | None,
    ours_token: str | None,
    peer_pid: Sequence[int],
    ours_pid: Sequence[int],
    ingest: int | None,
    files_port: int,
    save: Path | None,
    **manner: Any,
) -> None:
    """Ask two servers for the same in turn; any that speak the API of the Backstage catalog."""

    async def work(progress: Progress) -> list[Any]:
        sides = (
            Side.at("peer", peer, token=peer_token, pids=peer_pid),
            Side.at("ours", ours, token=ours_token, pids=ours_pid),
        )
        how = compare.Manner(**manner)
        return [await compare.run(*sides, progress, how, ingest=ingest, files_port=files_port)]

    _measure(work, save)


@main.command("migrate")
@_count
@click.option(
    "--since", type=click.IntRange(min=1), default=1, show_default=True, help="The schema that it begins with."
)
@_save
def _migrate(count: int, since: int, save: Path | None) -> None:
    """Bring a full database of an older schema to the present one while others write and read."""

    async def work(progress: Progress) -> list[Any]:
        return [await migrate.run(count, since, progress)]

    _measure(work, save)


@main.command("doctor")
@_count
@_save
def _doctor(count: int, save: Path | None) -> None:
    """Let callboard doctor look at a catalog in which all is well."""

    async def work(progress: Progress) -> list[Any]:
        return [await doctor.run(count, progress)]

    _measure(work, save)


@main.command("plot")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to draw into.")
def _plot(files: Sequence[Path], out: Path) -> None:
    """Draw what ingest and query wrote with --json: cost against the size of the catalog."""
    try:
        written = plot.write(files, out)
    except CallboardError as error:
        raise click.ClickException(str(error)) from error
    for file in written:
        click.echo(file)


@main.command("generate")
@click.option("--count", type=click.IntRange(min=1), default=10_000, show_default=True, help="Entities.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes another catalog.")
@click.option("--files", type=click.Path(file_okay=False, path_type=Path), help="Write YAML files into this folder.")
@click.option("--per-file", type=click.IntRange(min=1), default=50, show_default=True, help="Entities in a YAML file.")
@click.option("--ndjson", type=click.File("w", encoding="utf-8"), help="Write one JSON entity a line; - for here.")
def _generate(count: int, seed: int, files: Path | None, per_file: int, ndjson: Any) -> None:
    """Write a generated catalog, for other servers to take in."""
    if (files is None) == (ndjson is None):
        raise click.UsageError("say either --files or --ndjson")
    if files is not None:
        click.echo(generate.write_files(count, files.absolute(), per_file=per_file, seed=seed))
        return
    for entity in generate.entities(count, seed):
        ndjson.write(json.dumps(entity, separators=(",", ":")) + "\n")


_SHOW: dict[type, Callable[[Console, Any], None]] = {
    ingest.Ingest: ingest.show,
    scale.Scale: scale.show,
    join.Join: join.show,
    query.Query: query.show,
    pages.Pages: pages.show,
    follow.Follow: follow.show,
    live.Live: live.show,
    compact.Compact: compact.show,
    bootstrap.Bootstrap: bootstrap.show,
    cost.Cost: cost.show,
    publish.Publish: publish.show,
    deliver.Deliver: deliver.show,
    compare.Compare: compare.show,
    view.ViewFigures: view.show,
    crawl.Crawl: crawl.show,
    hot.Hot: hot.show,
    migrate.Migrate: migrate.show,
    doctor.Doctor: doctor.show,
}


def _measure(work: Callable[[Progress], Awaitable[list[Any]]], save: Path | None) -> None:
    """Run a benchmark under a progress display and print its figures."""
    with Progress(console=_console, transient=True) as progress:
        results = asyncio.run(_until_told(work(progress)))
    machine = tables.machine()
    for result in results:
        _SHOW[type(result)](_console, result)
    _console.print(f"[dim]{', '.join(f'{key} {value}' for key, value in machine.items())}[/dim]", highlight=False)
    if save is not None:
        tables.save(save, results, machine)


async def _until_told(work: Awaitable[list[Any]]) -> list[Any]:
    """Do the work; SIGTERM ends it as Ctrl-C does, so that no server stays behind."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError as error:
        raise click.Abort from error
    except (CallboardError, Missing, httpx2.HTTPError, OSError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")

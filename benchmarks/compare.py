"""Compare: two servers that speak the API of the Backstage catalog, asked for the same in turn, in one run.

They take turns of a second or so, so that what else the machine does meets both. Nothing is asked for that a Backstage
catalog 4.0 does not have.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks import offering, query, reads, tables, wire
from benchmarks.launch import CLOCK
from benchmarks.offering import Taken
from benchmarks.reads import Read
from benchmarks.sides import Side, ref_of
from benchmarks.tables import Yardstick
from benchmarks.wire import Wire
from callboard.model import json

READS = {
    "by-name": "one by name",
    "by-refs-100": "100 by refs",
    "query-20": "page of 20: filtered, sorted, counted",
    "facet-type-filtered": "facet of types, filtered",
    "query-text-3-fields": "page of 20, text in three fields",
    reads.COMPONENTS: "all components",
}
"""What is asked for, and its name in README's table."""

_WARM_UP_SECONDS = 0.2
_LEAST = 4
_IDLE_TURNS = 3
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """Entities that only one of the two has."""

    peer: Sequence[str]
    ours: Sequence[str]
    both: int

    def __bool__(self) -> bool:
        return bool(self.peer or self.ours)

    def __str__(self) -> str:
        told = [f"both show {self.both:,} entities"]
        for name, refs in (("peer", self.peer), ("ours", self.ours)):
            if refs:
                more = ", …" if len(refs) > _EXAMPLES else ""
                told.append(f"only --{name} shows {len(refs):,}: {', '.join(refs[:_EXAMPLES])}{more}")
        return "; ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a server took for one kind of read."""

    requests: int
    p50_ms: float
    p99_ms: float
    kib: float
    cpu_ms: float | None
    """Of all its processes, for a request; None where they are out of sight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One kind of read of both servers."""

    read: str
    peer: Measured
    ours: Measured
    same: bool
    """Whether the first answers named the same entities or values, in the same order where one was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """The figures of one run."""

    entities: int
    difference: Difference
    processes: dict[str, Sequence[str]]
    idle_percent: dict[str, float | None]
    """Of one core, while nobody asks."""
    taken: Sequence[Taken]
    pairs: Sequence[Pair]
    skipped: dict[str, str]
    yardstick_us: float


@dataclass(slots=True)
class _Tally:
    """The measurements of one server for one kind of read."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    cpu: float | None = 0.0

    def measured(self) -> Measured:
        latencies = [seconds for seconds, _ in self.answers]
        count = len(self.answers)
        return Measured(
            requests=count,
            p50_ms=tables.quantile(latencies, 0.5) * 1000,
            p99_ms=tables.quantile(latencies, 0.99) * 1000,
            kib=sum(size for _, size in self.answers) / count / 1024,
            cpu_ms=None if self.cpu is None else self.cpu / count * 1000,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How it is measured."""

    rounds: int = 5
    seconds: float = 1.0
    """How long a turn is: one server, one kind of read."""
    connections: int = 1
    although_different: bool = False


async def run(
    peer: Side, ours: Side, progress: Progress, manner: Manner, *, ingest: int | None = None, files_port: int = 0
) -> Compare:
    """Measure both. With *ingest* they first take that many generated entities in, and give them back at the end."""
    async with _taken(peer, ours, ingest, files_port, progress, manner) as taken:
        refs = {side.name: await side.refs() for side in (peer, ours)}
        both = refs["peer"] & refs["ours"]
        difference = Difference(sorted(refs["peer"] - both), sorted(refs["ours"] - both), len(both))
        if difference and not manner.although_different:
            raise click.ClickException(f"{difference}. Such answers can't be compared; --although-different tries it.")
        idle = await _idle(peer, ours, manner.seconds * _IDLE_TURNS)
        yardstick = Yardstick()
        pairs, skipped = await _read(peer, ours, both, progress, manner, yardstick)
        return Compare(
            entities=len(both),
            difference=difference,
            processes={side.name: side.processes() for side in (peer, ours)},
            idle_percent=idle,
            taken=taken,
            pairs=pairs,
            skipped=skipped,
            yardstick_us=yardstick.microseconds,
        )


@contextlib.asynccontextmanager
async def _taken(
    peer: Side, ours: Side, count: int | None, port: int, progress: Progress, manner: Manner
) -> AsyncIterator[Sequence[Taken]]:
    """Both have taken the generated catalog in, one after the other, for as long as this lasts."""
    if count is None:
        yield []
        return
    async with contextlib.AsyncExitStack() as stack:
        offer = stack.enter_context(offering.offered(count, port))
        yield [
            await stack.enter_async_context(offering.registered(side, offer, progress, manner.seconds))
            for side in (peer, ours)
        ]


async def _idle(peer: Side, ours: Side, seconds: float) -> dict[str, float | None]:
    before = {side.name: side.cpu_seconds() for side in (peer, ours)}
    await CLOCK.sleep(seconds)
    after = {side.name: side.cpu_seconds() for side in (peer, ours)}
    return {
        name: None if then is None or now is None else (now - then) / seconds * 100
        for name, then in before.items()
        for now in [after[name]]
    }


async def _read(
    peer: Side, ours: Side, both: set[str], progress: Progress, manner: Manner, yardstick: Yardstick
) -> tuple[list[Pair], dict[str, str]]:
    held = await reads.sample(ours.url, ours.headers)
    # What only one of them has would be a 404 of the other.
    paths = [path for path in held.paths if f"component:{path}".lower() in both]
    if not paths:
        raise click.ClickException("the two servers have no Component in common")
    kinds = [read for read in reads.of(replace(held, paths=paths)) if read.name in READS]
    task = progress.add_task("compare", total=len(kinds) * manner.rounds)
    pairs: list[Pair] = []
    skipped: dict[str, str] = {}
    for read in kinds:
        progress.update(task, description=f"compare: {read.name}")
        try:
            answers = [await _first_answer(side, read) for side in (peer, ours)]
        except wire.Unexpected as error:
            skipped[READS[read.name]] = error.format_message()
            progress.advance(task, manner.rounds)
            continue
        tallies = {side.name: _Tally() for side in (peer, ours)}
        for number in range(manner.rounds):
            # Who goes first changes, so that nobody always finds the caches warmer.
            for side in (peer, ours)[:: 1 if number % 2 == 0 else -1]:
                await _turn(side, side.asked(read), tallies[side.name], manner, number)
            yardstick.sample()
            progress.advance(task)
        pairs.append(
            Pair(
                read=READS[read.name],
                peer=tallies["peer"].measured(),
                ours=tallies["ours"].measured(),
                same=answers[0] == answers[1],
            )
        )
    progress.remove_task(task)
    return pairs, skipped


async def _first_answer(side: Side, read: Read) -> Any:
    async with wire.connected(side.url, 1, Wire) as [only]:
        return told(json.decode(await only.send(side.asked(read).asks[0].encoded(only.host), status=read.status)))


def told(answer: Any) -> Any:
    """What an answer says, without what two servers may say in different ways: uids, etags, the order of facets."""
    if isinstance(answer, list):
        return sorted(map(told, answer))
    if "facets" in answer:
        return {facet: {each["value"]: each["count"] for each in values} for facet, values in answer["facets"].items()}
    if "items" in answer:
        return [answer.get("totalItems"), *(each and ref_of(each) for each in answer["items"])]
    return ref_of(answer)


async def _turn(side: Side, read: Read, tally: _Tally, manner: Manner, number: int) -> None:
    """Ask one server for a while, and add what it took."""
    async with wire.connected(side.url, manner.connections, Wire) as wires:
        await asyncio.gather(
            *(
                query.asked_for(each, read, place, min(_WARM_UP_SECONDS, manner.seconds), 1)
                for place, each in enumerate(wires)
            )
        )
        first = number * len(read.asks) // manner.rounds
        before = side.cpu_seconds()
        asked = await asyncio.gather(
            *(
                query.asked_for(each, read, first + place, manner.seconds, max(1, _LEAST // manner.connections))
                for place, each in enumerate(wires)
            )
        )
        after = side.cpu_seconds()
    tally.answers += itertools.chain.from_iterable(asked)
    if tally.cpu is None or before is None or after is None:
        tally.cpu = None
    else:
        tally.cpu += after - before


def show(console: Console, result: Compare) -> None:
    """Print the figures."""
    console.print(f"{result.difference}.", highlight=False)
    for name, found in result.processes.items():
        idle = result.idle_percent[name]
        used = "CPU time is not measured" if idle is None else f"{idle:.1f} % of a core while nobody asks"
        console.print(f"--{name}: {len(found)} processes, {used}", highlight=False)
    console.print()
    if result.taken:
        _show_taken(console, result.taken)
    columns = ["p50 / p99 ms", "peer", "ours", "×", "CPU ms: peer", "ours", "×", "answers"]
    rows = [
        [
            pair.read,
            *(f"{each.p50_ms:.2f} / {each.p99_ms:.2f}" for each in (pair.peer, pair.ours)),
            _times(pair.peer.p50_ms, pair.ours.p50_ms),
            *("?" if each.cpu_ms is None else f"{each.cpu_ms:.2f}" for each in (pair.peer, pair.ours)),
            _times(pair.peer.cpu_ms, pair.ours.cpu_ms),
            "same" if pair.same else "differ",
        ]
        for pair in result.pairs
    ]
    tables.show(console, f"Compare, {result.entities:,} entities; × is peer by ours", columns, rows)
    for name, why_not in result.skipped.items():
        console.print(f"Not asked: {name}, because {why_not}", highlight=False)
    console.print(f"[dim]yardstick {result.yardstick_us:.0f} µs[/dim]", highlight=False)


def _show_taken(console: Console, taken: Sequence[Taken]) -> None:
    columns = ["", "entities", "visible s", "CPU ms each until visible", "until calm", "calm s"]
    rows = [
        [
            each.side,
            f"{each.entities:,}",
            f"{each.visible_s:.1f}",
            *("?" if ms is None else f"{ms:.2f}" for ms in (each.cpu_ms_until_visible, each.cpu_ms_until_calm)),
            "never" if each.calm_s is None else f"{each.calm_s:.1f}",
        ]
        for each in taken
    ]
    tables.show(console, "A location with so many entities", columns, rows)


def _times(peer: float | None, ours: float | None) -> str:
    return "?" if peer is None or not ours else f"{peer / ours:.1f}"

"""Live: many changes a second, and how old they are when those who follow have them."""

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress

from benchmarks import tables, wire
from benchmarks.follow import Form
from benchmarks.launch import CLOCK
from benchmarks.loads import changed
from benchmarks.servers import Server
from benchmarks.wire import Ask, Wire
from callboard.store import claims, publication

_SECONDS = 10
_WARM_UP = 1.0
"""Seconds at the beginning, in which nothing is warm, whose events do not count."""
_STEP = 0.02
"""Seconds between two transactions."""

_FIRST = re.compile(rb'"offset":(\d+)')
_LAST = b'{"offset":'
_NEXT = re.compile(rb'"nextOffset":(\d+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The figures of one run; ages are from the commit of an event to its arrival at a reader."""

    form: str
    waiters: int
    rate: float
    """Events a second that were committed; the machine may not manage what was asked for."""
    answers: float
    """Answers, or pieces of a stream, that arrived in a second."""
    p50_ms: float
    """The age of the oldest event of an answer: what its reader has waited for at most."""
    p99_ms: float
    each_p50_ms: float
    """The age of any event at any reader."""
    each_p99_ms: float
    api_cpu: float
    """Seconds of CPU in a second."""
    yardstick_us: tuple[float, float]
    """The machine's, before and after the run."""


@dataclass(slots=True)
class _Ages:
    commits: dict[int, tuple[float, int]] = field(default_factory=dict)
    """By offset, when it was committed, and up to which offset that went."""
    oldest: list[float] = field(default_factory=list)
    """Of each answer."""
    each: Counter[int] = field(default_factory=Counter)
    """How many events had an age, in tenths of a millisecond."""
    since: float = 0.0
    """From which commit on they count."""

    def arrived(self, first: int, last: int) -> None:
        """All events from *first* to *last* are here.

        Who had waited may have one before the benchmark knows that it is committed.
        """
        now, at = time.perf_counter(), first
        while at <= last:
            committed, until = self.commits.get(at, (now, last))
            until = min(until, last)
            if committed >= self.since:
                if at == first:
                    self.oldest.append(now - committed)
                self.each[round((now - committed) * 10_000)] += until + 1 - at
            at = until + 1

    def quantile(self, share: float) -> float:
        """The age in milliseconds that a *share* of the events had not exceeded."""
        left = share * self.each.total()
        for age, count in sorted(self.each.items()):
            left -= count
            if left <= 0:
                return age / 10
        return 0.0


class _Wire(Wire):
    """Looks at each piece of a stream of server-sent events, where it is told of some *ages*."""

    ages: _Ages | None = None

    def on_body(self, body: bytes) -> None:
        """Look for the first event."""
        if self.ages is None:
            super().on_body(body)
        elif found := _FIRST.search(body):
            # The last one may have been cut off in the middle of its number.
            last = _FIRST.search(body, body.rindex(_LAST))
            self.ages.arrived(int(found[1]), max(int(found[1]), int(last[1]) if last else 0))


async def run(server: Server, waiters: int, rate: int, progress: Progress, form: Form, *, own: bool) -> Live:
    """Let *waiters* follow while *rate* changes a second are published, past all that comes before publishing.

    With *own* each of them wants to hear of one entity, else of all.
    """
    task = progress.add_task(f"live: {waiters} waiters, {rate} changes/s", total=_SECONDS)
    names = [f"live-{number}" for number in range(max(1, rate))]
    uids = await created(server, [f"component:default/{name}" for name in names])
    offset = await server.offset()
    ages, before = _Ages(), _yardstick()
    async with wire.connected(server.url, waiters, _Wire) as wires:
        follow = _stream if form is Form.SSE else _poll
        filters = (f"&filter=metadata.name={name}" if own else "" for name in itertools.cycle(names))
        following = [
            asyncio.create_task(follow(each, offset, wanted, ages))
            for each, wanted in zip(wires, filters, strict=False)
        ]
        await CLOCK.sleep(2)
        used, started = server.api_seconds(), time.perf_counter()
        ages.since = started + _WARM_UP
        events = await _published(server, uids, rate, ages)
        seconds = time.perf_counter() - started
        cpu = server.api_seconds() - used
        # A reader that has gone would make the others faster.
        for each in following:
            if each.done():
                each.result()
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    progress.remove_task(task)
    return Live(
        form=f"{form}, own filters" if own else form,
        waiters=waiters,
        rate=events / seconds,
        answers=len(ages.oldest) / (seconds - _WARM_UP),
        p50_ms=tables.quantile(ages.oldest, 0.5) * 1000,
        p99_ms=tables.quantile(ages.oldest, 0.99) * 1000,
        each_p50_ms=ages.quantile(0.5),
        each_p99_ms=ages.quantile(0.99),
        api_cpu=cpu / seconds,
        yardstick_us=(before, _yardstick()),
    )


async def _poll(each: _Wire, offset: int, wanted: str, ages: _Ages) -> None:
    while True:
        body = await each.get(f"/api/catalog/events?offset={offset}&limit=1000&wait=60{wanted}")
        # It stands at the end, behind as many events as came; to look through them would be the benchmark's own cost.
        first, following = _FIRST.search(body), _NEXT.search(body, body.rindex(b'"nextOffset"'))
        assert first is not None
        assert following is not None
        offset = int(following[1])
        # Of a filtered answer only the first is known; as a rule there are no others.
        ages.arrived(int(first[1]), int(first[1]) if wanted else offset)


async def _stream(each: _Wire, offset: int, wanted: str, ages: _Ages) -> None:
    each.ages = ages
    await each.send(
        Ask(f"/api/catalog/events?offset={offset}{wanted}", headers={"accept": "text/event-stream"}).encoded(each.host)
    )


def _yardstick() -> float:
    taken = tables.Yardstick()
    for _ in range(20):
        taken.sample()
    return taken.microseconds


async def created(server: Server, refs: list[str]) -> Mapping[str, str]:
    """The uids of entities that nobody offers, made where there are none."""
    async with server.database.transaction() as tx:
        await claims.lock_targets(tx, [], create=refs)
        found = await tx.connection.fetch("select ref, uid::text from entities where ref = any($1)", refs)
    return {row["ref"]: row["uid"] for row in found}


async def _published(server: Server, uids: Mapping[str, str], rate: int, ages: _Ages) -> int:
    """Publish for a while. Returns how many events there were."""
    refs, count, number = list(uids), max(1, round(rate * _STEP)), 0
    started = time.perf_counter()
    while (due := started + number / rate) < started + _SECONDS:
        await CLOCK.sleep(max(0.0, due - time.perf_counter()))
        chosen = [refs[(number + each) % len(refs)] for each in range(min(count, len(refs)))]
        async with server.database.transaction() as tx:
            head = await publication.publish(tx, [changed(ref, uids[ref], number) for ref in chosen])
        committed = time.perf_counter()
        assert head is not None
        ages.commits |= dict.fromkeys(range(head - len(chosen) + 1, head + 1), (committed, head))
        number += len(chosen)
        if committed - started > 2 * _SECONDS:
            break
    return number


def show(console: Console, result: Live) -> None:
    """Print the figures."""
    columns = ["", "waiters", "events/s", "answers/s", "each event p50 ms", "p99", "oldest of an answer p50 ms", "p99"]
    columns += ["API CPU s/s", "yardstick µs"]
    row = [result.form, f"{result.waiters:,}", f"{result.rate:,.0f}", f"{result.answers:,.0f}"]
    row += [f"{age:.1f}" for age in (result.each_p50_ms, result.each_p99_ms, result.p50_ms, result.p99_ms)]
    row += [f"{result.api_cpu:.2f}", "{:.1f}, {:.1f}".format(*result.yardstick_us)]
    tables.show(console, "Live: the age of events when they arrive", columns, [row])

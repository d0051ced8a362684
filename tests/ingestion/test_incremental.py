"""A large source is gone through page by page, and a crash costs nothing."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import structlog

from callboard.clock import SystemClock
from callboard.errors import Unreadable
from callboard.extend import Delta, Full, IncrementalEntityProvider, Offered, Page, Schedule
from callboard.ingestion.connections import Connection
from callboard.ingestion.guards import OPEN, Guard
from callboard.ingestion.incremental import Rounds
from callboard.model.json import JsonObject, JsonValue
from callboard.store import ingestions, providers
from callboard.store.ingestions import Ingestion
from callboard.store.providers import Provider, ProviderKind
from tests.harness import Catalog, component, offered

LEASE = 15.0
REST = 60.0


class Source(IncrementalEntityProvider):
    """Has pages, is numbered like them, and notes what it was asked for."""

    name = "cmdb"
    rest_seconds = REST

    def __init__(self, *pages: str) -> None:
        self.pages: list[Sequence[JsonObject]] = [[component(name) for name in page] for page in pages]
        self.asked: list[JsonValue] = []
        self.events: list[str] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def next(self, cursor: JsonValue) -> Page:
        self.asked.append(cursor)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        assert cursor is None or isinstance(cursor, int)
        number = cursor or 0
        return Page(offered(*self.pages[number]), number + 1, done=number + 1 == len(self.pages))

    @contextlib.asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        self.events.append("entered")
        yield
        self.events.append("left")


Run = Callable[..., Rounds]


@pytest.fixture
def engine(catalog: Catalog) -> Run:
    """Makes an engine's runner of a source."""

    def make(source: Source, guard: Guard = OPEN) -> Rounds:
        return Rounds(database=catalog.database, clock=catalog.clock, provider=source, guard=guard)

    return make


async def a_round(catalog: Catalog, rounds: Rounds) -> None:
    """Let the rest of the last round pass, and go through the next one to its end."""
    catalog.clock.advance(REST)
    while await rounds.step() != REST:
        pass
    await catalog.settle()


async def stand(catalog: Catalog) -> Ingestion:
    async with catalog.database.transaction() as tx:
        found = await ingestions.find(tx, "cmdb")
    assert found is not None
    return found


async def provider(catalog: Catalog) -> Provider:
    async with catalog.database.transaction() as tx:
        found = await providers.find(tx, "cmdb")
    assert found is not None
    return found


def names(catalog: Catalog) -> str:
    return "".join(ref.rpartition("/")[2] for ref in catalog.refs())


async def test_a_round_asks_for_one_page_after_the_other_and_rests(catalog: Catalog, engine: Run) -> None:
    source = Source("ab", "c", "de")
    rounds = engine(source)

    pauses = [await rounds.step() for _ in range(3)]
    await catalog.settle()

    assert (source.asked, pauses, names(catalog)) == ([None, 1, 2], [0, 0, REST], "abcde")
    found = await stand(catalog)
    assert (found.round, found.cursor, found.pages, found.completed_at) == (2, None, 0, found.started_at)


async def test_nobody_is_asked_while_the_source_rests(catalog: Catalog, engine: Run) -> None:
    source = Source("a")
    rounds = engine(source)
    await a_round(catalog, rounds)
    rested = catalog.clock.now()
    catalog.clock.advance(20)

    pause = await rounds.step()

    assert (source.asked, pause) == ([None], REST - (catalog.clock.now() - rested).total_seconds() - 0.5)


async def test_a_page_is_there_before_the_round_has_ended(catalog: Catalog, engine: Run) -> None:
    rounds = engine(Source("ab", "c"))

    await rounds.step()
    await catalog.settle()

    assert names(catalog) == "ab"
    assert ((await stand(catalog)).cursor, (await stand(catalog)).pages) == ("1", 1)


async def test_what_a_round_has_not_shown_is_withdrawn_at_its_end(catalog: Catalog, engine: Run) -> None:
    source = Source("ab", "cd")
    rounds = engine(source)
    await a_round(catalog, rounds)
    source.pages = [[component("a")], [component("d"), component("e")]]
    catalog.clock.advance(REST)

    await rounds.step()
    await catalog.settle()
    meanwhile = names(catalog)
    await rounds.step()
    await catalog.settle()

    assert (meanwhile, names(catalog)) == ("abcd", "ade")


async def test_what_has_moved_to_another_page_stays(catalog: Catalog, engine: Run) -> None:
    source = Source("ab", "cd")
    rounds = engine(source)
    await a_round(catalog, rounds)
    before = len(await catalog.history())

    source.pages = [[component("d"), component("b")], [component("a")], [component("c")]]
    await a_round(catalog, rounds)

    assert len(await catalog.history()) == before


async def test_an_entity_that_comes_under_another_key_changes_hands_and_does_not_go(
    catalog: Catalog, engine: Run
) -> None:
    class Keyed(Source):
        key = "one"

        async def next(self, cursor: JsonValue) -> Page:
            return Page([Offered(component("a"), self.key)], done=True)

    source = Keyed()
    rounds = engine(source)
    await a_round(catalog, rounds)
    source.key = "two"
    await a_round(catalog, rounds)

    async with catalog.database.transaction() as tx:
        keys = await tx.connection.fetch("select location_key from claims")
    assert ([row["location_key"] for row in keys], names(catalog)) == (["two"], "a")


async def test_the_next_engine_goes_on_at_the_page_where_a_crash_was(catalog: Catalog, engine: Run) -> None:
    source = Source("a", "b", "c")
    await a_round(catalog, engine(source))
    source.pages = [[component("a")], [component("b")], [component("d")]]
    source.asked.clear()
    catalog.clock.advance(REST)
    crashed = engine(source)
    await crashed.step()
    await crashed.step()

    catalog.clock.advance(LEASE)
    await a_round(catalog, engine(source))

    assert (source.asked, names(catalog)) == ([None, 1, 2], "abd")


async def test_a_page_that_was_asked_for_and_not_stored_is_asked_for_again(catalog: Catalog, engine: Run) -> None:
    source = Source("a", "b")
    await engine(source).step()
    source.gate.clear()
    catalog.clock.advance(LEASE)
    crashed = asyncio.create_task(engine(source).step())
    while source.asked != [None, 1]:
        await catalog.clock.sleep(0)
    crashed.cancel()

    source.gate.set()
    catalog.clock.advance(LEASE)
    await a_round(catalog, engine(source))

    assert (source.asked, names(catalog)) == ([None, 1, 1], "ab")


async def test_one_engine_at_a_time_runs_a_provider(catalog: Catalog, engine: Run) -> None:
    source = Source("a", "b")
    first, second = engine(source), engine(source)
    await first.step()

    pause = await second.step()

    assert (source.asked, pause) == ([None], LEASE / 3)


async def test_an_engine_that_waits_for_a_slow_page_keeps_its_provider(catalog: Catalog, engine: Run) -> None:
    source = Source("a", "b")
    source.gate.clear()
    first, second = engine(source), engine(source)
    waiting = asyncio.create_task(first.step())
    while not source.asked:
        await catalog.clock.sleep(0)

    for _ in range(6):
        catalog.clock.advance(LEASE / 3)
        await first.renew()
        await second.step()
    source.gate.set()
    await waiting

    assert (source.asked, (await stand(catalog)).pages) == ([None], 1)


async def test_what_an_engine_brings_that_was_taken_for_dead_is_dropped(catalog: Catalog, engine: Run) -> None:
    slow, source = Source("a", "b"), Source("c", "d")
    slow.gate.clear()
    first = engine(slow)
    waiting = asyncio.create_task(first.step())
    while not slow.asked:
        await catalog.clock.sleep(0)
    catalog.clock.advance(LEASE)
    await engine(source).step()

    slow.gate.set()
    await waiting
    await catalog.settle()

    assert (names(catalog), (await stand(catalog)).pages) == ("c", 1)
    assert slow.events == ["entered", "left"]


async def test_an_engine_that_stops_hands_its_provider_over_at_once(catalog: Catalog, engine: Run) -> None:
    source = Source("a", "b")
    source.page_pause = 1.0
    first = engine(source)
    running = asyncio.create_task(first.run())
    while not (source.asked and await _leased(catalog, first.job)):
        await catalog.clock.sleep(0)

    running.cancel()
    await asyncio.wait({running})

    assert not await _leased(catalog, first.job)
    assert source.events == ["entered", "left"]


async def _leased(catalog: Catalog, job: str) -> bool:
    async with catalog.database.transaction() as tx:
        return bool(await tx.connection.fetchval("select count(*) from leases where name = $1", job))


async def test_between_two_pages_there_is_the_pause_that_the_provider_wants(catalog: Catalog, engine: Run) -> None:
    source = Source("a", "b")
    source.page_pause = 3.0
    rounds = engine(source)

    first = await rounds.step()
    too_early = await rounds.step()
    catalog.clock.advance(3)
    await rounds.step()

    assert (first, too_early, source.asked) == (3, 3, [None, 1])


async def test_removals_beyond_the_limit_are_refused_and_the_next_round_tries_again(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("ab", "cd")
    rounds = engine(source, Guard(max_removal_percent=50))
    await a_round(catalog, rounds)
    source.pages = [[component("a", owner="x")], [component("e")]]

    await a_round(catalog, rounds)
    refused = (names(catalog), await provider(catalog), (await stand(catalog)).round)
    source.pages = [[component("a"), component("b")], [component("e")]]
    await a_round(catalog, rounds)

    assert (refused[0], refused[2]) == ("abcde", 3)
    assert "it would withdraw 3 of the 4 entities" in (refused[1].refused or "")
    assert (names(catalog), (await provider(catalog)).refused) == ("abe", None)


async def test_a_round_of_a_single_page_is_refused_as_a_whole_with_its_changes_and_additions(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("abc")
    rounds = engine(source, Guard(max_removal_percent=50))
    await a_round(catalog, rounds)
    before = await catalog.history()
    source.pages = [[component("a", owner="x"), component("new")]]

    await a_round(catalog, rounds)
    after, told = await catalog.history(), await provider(catalog)
    source.pages = [[component("a", owner="x"), component("b"), component("c"), component("new")]]
    await a_round(catalog, rounds)

    assert after == before
    assert "it would withdraw 2 of the 3 entities" in (told.refused or "")
    assert sorted(ref.rpartition("/")[2] for ref in catalog.refs()) == ["a", "b", "c", "new"]
    assert (await provider(catalog)).refused is None


async def test_a_page_that_comes_through_does_not_hide_that_the_last_round_was_refused(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("abc")
    rounds = engine(source, Guard(max_removal_percent=50))
    await a_round(catalog, rounds)
    source.pages = [[component("a")]]
    await a_round(catalog, rounds)
    source.pages = [[component("a", owner="x")], [component("b")]]
    catalog.clock.advance(REST)

    await rounds.step()

    assert (await provider(catalog)).refused is not None


async def test_a_refused_removal_can_be_let_through_once(catalog: Catalog, engine: Run) -> None:
    source = Source("abc")
    rounds = engine(source, Guard(max_removal_percent=50))
    await a_round(catalog, rounds)
    source.pages = [[component("a")]]
    await a_round(catalog, rounds)
    async with catalog.database.transaction() as tx:
        await providers.let_through(tx, "cmdb")

    await a_round(catalog, rounds)

    assert (names(catalog), (await provider(catalog)).let_through) == ("a", False)


async def test_only_a_round_without_a_single_entity_counts_as_empty(catalog: Catalog, engine: Run) -> None:
    source = Source("abc", "")
    rounds = engine(source, Guard(refuse_empty=True))
    await a_round(catalog, rounds)
    source.pages = [[component("a")], []]
    await a_round(catalog, rounds)
    after_one = names(catalog)
    source.pages = [[], []]

    await a_round(catalog, rounds)

    assert (after_one, names(catalog)) == ("a", "a")
    assert "the set is empty" in ((await provider(catalog)).refused or "")


async def test_a_source_that_fails_is_asked_again_after_a_growing_pause_for_the_same_page(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("a", "b")
    rounds = engine(source)
    await rounds.step()
    source.error = ConnectionError("the line\0is down")

    pauses = []
    for _ in range(11):
        pauses.append(await rounds.step())
        catalog.clock.advance(pauses[-1])
    failing = await stand(catalog)
    source.error = None
    await rounds.step()

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert (failing.error, failing.failures, failing.cursor) == ("ConnectionError: the line\ufffdis down", 11, "1")
    assert (source.asked[0], set(source.asked[1:])) == (None, {1})
    assert ((await stand(catalog)).error, (await stand(catalog)).failures) == (None, 0)


async def test_an_engine_that_takes_over_a_failing_source_keeps_to_its_pause(catalog: Catalog, engine: Run) -> None:
    source = Source("a")
    source.error = ConnectionError()
    failing = engine(source)
    for _ in range(6):
        catalog.clock.advance(await failing.step())
    await failing.step()
    asked = len(source.asked)
    catalog.clock.advance(LEASE)

    pause = await engine(source).step()

    assert (pause, len(source.asked)) == (64 - LEASE, asked)


@pytest.mark.parametrize("spoilt", [Page([]), Page([], cursor=b"bytes"), Page([3], cursor=1), None])  # type: ignore[arg-type, list-item]
async def test_a_page_that_makes_no_sense_is_a_failure_of_its_source(
    catalog: Catalog, engine: Run, spoilt: Page
) -> None:
    class Spoilt(Source):
        async def next(self, cursor: JsonValue) -> Page:
            return spoilt

    await engine(Spoilt()).step()

    assert (await stand(catalog)).failures == 1


async def test_a_malformed_entity_is_reported_and_what_it_was_before_is_not_withdrawn(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("ab", "cd")
    rounds = engine(source)
    await a_round(catalog, rounds)
    broken = component("b", owner="\ud800")
    source.pages = [[component("a"), broken, {"kind": "Component"}], [component("d")]]

    with structlog.testing.capture_logs() as logs:
        await a_round(catalog, rounds)

    rejected = [entry["ref"] for entry in logs if entry["event"] == "ingestion.rejected"]
    assert (names(catalog), rejected) == ("abd", ["component:default/b", "Component:None"])


async def test_what_a_source_needs_is_there_for_a_run_of_pages_and_let_go_after_a_failure(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("a", "b")
    rounds = engine(source)
    await rounds.step()
    source.error = ConnectionError()
    await rounds.step()
    source.error = None
    catalog.clock.advance(1)
    await rounds.step()

    assert source.events == ["entered", "left", "entered", "left"]


async def test_a_name_that_is_used_over_http_is_refused(catalog: Catalog, engine: Run) -> None:
    async with catalog.database.transaction() as tx:
        await providers.add(tx, "cmdb", ProviderKind.HTTP)
    source = Source("a")

    with structlog.testing.capture_logs() as logs:
        await engine(source).step()

    assert source.asked == []
    assert "the provider name cmdb is taken" in logs[0]["reason"]


async def test_what_the_provider_had_before_it_was_incremental_is_its_own(catalog: Catalog, engine: Run) -> None:
    await catalog.provide("cmdb", Full(offered(component("a"), component("b"))))
    await catalog.settle()

    await a_round(catalog, engine(Source("b")))

    assert names(catalog) == "b"


async def test_a_schedule_says_when_rounds_begin(catalog: Catalog, engine: Run) -> None:
    source = Source("a")
    source.schedule = Schedule(cron="0 3 * * *", initial_delay=30)
    rounds = engine(source)

    assert await rounds.step() == 30.0
    catalog.clock.advance(30)
    await rounds.step()

    began = catalog.clock.now()
    assert (await stand(catalog)).next_at == began.replace(hour=3, minute=0, second=0)


async def test_a_manual_provider_waits_until_somebody_triggers_it(catalog: Catalog, engine: Run) -> None:
    source = Source("a")
    source.schedule = Schedule()
    rounds = engine(source)

    await rounds.step()
    catalog.clock.advance(1_000_000)
    await rounds.step()
    assert source.asked == []
    assert await catalog.database.run(lambda tx: ingestions.trigger(tx, "cmdb"))
    await rounds.step()

    assert source.asked == [None]
    assert (await stand(catalog)).next_at == ingestions.NEVER
    assert not await catalog.database.run(lambda tx: ingestions.trigger(tx, "nobody"))


async def test_a_page_that_takes_too_long_is_given_up(catalog: Catalog, engine: Run) -> None:
    source = Source("a")
    source.schedule = Schedule(every=60, timeout=0.01)
    source.gate.clear()

    await engine(source).step()

    assert "TimeoutError" in ((await stand(catalog)).error or "")


async def test_a_source_that_says_when_it_takes_requests_again_is_left_alone_until_then(
    catalog: Catalog, engine: Run
) -> None:
    source = Source("a")
    exhausted = Unreadable("the budget is used up")
    exhausted.retry_at = catalog.clock.now() + dt.timedelta(minutes=30)
    source.error = exhausted

    assert await engine(source).step() == 1800.0


@pytest.mark.parametrize("pages", [1, 2])
async def test_what_a_delta_brings_while_a_round_is_under_way_is_not_withdrawn_at_its_end(
    catalog: Catalog, engine: Run, pages: int
) -> None:
    source = Source(*"ab"[:pages])
    rounds = engine(source)
    connection = Connection(catalog.database, "cmdb")
    source.gate.clear()
    asking = asyncio.create_task(rounds.step())
    while not source.asked:
        await SystemClock().sleep(0)

    await connection.apply(Delta(added=offered(component("new"))))
    source.gate.set()
    await asking
    for _ in range(pages - 1):
        await rounds.step()
    await catalog.settle()
    assert "component:default/new" in catalog.refs()

    catalog.clock.advance(REST)
    for _ in range(pages):
        await rounds.step()
    await catalog.settle()
    assert "component:default/new" not in catalog.refs()

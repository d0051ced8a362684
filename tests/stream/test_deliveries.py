"""What engines bring to sinks."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from callboard.errors import Gone, NotAllowed, Unavailable
from callboard.extend import Event, EventSink, SinkTarget
from callboard.metrics import Metrics
from callboard.model import json
from callboard.model.predicates import Equals
from callboard.store.database import Database
from callboard.store.subscriptions import State
from callboard.stream import deliveries, subscriptions
from callboard.stream.deliveries import Deliveries, DeliveryOptions
from callboard.stream.subscriptions import Caller, Known, Sinking, Wanted
from callboard.testing import FakeClock
from tests.stream.publishing import bury, forget, publish, ref_of, retract

ME = Caller(name=None)


@dataclass(slots=True)
class Memory:
    """Sinks that remember what they were given, or fail as a test wants it."""

    type: str = "memory"
    options: Sequence[str] = ()
    batches: list[list[Event]] = field(default_factory=list)
    failing: Callable[[], None] = lambda: None
    closed: int = 0

    def check(self, target: SinkTarget) -> None:
        """Anything goes."""

    def open(self, target: SinkTarget) -> EventSink:
        """All of them are one."""
        return self

    async def deliver(self, batch: Sequence[Event]) -> None:
        """Remember the batch."""
        self.failing()
        self.batches.append(list(batch))

    async def close(self) -> None:
        """Count it."""
        self.closed += 1

    @property
    def told(self) -> list[tuple[int, str, str]]:
        """What has come in."""
        return [(each.offset, each.type, each.ref.partition("/")[2]) for batch in self.batches for each in batch]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def deliveries_of(database: Database, clock: FakeClock, memory: Memory, **options: int) -> Deliveries:
    return Deliveries(
        database=database,
        clock=clock,
        metrics=Metrics(),
        kinds={"memory": memory},
        options=DeliveryOptions(**options),  # type: ignore[arg-type]
    )


@pytest.fixture
def engine(database: Database, clock: FakeClock, memory: Memory) -> Deliveries:
    return deliveries_of(database, clock, memory)


async def subscribe(database: Database, wanted: Wanted | None = None, *, start: int | str = 0) -> None:
    sinking = Sinking(options={"type": "memory"}, check=lambda _secrets: None)
    await subscriptions.put(database, "hook", ME, wanted or Wanted(), start=start, sinking=sinking)


async def known(database: Database) -> Known:
    return await subscriptions.get(database, "hook", ME)


async def work(engine: Deliveries) -> None:
    await engine.step()
    await engine.settle()


class Killed(BaseException):
    """Nobody catches it, as nobody does anything after a SIGKILL."""


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


async def test_everything_arrives_in_order(database: Database, engine: Deliveries, memory: Memory) -> None:
    await subscribe(database)
    await publish(database, "a")
    await publish(database, "b")
    await publish(database, "a", owner="x")
    await retract(database, "b")

    await work(engine)

    assert memory.told == [(1, "added", "a"), (2, "added", "b"), (3, "updated", "a"), (4, "removed", "b")]
    assert memory.batches[0][-1].entity is None
    assert ((await known(database)).subscription.offset, (await known(database)).lag) == (4, 0)


async def test_who_begins_at_the_head_is_told_each_single_change(
    database: Database, engine: Deliveries, memory: Memory
) -> None:
    await publish(database, "old")
    await subscribe(database, start="now")
    for owner in "xyz":
        await publish(database, "a", owner=owner)

    await work(engine)

    assert memory.told == [(2, "added", "a"), (3, "updated", "a"), (4, "updated", "a")]


async def test_a_long_way_is_gone_in_batches(database: Database, clock: FakeClock, memory: Memory) -> None:
    await subscribe(database)
    for n in range(7):
        await publish(database, f"c{n}")

    await work(deliveries_of(database, clock, memory, batch=3))

    assert [len(batch) for batch in memory.batches] == [3, 3, 1]
    assert [offset for offset, _, _ in memory.told] == [1, 2, 3, 4, 5, 6, 7]


async def test_what_was_not_taken_comes_again_and_nothing_before_it(
    database: Database, clock: FakeClock, engine: Deliveries, memory: Memory
) -> None:
    await subscribe(database, start="now")
    await publish(database, "a")
    memory.failing = raising(RuntimeError("down"))
    await work(engine)
    failed = (await known(database)).subscription
    memory.failing = lambda: None
    await publish(database, "b")
    await work(engine)
    too_early = list(memory.told)
    clock.advance(2)
    await work(engine)

    assert (failed.offset, failed.attempts, failed.error) == (0, 1, "RuntimeError: down")
    assert too_early == []
    assert memory.told == [(1, "added", "a"), (2, "added", "b")]
    assert (await known(database)).subscription.error is None


async def test_a_receiver_that_asks_for_time_gets_it(
    database: Database, clock: FakeClock, engine: Deliveries, memory: Memory
) -> None:
    busy = Unavailable("429")
    busy.retry_after = 600
    memory.failing = raising(busy)
    await subscribe(database)
    await publish(database, "a")

    await work(engine)

    assert (await known(database)).subscription.next_at == clock.now() + dt.timedelta(seconds=600)


async def test_a_receiver_that_is_gone_is_dead_at_once(database: Database, engine: Deliveries, memory: Memory) -> None:
    memory.failing = raising(Gone("410"))
    await subscribe(database)
    await publish(database, "a")

    await work(engine)

    found = (await known(database)).subscription
    assert (found.state, found.error, found.offset) == (State.DEAD, "410", 0)


async def test_a_receiver_that_fails_for_days_is_dead_and_can_be_revived(
    database: Database, clock: FakeClock, engine: Deliveries, memory: Memory
) -> None:
    memory.failing = raising(NotAllowed("inside"))
    await subscribe(database)
    await publish(database, "a")
    states = []
    for _ in range(5):
        await work(engine)
        states.append((await known(database)).subscription.state)
        clock.advance(86_400)
    memory.failing = lambda: None
    await subscriptions.resume(database, "hook", ME)
    await work(engine)

    assert states == ["active", "active", "active", "dead", "dead"]
    assert memory.told == [(1, "added", "a")]


async def test_after_a_seek_it_comes_again(database: Database, engine: Deliveries, memory: Memory) -> None:
    await subscribe(database, start="now")
    await publish(database, "a")
    await publish(database, "b")
    await work(engine)

    await subscriptions.seek(database, "hook", ME, 1)
    await work(engine)

    assert [offset for offset, _, _ in memory.told] == [1, 2, 2]
    # The one sink of the old generation was let go of.
    assert memory.closed == 1


async def test_a_sink_is_let_go_of_when_nothing_was_delivered_for_a_while(
    database: Database, clock: FakeClock, engine: Deliveries, memory: Memory
) -> None:
    await subscribe(database)
    await publish(database, "a")
    await work(engine)

    closed = []
    for seconds in (0, 59, 1, 60):
        clock.advance(seconds)
        await engine.renew()
        closed.append(memory.closed)
    await publish(database, "b")
    await work(engine)

    assert closed == [0, 0, 1, 1]
    assert memory.told == [(1, "added", "a"), (2, "added", "b")]


async def test_what_leaves_the_filter_is_a_tombstone(database: Database, engine: Deliveries, memory: Memory) -> None:
    await subscribe(database, Wanted(filters=["spec.owner=x"], fields=["metadata.name"]), start="now")
    await publish(database, "a", owner="x")
    await publish(database, "b", owner="y")
    await publish(database, "a", owner="y")

    await work(engine)

    [first, last] = memory.batches[0]
    assert (first.ref, first.entity) == (ref_of("a"), b'{"metadata":{"name":"a"}}')
    assert (last.offset, last.type, last.left_filter, last.entity) == (3, "removed", True, None)


async def test_what_is_filtered_out_moves_the_cursor_and_asks_nobody(
    database: Database, engine: Deliveries, memory: Memory
) -> None:
    await subscribe(database, Wanted(filters=["spec.owner=nobody"]))
    await publish(database, "a")

    await work(engine)

    assert (memory.batches, (await known(database)).subscription.offset) == ([], 1)


async def test_a_sink_is_told_what_its_owner_was_permitted(
    database: Database, engine: Deliveries, memory: Memory
) -> None:
    sinking = Sinking(options={"type": "memory"}, permitted=Equals("spec.owner", "x"), check=lambda _secrets: None)
    await subscriptions.put(database, "hook", ME, Wanted(), start=0, sinking=sinking)
    await publish(database, "a", owner="x")
    await publish(database, "b", owner="y")

    await work(engine)

    assert memory.told == [(1, "added", "a")]


async def test_a_sink_that_was_away_too_long_is_dead_and_begins_anew_by_a_seek(
    database: Database, engine: Deliveries, memory: Memory
) -> None:
    await subscribe(database)
    for name in "abc":
        await publish(database, name)
    await work(engine)
    await subscriptions.pause(database, "hook", ME)
    await publish(database, "a", owner="x")
    await publish(database, "d")
    await forget(database, 5)
    await bury(database, 5)
    await subscriptions.resume(database, "hook", ME)
    await work(engine)
    dead = (await known(database)).subscription
    memory.batches.clear()

    await subscriptions.seek(database, "hook", ME, 0)
    await work(engine)

    assert dead.state is State.DEAD
    assert "are forgotten" in str(dead.error)
    assert [name for _, _, name in memory.told] == ["b", "c", "a", "d"]


async def test_a_sink_below_the_history_floor_is_told_each_entity_once(
    database: Database, engine: Deliveries, memory: Memory
) -> None:
    await publish(database, "z")
    await subscribe(database, Wanted(filters=["spec.owner=x"]), start="now")
    await publish(database, "a", owner="x")
    await work(engine)
    await publish(database, "a", owner="y")
    await publish(database, "a", owner="z")
    await publish(database, "b", owner="x")
    await forget(database, 5)

    await work(engine)

    assert memory.told == [(2, "added", "a"), (4, "removed", "a"), (5, "added", "b")]
    assert not (await known(database)).subscription.compacted


async def test_a_second_engine_goes_on_when_the_first_has_died_in_the_middle(
    database: Database, clock: FakeClock, memory: Memory
) -> None:
    first, second = (deliveries_of(database, clock, memory, batch=1) for _ in range(2))
    await subscribe(database, start="now")
    for name in "abc":
        await publish(database, name)
    # The first one delivers and dies before it can say so.
    memory.failing = raising(Killed())
    with pytest.raises(Killed):
        await work(first)
    memory.failing = lambda: None
    await work(second)
    meanwhile = list(memory.told)
    clock.advance(15)
    await work(second)

    assert meanwhile == []
    assert [offset for offset, _, _ in memory.told] == [1, 2, 3]


async def test_an_engine_counts_what_it_delivers_for_among_the_readers(
    database: Database, engine: Deliveries, memory: Memory
) -> None:
    counted = []

    def readers() -> float:
        value = engine.metrics.registry.get_sample_value("callboard_stream_readers", {"form": "delivery"})
        assert value is not None
        return value

    memory.failing = lambda: counted.append(readers())
    await subscribe(database)
    await publish(database, "a")

    await work(engine)

    assert (counted, readers()) == ([1], 0)


async def test_nobody_delivers_what_an_engine_of_another_release_can(database: Database, engine: Deliveries) -> None:
    sinking = Sinking(options={"type": "pigeon"}, check=lambda _secrets: None)
    await subscriptions.put(database, "hook", ME, Wanted(), start=0, sinking=sinking)
    await publish(database, "a")

    await work(engine)

    found = (await known(database)).subscription
    assert (found.state, found.error) == (State.ACTIVE, "there are no sinks of the type pigeon")


@pytest.mark.parametrize(("attempts", "shortest", "longest"), [(1, 0.5, 1), (5, 8, 16), (50, 1_800, 3_600)])
def test_pauses_grow_up_to_an_hour(attempts: int, shortest: float, longest: float) -> None:
    assert shortest <= deliveries.pause_after(attempts, RuntimeError()) <= longest


def test_nobody_is_made_to_wait_for_longer_than_a_day() -> None:
    for_ever = Unavailable("503")
    for_ever.retry_after = 1e9

    assert deliveries.pause_after(1, for_ever) == 86_400


def test_a_target_does_not_tell_its_secrets() -> None:
    target = SinkTarget(subscription="hook", generation=1, options={"type": "webhook"}, secrets=["whsec_x"])

    assert "whsec_x" not in f"{target!r} {target} {json.encode(target.options)!r}"

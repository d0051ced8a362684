"""Handlers of plugins: told of each change, in order, and again when they fail."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from callboard.errors import Conflict, Gone, InvalidInput, NotAllowed
from callboard.extend import Event, Plugin
from callboard.extend.handlers import Start
from callboard.metrics import Metrics
from callboard.store.database import Database
from callboard.store.subscriptions import State
from callboard.stream import subscriptions
from callboard.stream.deliveries import Deliveries, DeliveryOptions
from callboard.stream.handlers import TYPE, Handlers
from callboard.stream.subscriptions import Caller, Known, Wanted
from callboard.testing import FakeClock
from tests.stream.publishing import publish, retract

OPERATOR = Caller(name="user:default/olga", operator=True)
NAME = "plugin:notices.tell"

Told = list[tuple[int, str, str]]


class Engine:
    """An engine with these plugins, as far as events are concerned."""

    def __init__(self, database: Database, clock: FakeClock, *plugins: Plugin, batch: int = 100) -> None:
        self.handlers = Handlers(database=database, clock=clock, plugins=plugins)
        self.deliveries = Deliveries(
            database=database,
            clock=clock,
            metrics=Metrics(),
            kinds={TYPE: self.handlers.kind},
            handlers=self.handlers.names,
            options=DeliveryOptions(batch=batch),
        )

    async def work(self) -> None:
        """Do what there is to do."""
        await self.handlers.attend()
        await self.deliveries.step()
        await self.deliveries.settle()


def line(event: Event) -> tuple[int, str, str]:
    return event.offset, event.type, event.ref.partition("/")[2]


def notices(told: Told, *, filter: str = "", start: Start = 0) -> Plugin:  # noqa: A002 - the word of the API
    """A plugin whose only handler writes down what it is told."""
    plugin = Plugin("notices")

    @plugin.on_event(filter=filter, start=start)
    async def tell(event: Event) -> None:
        told.append(line(event))

    return plugin


async def known(database: Database, name: str = NAME) -> Known:
    return await subscriptions.get(database, name, OPERATOR)


@pytest.fixture
def told() -> Told:
    return []


async def test_a_handler_is_told_each_change_in_order(database: Database, clock: FakeClock, told: Told) -> None:
    engine = Engine(database, clock, notices(told))
    await engine.handlers.attend()
    await publish(database, "a")
    await publish(database, "b")
    await publish(database, "a", owner="x")
    await retract(database, "b")

    await engine.work()

    assert told == [(1, "added", "a"), (2, "added", "b"), (3, "updated", "a"), (4, "removed", "b")]


async def test_a_handler_that_begins_now_is_not_told_of_the_past(
    database: Database, clock: FakeClock, told: Told
) -> None:
    await publish(database, "old")
    engine = Engine(database, clock, notices(told, start="now"))
    await engine.work()
    await publish(database, "new")

    await engine.work()

    assert told == [(2, "added", "new")]


async def test_the_next_engine_goes_on_where_the_last_one_was(database: Database, clock: FakeClock, told: Told) -> None:
    await publish(database, "a")
    await Engine(database, clock, notices(told)).work()
    await publish(database, "b")

    await Engine(database, clock, notices(told)).work()

    assert told == [(1, "added", "a"), (2, "added", "b")]


async def test_a_handler_that_fails_is_told_the_same_again_and_nothing_before_it(
    database: Database, clock: FakeClock, told: Told
) -> None:
    plugin, failures = Plugin("notices"), [RuntimeError("the printer is out of paper")]

    @plugin.on_event(start=0)
    async def tell(event: Event) -> None:
        if event.offset == 2 and failures:
            raise failures.pop()
        told.append(line(event))

    engine = Engine(database, clock, plugin)
    for name in "abc":
        await publish(database, name)
    await engine.work()
    failed = (await known(database)).subscription
    clock.advance(2)
    await engine.work()

    assert (failed.offset, failed.attempts, failed.error) == (1, 1, "RuntimeError: the printer is out of paper")
    assert [offset for offset, _, _ in told] == [1, 2, 3]
    assert (await known(database)).lag == 0


async def test_a_handler_that_says_gone_is_not_called_any_more(database: Database, clock: FakeClock) -> None:
    plugin = Plugin("notices")

    @plugin.on_event(start=0)
    async def tell(event: Event) -> None:
        raise Gone("nobody reads this any more")

    engine = Engine(database, clock, plugin)
    await publish(database, "a")

    await engine.work()

    found = (await known(database)).subscription
    assert (found.state, found.error) == (State.DEAD, "nobody reads this any more")


async def test_a_plain_function_does_not_keep_the_engine_from_working(
    database: Database, clock: FakeClock, told: Told
) -> None:
    plugin, goes_on = Plugin("notices"), threading.Event()

    @plugin.on_event(start=0)
    def tell(event: Event) -> None:
        assert goes_on.wait(30)
        told.append(line(event))

    engine = Engine(database, clock, plugin)
    await publish(database, "a")
    await engine.handlers.attend()
    await engine.deliveries.step()
    # Only who is not kept waiting comes here.
    goes_on.set()
    await engine.deliveries.settle()

    assert told == [(1, "added", "a")]


async def test_an_engine_that_stops_waits_for_a_thread_before_another_engine_may_go_on(
    database: Database, clock: FakeClock, told: Told
) -> None:
    plugin, begun, goes_on = Plugin("notices"), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @plugin.on_event(start=0)
    def tell(event: Event) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert goes_on.wait(30)
        told.append(line(event))

    engine = Engine(database, clock, plugin)
    await publish(database, "a")
    await engine.handlers.attend()
    running = asyncio.create_task(engine.deliveries.run())
    await begun.wait()
    engine.deliveries.loop.stop()
    while not engine.deliveries._tasks[NAME].cancelling():
        await clock.sleep(0)
    held = (await known(database)).subscription.holder
    goes_on.set()
    await running

    assert held == engine.deliveries.holder
    assert (await known(database)).subscription.holder is None
    assert told == [(1, "added", "a")]


async def test_a_handler_may_take_several_at_once(database: Database, clock: FakeClock) -> None:
    plugin, sizes = Plugin("notices"), []

    @plugin.on_events(start=0)
    async def tell(events: Sequence[Event]) -> None:
        sizes.append(len(events))

    for n in range(5):
        await publish(database, f"c{n}")

    await Engine(database, clock, plugin, batch=3).work()

    assert sizes == [3, 2]


async def test_an_event_has_the_entity_as_an_object(database: Database, clock: FakeClock) -> None:
    plugin, owners = Plugin("notices"), []

    @plugin.on_event(start=0, fields="spec.owner")
    async def tell(event: Event) -> None:
        owners.append(event.decoded())

    engine = Engine(database, clock, plugin)
    await engine.handlers.attend()
    await publish(database, "a", owner="x")
    await retract(database, "a")

    await engine.work()

    assert owners == [{"spec": {"owner": "x"}}, None]


async def test_what_leaves_the_filter_is_told_as_removed(database: Database, clock: FakeClock, told: Told) -> None:
    engine = Engine(database, clock, notices(told, filter="spec.owner=x"))
    await engine.handlers.attend()
    await publish(database, "a", owner="x")
    await publish(database, "b", owner="y")
    await publish(database, "a", owner="y")

    await engine.work()

    assert told == [(1, "added", "a"), (3, "removed", "a")]


async def test_another_filter_takes_effect_where_the_handler_stands(
    database: Database, clock: FakeClock, told: Told
) -> None:
    await publish(database, "a", owner="x")
    await Engine(database, clock, notices(told, filter="spec.owner=x")).work()
    await publish(database, "b", owner="x")
    await publish(database, "c", owner="y")

    await Engine(database, clock, notices(told, filter="spec.owner=y")).work()

    assert told == [(1, "added", "a"), (3, "added", "c")]
    assert Wanted.parse((await known(database)).subscription.wanted).filters == ["spec.owner=y"]


async def test_an_engine_without_the_handler_leaves_its_subscription_alone(
    database: Database, clock: FakeClock, told: Told
) -> None:
    has, has_not = Engine(database, clock, notices(told)), Engine(database, clock)
    await has.handlers.attend()
    await publish(database, "a")

    await has_not.work()
    untouched = (await known(database)).subscription
    await has.work()

    assert (untouched.attempts, untouched.error, untouched.offset) == (0, None, 0)
    assert told == [(1, "added", "a")]


async def test_a_handler_that_is_gone_is_shown_and_goes_on_when_it_is_back(
    database: Database, clock: FakeClock, told: Told
) -> None:
    await Engine(database, clock, notices(told)).work()
    present = await known(database)
    clock.advance(15)
    await publish(database, "a")
    await Engine(database, clock).work()
    missing = await known(database)

    await Engine(database, clock, notices(told)).work()

    assert (present.connected, missing.connected, missing.lag) == (True, False, 1)
    assert told == [(1, "added", "a")]


async def test_only_an_operator_may_move_a_handler_and_nobody_reads_in_its_place(
    database: Database, clock: FakeClock, told: Told
) -> None:
    await publish(database, "a")
    engine = Engine(database, clock, notices(told))
    await engine.work()
    namesake = Caller(name="plugin:notices")

    await subscriptions.seek(database, NAME, OPERATOR, 0)
    await engine.work()

    assert told == [(1, "added", "a"), (1, "added", "a")]
    assert await subscriptions.every(database, namesake) == []
    with pytest.raises(NotAllowed, match="belongs to plugin:notices"):
        await subscriptions.seek(database, NAME, namesake, 0)
    with pytest.raises(NotAllowed):
        await subscriptions.put(database, NAME, OPERATOR, Wanted(), start=0, sinking=None)


async def test_a_paused_handler_stays_so_when_an_engine_starts(
    database: Database, clock: FakeClock, told: Told
) -> None:
    await Engine(database, clock, notices(told)).work()
    await subscriptions.pause(database, NAME, OPERATOR)
    await publish(database, "a")

    await Engine(database, clock, notices(told)).work()

    assert (told, (await known(database)).subscription.state) == ([], State.PAUSED)


async def test_a_handler_can_be_forgotten_when_no_engine_has_it(
    database: Database, clock: FakeClock, told: Told
) -> None:
    await Engine(database, clock, notices(told)).work()
    with pytest.raises(Conflict, match="a handler that engines have"):
        await subscriptions.remove(database, NAME, OPERATOR)
    clock.advance(15)

    await subscriptions.remove(database, NAME, OPERATOR)

    assert await subscriptions.every(database, OPERATOR) == []


def test_a_handler_has_a_name_of_its_own_in_its_plugin() -> None:
    plugin = notices([])

    with pytest.raises(ValueError, match="notices has another one called 'tell'"):

        @plugin.on_event()
        async def tell(event: Event) -> None: ...


def test_a_handler_of_everything_needs_no_more_words() -> None:
    plugin = Plugin("notices")

    @plugin.on_event
    async def tell(event: Event) -> None: ...

    @plugin.on_events
    def tell_several(events: Sequence[Event]) -> None: ...

    assert [(handler.function, handler.takes_several) for handler in plugin.handlers] == [
        (tell, False),
        (tell_several, True),
    ]
    assert [(handler.name, handler.filters) for handler in plugin.handlers] == [("tell", ()), ("tell_several", ())]


def test_a_filter_that_means_nothing_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidInput, match="Invalid field"):
        Plugin("notices").on_event(fields="metadata[0]")(print)


def test_a_word_that_is_not_known_is_refused() -> None:
    misspelt: dict[str, Any] = {"filters": "kind=api"}

    with pytest.raises(TypeError, match="nothing but filter, query, fields, start, name to be said of a handler, got"):
        Plugin("notices").on_event(**misspelt)(print)


@pytest.mark.parametrize("name", ["", "a.b", "über", "a" * 64, "-a"])
def test_the_name_of_a_plugin_has_its_form(name: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a plugin"):
        Plugin(name)

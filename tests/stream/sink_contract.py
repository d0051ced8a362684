"""What every sink must do, whatever it delivers to. The tests of a sink inherit these, and bring its real receiver."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Protocol

import pytest

from callboard.errors import CallboardError
from callboard.extend import Event, EventSink
from callboard.model import json
from tests.brokers.relay import Relay

AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


class Receiving(Protocol):
    """The far end of a sink."""

    def sink(self) -> EventSink:
        """A new sink that delivers to it."""
        ...

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        """Key, offset and body of everything that it has for good, in its order for each key; None is a tombstone."""
        ...

    async def refuse(self) -> None:
        """Take nothing from now on."""
        ...

    async def recover(self) -> None:
        """Take everything again."""
        ...

    @property
    def relay(self) -> Relay:
        """What is between the sink and it."""
        ...


def event(offset: int, name: str, *, title: str | None = None, gone: bool = False) -> Event:
    """A change of a component."""
    return Event(
        epoch="e",
        offset=offset,
        type="removed" if gone else "updated",
        ref=f"component:default/{name}",
        uid=f"uid-{name}",
        at=AT,
        entity=None if gone else json.encode({"kind": "Component", "metadata": {"name": name, "title": title}}),
        cause='{"source":"provider:p"}',
    )


def changes(count: int, *, names: int) -> list[Event]:
    """So many changes, in turn of so many components. The first offset is 2."""
    return [event(number, f"c{number % names}", title=f"{number} " * 50) for number in range(2, count + 2)]


def by_key(received: list[tuple[str, int, bytes | None]]) -> dict[str, list[int]]:
    """The offsets of each entity, in the order in which they came."""
    found: dict[str, list[int]] = {}
    for ref, offset, _ in received:
        found.setdefault(ref, []).append(offset)
    return found


def assert_exactly(received: list[tuple[str, int, bytes | None]], batch: Sequence[Event]) -> None:
    """All of *batch* is there, once, and of each entity in its order."""
    assert sorted(received, key=lambda each: each[1]) == told(batch)
    assert by_key(received) == by_key(told(batch))


def assert_told(received: list[tuple[str, int, bytes | None]], batch: Sequence[Event]) -> None:
    """All of *batch* is there, of each entity in its order, and the latest last, though some came more than once."""
    expected = by_key(told(batch))
    found = by_key(received)
    assert {ref: list(dict.fromkeys(offsets)) for ref, offsets in found.items()} == expected
    assert {ref: offsets[-1] for ref, offsets in found.items()} == {ref: each[-1] for ref, each in expected.items()}


def told(events: Sequence[Event]) -> list[tuple[str, int, bytes | None]]:
    """What of *events* the receiver must have."""
    return [(each.ref, each.offset, each.entity) for each in events]


class SinkContract:
    """Inherited by the tests of each sink, which bring the fixture `receiving`."""

    LARGE = 500
    MANY = 200
    """Events in a batch. A receiver that is slow by nature has fewer."""

    async def test_events_arrive_in_their_order_with_their_key(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(1, "a"), event(2, "b"), event(5, "a", title="again")]

        await sink.deliver(batch)
        await sink.close()

        assert_exactly(await receiving.received(), batch)

    async def test_a_removal_is_a_tombstone(self, receiving: Receiving) -> None:
        sink = receiving.sink()

        await sink.deliver([event(1, "a"), event(2, "a", gone=True)])
        await sink.close()

        assert [body is None for _, _, body in await receiving.received()] == [False, True]

    async def test_every_character_arrives_as_it_is(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(1, "a", title='naïve "quotes" \\ \u2028 🎭 \n')]

        await sink.deliver(batch)
        await sink.close()

        assert_exactly(await receiving.received(), batch)

    async def test_a_large_batch_arrives_as_a_whole(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(n, f"c{n % 100}", title="x" * 2_000) for n in range(1, self.LARGE + 1)]

        await sink.deliver(batch)
        await sink.close()

        assert_exactly(await receiving.received(), batch)

    async def test_what_is_not_taken_is_an_error_and_may_be_delivered_again(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(1, "a"), event(2, "b")]
        await receiving.refuse()
        with pytest.raises(CallboardError):
            await sink.deliver(batch)
        nothing = await receiving.received()

        await receiving.recover()
        await sink.deliver(batch)
        await sink.close()

        assert nothing == []
        assert_exactly(await receiving.received(), batch)

    async def test_a_batch_is_not_delivered_before_the_receiver_says_so(self, receiving: Receiving) -> None:
        sink = receiving.sink()
        await sink.deliver([event(1, "a")])
        receiving.relay.hold()

        delivering = asyncio.create_task(sink.deliver([event(2, "a")]))
        await receiving.relay.until_held()
        waiting = not delivering.done()
        receiving.relay.recover()
        await delivering
        await sink.close()

        assert waiting
        assert [offset for _, offset, _ in await receiving.received()] == [1, 2]

    @pytest.mark.parametrize("share", [0.3, 0.9])
    async def test_nothing_is_lost_when_the_receiver_is_gone_in_the_middle_of_a_batch(
        self, receiving: Receiving, share: float
    ) -> None:
        sink, batch = receiving.sink(), changes(self.MANY, names=self.MANY // 5)
        await sink.deliver([event(1, "first")])
        receiving.relay.break_after(int(share * sum(len(each.entity or b"") for each in batch)))

        with pytest.raises(CallboardError):
            await sink.deliver(batch)
        receiving.relay.recover()
        await sink.deliver(batch)
        await sink.close()

        assert_told([each for each in await receiving.received() if each[0] != "component:default/first"], batch)

    async def test_what_was_taken_without_an_answer_may_come_again_and_ends_with_the_latest(
        self, receiving: Receiving
    ) -> None:
        sink, batch = receiving.sink(), changes(50, names=10)
        await sink.deliver([event(1, "first")])
        receiving.relay.lose_answers()

        with pytest.raises(CallboardError):
            await sink.deliver(batch)
        receiving.relay.recover()
        await sink.deliver(batch)
        await sink.close()

        assert_told([each for each in await receiving.received() if each[0] != "component:default/first"], batch)

    async def test_another_sink_goes_on_where_one_was_closed(self, receiving: Receiving) -> None:
        first, second = receiving.sink(), receiving.sink()

        await first.deliver([event(1, "a")])
        await first.close()
        await second.deliver([event(2, "a")])
        await second.close()

        assert [offset for _, offset, _ in await receiving.received()] == [1, 2]

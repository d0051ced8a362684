"""What every sink must do, whatever it delivers to. The tests of a sink inherit these, and bring its real receiver."""

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

import pytest

from callboard.errors import CallboardError
from callboard.extend import Event, EventSink
from callboard.model import json

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


def told(events: Sequence[Event]) -> list[tuple[str, int, bytes | None]]:
    """What of *events* the receiver must have."""
    return [(each.ref, each.offset, each.entity) for each in events]


class SinkContract:
    """Inherited by the tests of each sink, which bring the fixture `receiving`."""

    async def test_events_arrive_in_their_order_with_their_key(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(1, "a"), event(2, "b"), event(5, "a", title="again")]

        await sink.deliver(batch)
        await sink.close()

        assert await receiving.received() == told(batch)

    async def test_a_removal_is_a_tombstone(self, receiving: Receiving) -> None:
        sink = receiving.sink()

        await sink.deliver([event(1, "a"), event(2, "a", gone=True)])
        await sink.close()

        assert [body is None for _, _, body in await receiving.received()] == [False, True]

    async def test_every_character_arrives_as_it_is(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(1, "a", title='naïve "quotes" \\ \u2028 🎭 \n')]

        await sink.deliver(batch)
        await sink.close()

        assert await receiving.received() == told(batch)

    async def test_a_large_batch_arrives_as_a_whole(self, receiving: Receiving) -> None:
        sink, batch = receiving.sink(), [event(n, f"c{n % 100}", title="x" * 2_000) for n in range(1, 501)]

        await sink.deliver(batch)
        await sink.close()

        assert sorted(await receiving.received(), key=lambda each: each[1]) == told(batch)

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
        assert await receiving.received() == told(batch)

    async def test_another_sink_goes_on_where_one_was_closed(self, receiving: Receiving) -> None:
        first, second = receiving.sink(), receiving.sink()

        await first.deliver([event(1, "a")])
        await first.close()
        await second.deliver([event(2, "a")])
        await second.close()

        assert [offset for _, offset, _ in await receiving.received()] == [1, 2]

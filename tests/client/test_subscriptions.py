"""Subscriptions through both faces of the client, against the real API."""

import msgspec
import pytest

from callboard.client import Sink
from callboard.errors import Conflict, LeaseLost, NotFound, OffsetInTheFuture
from tests.client.test_faces import Face, face

__all__ = ["face"]


async def test_a_consumer_reads_and_acknowledges(face: Face) -> None:
    made = await face.ask("put_subscription", "copy", filters={"kind": "component"})
    batch = await face.ask("read_subscription", "copy", limit=2)
    cursor = await face.ask("ack_subscription", "copy", batch.lease, batch.next_offset)
    rest = await face.ask("read_subscription", "copy", lease=batch.lease)

    assert (made.state, made.lag, made.filter, made.sink) == ("active", 3, ["kind=component"], None)
    assert [event.offset for event in batch.events] == [1, 2]
    assert (cursor, [event.offset for event in rest.events], rest.caught_up) == (2, [3], True)


async def test_a_second_consumer_is_told_that_it_is_held(face: Face) -> None:
    await face.ask("put_subscription", "copy")
    first = await face.ask("read_subscription", "copy")
    second = await face.ask("read_subscription", "copy")
    await face.ask("ack_subscription", "copy", first.lease, first.next_offset, release=True)

    assert (second.held, second.lease, second.events) == (True, None, [])
    with pytest.raises(LeaseLost):
        await face.ask("ack_subscription", "copy", first.lease, first.next_offset)


async def test_it_is_paused_resumed_and_moved(face: Face) -> None:
    await face.ask("put_subscription", "copy", start="now")
    paused = await face.ask("pause_subscription", "copy")
    with pytest.raises(Conflict, match="is paused"):
        await face.ask("read_subscription", "copy")
    resumed = await face.ask("resume_subscription", "copy")
    moved = await face.ask("seek_subscription", "copy", 1)
    with pytest.raises(OffsetInTheFuture):
        await face.ask("seek_subscription", "copy", 1_000)

    assert (paused.state, resumed.state, moved.cursor, moved.lag) == ("paused", "active", 1, 2)


async def test_it_is_listed_and_forgotten(face: Face) -> None:
    await face.ask("put_subscription", "copy")
    listed = await face.ask("get_subscriptions")
    await face.ask("delete_subscription", "copy")

    assert [each.name for each in listed] == ["copy"]
    with pytest.raises(NotFound):
        await face.ask("get_subscription", "copy")


@pytest.mark.parametrize(
    ("told", "destination"),
    [
        ({"type": "webhook", "url": "https://r/", "secretCount": 1}, "https://r/"),
        ({"type": "nats", "broker": "b", "subject": "catalog.{kind}"}, "nats:b/catalog.{kind}"),
        ({"type": "kafka", "broker": "b", "topic": "t"}, "kafka:b/t"),
        ({"type": "rabbit", "broker": "b", "exchange": "e", "routingKey": "k"}, "rabbit:b/e"),
        ({"type": "rabbit", "broker": "b", "routingKey": "k"}, "rabbit:b/k"),
        ({"type": "redis", "broker": "b", "stream": "s", "maxLength": 9}, "redis:b/s"),
        ({"type": "sqs", "broker": "b", "queue": "q.fifo", "ordered": True}, "sqs:b/q.fifo"),
        ({"type": "sns", "broker": "b", "topic": "arn:aws:sns:r:1:t"}, "sns:b/arn:aws:sns:r:1:t"),
    ],
)
def test_a_sink_says_where_it_leads(told: dict[str, object], destination: str) -> None:
    assert msgspec.convert(told, Sink).destination == destination

"""What every sink for a broker must do beside that. The tests of a sink inherit these."""

from typing import Protocol

import pytest

from benchmarks.programs import Program
from callboard.builtin.sinks.brokers import Server
from callboard.builtin.sinks.publishing import BrokerKind, Brokers, kinds
from callboard.errors import Unreadable
from callboard.extend import EventSink, JsonObject, SinkTarget
from tests.stream.sink_contract import Receiving, SinkContract, assert_told, changes, event

SOURCE = "http://catalog/api/catalog"
REF = "http://catalog/api/catalog/entities/by-name/component/default/large"


def sink_of(known: Brokers, options: JsonObject, *, timeout_seconds: float = 3) -> EventSink:
    """A sink as a subscription has it."""
    target = SinkTarget(subscription="s", generation=7, options={"broker": "main", **options})
    kind = kind_of(known, str(options["type"]), timeout_seconds=timeout_seconds)
    kind.check(target)
    return kind.open(target)


def kind_of(known: Brokers, name: str, *, timeout_seconds: float = 3) -> BrokerKind[Server]:
    """The kind of a type of sinks."""
    [kind] = [each for each in kinds(known, SOURCE, timeout_seconds) if each.type == name]
    assert isinstance(kind, BrokerKind)
    return kind


class Far(Receiving, Protocol):
    """The far end of a broker's sink."""

    def limited(self, max_message_bytes: int) -> EventSink:
        """A sink whose messages may have so many bytes."""
        ...

    async def left_out(self) -> dict[str, str]:
        """The `dataref` of each event that has one, by its key."""
        ...


class Durable(Far, Protocol):
    """The far end of a broker that keeps what it has when it is killed."""

    @property
    def server(self) -> Program:
        """The broker."""
        ...


def attributes(prefix: str = "", *, name: str = "a") -> dict[str, str]:
    """Those of the CloudEvent for `event(7, name)`, without its media type."""
    named = {
        "specversion": "1.0",
        "id": "e.7",
        "source": SOURCE,
        "type": "io.callboard.catalog.entity.updated",
        "subject": f"component:default/{name}",
        "time": "2026-01-02T03:04:05+00:00",
        "offset": "7",
        "epoch": "e",
        "uid": f"uid-{name}",
        "cause": '{"source":"provider:p"}',
    }
    return {f"{prefix}{key}": text for key, text in named.items()}


class BrokerContract(SinkContract):
    """Inherited by the tests of each sink for a broker."""

    async def test_an_entity_that_is_too_large_is_left_out_and_marked(self, receiving: Far) -> None:
        sink = receiving.limited(20_000)

        await sink.deliver([event(1, "a"), event(2, "large", title="x" * 30_000), event(3, "b")])
        await sink.close()

        received = await receiving.received()
        assert [(ref.partition("/")[2], bool(body)) for ref, _, body in sorted(received, key=lambda each: each[1])] == [
            ("a", True),
            ("large", False),
            ("b", True),
        ]
        assert [body is None for _, _, body in received] == [False] * 3
        assert await receiving.left_out() == {"component:default/large": REF}


class DurableContract(BrokerContract):
    """Inherited by the tests of sinks for brokers that keep what they have when they are killed."""

    async def test_a_broker_that_is_killed_and_comes_back_has_what_it_has_acknowledged(
        self, receiving: Durable
    ) -> None:
        sink, first, second = receiving.sink(), changes(50, names=10), changes(100, names=10)[50:]
        await sink.deliver(first)
        receiving.server.kill()
        try:
            with pytest.raises(Unreadable):
                await sink.deliver(second)
        finally:
            receiving.server.start()
        await sink.deliver(second)
        await sink.close()

        assert_told(await receiving.received(), [*first, *second])

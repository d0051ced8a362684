"""What every sink for a broker must do beside that. The tests of a sink inherit these."""

from typing import Protocol

from callboard.builtin.sinks.brokers import Server
from callboard.builtin.sinks.publishing import BrokerKind, Brokers, kinds
from callboard.extend import EventSink, JsonObject, SinkTarget
from tests.stream.sink_contract import Receiving, SinkContract, event

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

"""What the sinks for all brokers have in common."""

import sys

import pytest

from benchmarks.launch import free_port
from benchmarks.programs import Program
from callboard.builtin.sinks import messages
from callboard.builtin.sinks.brokers import Broker, NatsServer, UrlServer
from callboard.builtin.sinks.publishing import Brokers, kinds
from callboard.errors import InvalidInput, NotAllowed, Unreadable
from callboard.extend import JsonObject
from tests.builtin.broker_contract import SOURCE, sink_of
from tests.stream.sink_contract import event


def redis(*allow: str) -> Brokers:
    return Brokers(redis={"main": Broker(server=UrlServer("redis://127.0.0.1:1"), allow=allow)})


@pytest.mark.parametrize(
    ("allow", "allowed"),
    [
        (["catalog"], True),
        (["*"], True),
        (["cat*"], True),
        (["*log"], True),
        (["c*t*g"], True),
        (["other", "catalog"], True),
        ([], False),
        (["cat"], False),
        (["cat?log"], False),
        (["Catalog"], False),
        (["catalog*x"], False),
        (["c.talog"], False),
    ],
)
def test_only_places_that_the_configuration_allows_are_delivered_to(allow: list[str], allowed: bool) -> None:
    if allowed:
        sink_of(redis(*allow), {"type": "redis", "stream": "catalog"})
        return
    with pytest.raises(NotAllowed) as raised:
        sink_of(redis(*allow), {"type": "redis", "stream": "catalog"})
    assert str(raised.value) == (
        "Delivering to 'catalog' is not allowed: add it to 'callboard.subscriptions.brokers.main.allow'"
    )


@pytest.mark.parametrize("broker", ["other", None, 3, ""])
def test_a_broker_that_the_configuration_does_not_name_is_refused(broker: object) -> None:
    options: JsonObject = {"type": "redis", "stream": "catalog"}
    with pytest.raises(
        InvalidInput, match=r"must name a broker of 'callboard.subscriptions.brokers' .*; there is main"
    ):
        sink_of(redis("*"), {**options, "broker": broker})  # type: ignore[dict-item]


def test_a_broker_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidInput, match="that a sink of the type kafka can use; there is none"):
        sink_of(redis("*"), {"type": "kafka", "topic": "catalog"})


@pytest.mark.parametrize(
    ("kind", "library", "extra"),
    [
        ("nats", "nats", "nats"),
        ("kafka", "confluent_kafka", "kafka"),
        ("rabbit", "aio_pika", "rabbit"),
        ("redis", "redis", "redis"),
        ("sqs", "aiobotocore", "aws"),
        ("sns", "aiobotocore", "aws"),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    kind: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library is installed here, so the import system has to say that it is not.
    for name in [each for each in sys.modules if each.split(".")[0] == library or each.startswith(_OURS)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    broker = Broker(server=NatsServer(servers=[]), allow=["*"])
    known = Brokers(**{"aws" if kind in ("sqs", "sns") else kind: {"main": broker}})  # type: ignore[arg-type]

    with pytest.raises(InvalidInput) as raised:
        sink_of(known, {"type": kind})

    assert f"sink of the type {kind}: it was installed without callboard[{extra}]" in str(raised.value)


_OURS = tuple(f"callboard.builtin.sinks.{name}" for name in ("nats", "kafka", "rabbit", "redis", "aws", "sqs", "sns"))


def test_no_library_is_loaded_before_it_is_needed() -> None:
    import subprocess

    libraries = "nats", "confluent_kafka", "aio_pika", "redis", "aiobotocore"
    program = f"import sys, callboard.app; print([each for each in {libraries} if each in sys.modules])"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_there_is_a_kind_for_each_broker() -> None:
    found = {kind.type: list(kind.options) for kind in kinds(Brokers(), SOURCE, 20)}

    assert found == {
        "nats": ["broker", "subject"],
        "kafka": ["broker", "topic"],
        "rabbit": ["broker", "exchange", "routingKey"],
        "redis": ["broker", "stream", "maxLength"],
        "sqs": ["broker", "queue", "ordered"],
        "sns": ["broker", "topic", "ordered"],
    }


def test_only_the_first_event_of_an_entity_in_a_batch_has_an_id_that_comes_again() -> None:
    batch = [event(1, "a"), event(2, "b"), event(3, "a")]

    first, second = (messages.written(batch, SOURCE, 7) for _ in range(2))

    assert [each.id for each in first[:2]] == [each.id for each in second[:2]] == ["7.e.1", "7.e.2"]
    assert first[2].id.startswith("7.e.3.")
    assert first[2].id != second[2].id


def test_another_generation_has_other_ids() -> None:
    [first], [second] = (messages.written([event(1, "a")], SOURCE, generation) for generation in (7, 8))

    assert (first.id, second.id) == ("7.e.1", "8.e.1")


def test_a_route_has_the_parts_of_the_ref_without_what_means_something_there() -> None:
    route = messages.routed("catalog.{kind}.{namespace}.{name}", "component:default/a.b*c")

    assert route == "catalog.component.default.a%2Eb%2Ac"


def test_a_tombstone_is_never_too_large() -> None:
    [tombstone] = messages.written([event(1, "a", gone=True)], SOURCE, 7)

    assert messages.fitting([tombstone], 1) == [tombstone]
    assert tombstone.structured.endswith(b',"data":null}')


@pytest.mark.parametrize("kind", ["rabbit", "redis"])
async def test_an_error_tells_where_and_not_with_which_password(kind: str, unused_port: int) -> None:
    scheme = {"rabbit": "amqp", "redis": "redis"}[kind]
    known = {"main": Broker(server=UrlServer(f"{scheme}://me:s3cret@127.0.0.1:{unused_port}/"), allow=["*"])}
    options: JsonObject = {"type": kind, "stream": "a", "routingKey": "a"}

    with pytest.raises(Unreadable, match=str(unused_port)) as raised:
        await sink_of(Brokers(rabbit=known, redis=known), options).deliver([event(1, "a")])

    assert "s3cret" not in str(raised.value)


async def test_a_password_that_is_wrong_is_not_told(rabbit_server: Program) -> None:
    broker = Broker(server=UrlServer(f"amqp://guest:s3cret@127.0.0.1:{rabbit_server.port}/"), allow=["*"])
    sink = sink_of(Brokers(rabbit={"main": broker}), {"type": "rabbit", "routingKey": "a"})

    with pytest.raises(Unreadable, match="ACCESS_REFUSED") as raised:
        await sink.deliver([event(1, "a")])

    assert "s3cret" not in str(raised.value)


@pytest.fixture
def unused_port() -> int:
    """Where nobody listens."""
    return free_port()

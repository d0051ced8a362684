"""The NATS sink, in front of a real server."""

import ssl
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg

from benchmarks import brokers
from benchmarks.programs import Program
from callboard.builtin.sinks.brokers import Broker, NatsServer
from callboard.builtin.sinks.publishing import Brokers
from callboard.errors import InvalidInput, Unreadable
from callboard.extend import EventSink
from tests.brokers.relay import Relay, relay
from tests.builtin.broker_contract import DurableContract, attributes, sink_of
from tests.stream.sink_contract import event


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of its own on the server."""

    server: Program
    relay: Relay
    subject: str

    def sink(self, subject: str = "{kind}.{namespace}.{name}") -> EventSink:
        return self.limited(1_000_000, subject)

    def limited(self, max_message_bytes: int, subject: str = "{name}") -> EventSink:
        server = NatsServer(servers=[f"nats://127.0.0.1:{self.relay.port}"])
        broker = Broker(server=server, allow=[f"{self.subject}.*"], max_message_bytes=max_message_bytes)
        return sink_of(Brokers(nats={"main": broker}), {"type": "nats", "subject": f"{self.subject}.{subject}"})

    async def messages(self) -> list[Msg]:
        """Everything in the stream, in its order."""
        client = await nats.connect(f"nats://127.0.0.1:{self.server.port}")
        try:
            stream = client.jetstream()
            count = (await stream.stream_info(self.subject)).state.messages
            if count == 0:
                return []
            reading = await stream.pull_subscribe(f"{self.subject}.>", stream=self.subject)
            found: list[Msg] = []
            while len(found) < count:
                found += await reading.fetch(count - len(found), timeout=10)
            return found
        finally:
            await client.close()

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        return [
            (
                (headers := message.headers or {})["ce-subject"],
                int(headers["ce-offset"]),
                None if headers["ce-type"].endswith(".removed") else message.data,
            )
            for message in await self.messages()
        ]

    async def left_out(self) -> dict[str, str]:
        found = [message.headers or {} for message in await self.messages()]
        return {headers["ce-subject"]: headers["ce-dataref"] for headers in found if "ce-dataref" in headers}

    async def refuse(self) -> None:
        self.relay.refuse()

    async def recover(self) -> None:
        self.relay.recover()


@pytest.fixture
async def stream(nats_server: Program) -> AsyncIterator[Stream]:
    name = f"s{uuid.uuid4().hex[:8]}"
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
    await client.close()
    async with relay(nats_server.port) as passing:
        yield Stream(nats_server, passing, name)


class TestContract(DurableContract):
    """What every sink must do."""

    @pytest.fixture
    def receiving(self, stream: Stream) -> Stream:
        return stream


async def test_a_message_is_a_cloud_event_with_the_entity_as_its_body(stream: Stream) -> None:
    sink = stream.sink()
    await sink.deliver([event(7, "a.b", title="50% é")])
    await sink.close()

    [message] = await stream.messages()
    assert message.subject == f"{stream.subject}.component.default.a%2Eb"
    assert message.data == event(7, "a.b", title="50% é").entity
    assert message.headers == {
        "Nats-Msg-Id": "7.e.7",
        **attributes("ce-", name="a.b"),
        "content-type": "application/json",
    }


async def test_a_batch_that_comes_again_is_stored_once(stream: Stream) -> None:
    batch = [event(1, "a"), event(2, "b")]
    for _ in range(2):
        sink = stream.sink()
        await sink.deliver(batch)
        await sink.close()

    assert [offset for _, offset, _ in await stream.received()] == [1, 2]


async def test_of_an_entity_that_comes_again_the_latest_is_the_last(stream: Stream) -> None:
    batch = [event(1, "a"), event(2, "a"), event(3, "a")]
    for _ in range(2):
        sink = stream.sink()
        await sink.deliver(batch)
        await sink.close()

    assert [offset for _, offset, _ in await stream.received()] == [1, 2, 3, 2, 3]


async def test_a_server_that_nobody_reaches_is_an_error_that_says_why() -> None:
    known = Brokers(nats={"main": Broker(server=NatsServer(servers=["nats://127.0.0.1:9"]), allow=["*"])})
    sink = sink_of(known, {"type": "nats", "subject": "a"}, timeout_seconds=60)

    with pytest.raises(Unreadable, match="no server could be reached: ConnectionRefusedError"):
        await sink.deliver([event(1, "a")])


async def test_a_subject_that_no_stream_keeps_is_an_error(stream: Stream) -> None:
    server = NatsServer(servers=[f"nats://127.0.0.1:{stream.server.port}"])
    known = Brokers(nats={"main": Broker(server=server, allow=["*"])})
    sink = sink_of(known, {"type": "nats", "subject": "elsewhere"})

    with pytest.raises(Unreadable, match="no stream of JetStream keeps the subject 'elsewhere'"):
        await sink.deliver([event(1, "a")])


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("catalog.>", "must be a subject without wildcards, found 'catalog.>'"),
        ("catalog.*", "must be a subject without wildcards"),
        ("catalog..x", "must be a subject without wildcards"),
        ("a b", "must be a subject without wildcards"),
        ("catalog.{colour}", "may have {kind} and {namespace} and {name} in it, found '{colour}'"),
        ("", "must be string, and not empty"),
        (3, "must be string"),
    ],
)
def test_what_is_no_subject_is_refused(subject: str, message: str) -> None:
    known = Brokers(nats={"main": Broker(server=NatsServer(servers=["nats://127.0.0.1:1"]), allow=["*"])})

    with pytest.raises(InvalidInput) as raised:
        sink_of(known, {"type": "nats", "subject": subject})

    assert message in str(raised.value)


@dataclass(frozen=True, slots=True)
class Locked:
    """A server that talks to who has its certificate and the password, and to nobody else."""

    port: int
    certificate: Path

    def sink(self, **trusted: str | Path) -> EventSink:
        server = NatsServer(servers=[f"tls://localhost:{self.port}"], **trusted)  # type: ignore[arg-type]
        return sink_of(
            Brokers(nats={"main": Broker(server=server, allow=["*"])}), {"type": "nats", "subject": "locked.a"}
        )


_CERTIFYING = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [*_CERTIFYING, "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )
    options = ["--tls", "--tlscert", str(certificate), "--tlskey", str(key), "--user", "me", "--pass", "s3cret"]
    with brokers.nats(*options) as server:
        yield Locked(server.port, certificate)


async def test_who_has_the_certificate_and_the_password_may_publish(locked: Locked) -> None:
    trust = ssl.create_default_context(cafile=str(locked.certificate))
    url = f"tls://localhost:{locked.port}"
    client = await nats.connect(url, tls=trust, user="me", password="s3cret")
    stream = client.jetstream()
    await stream.add_stream(name="locked", subjects=["locked.>"])

    sink = locked.sink(ca=locked.certificate, username="me", password="s3cret")
    await sink.deliver([event(1, "a")])
    await sink.close()

    assert (await stream.stream_info("locked")).state.messages == 1
    await client.close()


async def test_nobody_else_may(locked: Locked) -> None:
    strange = locked.sink(username="me", password="s3cret")
    wrong = locked.sink(ca=locked.certificate, username="me", password="guessed")

    with pytest.raises(Unreadable, match="CERTIFICATE_VERIFY_FAILED"):
        await strange.deliver([event(1, "a")])
    with pytest.raises(Unreadable, match="Authorization Violation") as raised:
        await wrong.deliver([event(1, "a")])

    assert "guessed" not in str(raised.value)

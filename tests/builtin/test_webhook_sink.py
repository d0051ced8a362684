"""The webhook sink, in front of a real web server."""

import base64
import datetime as dt
import hmac
import ipaddress
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx2
import pytest

from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.sinks import webhook
from callboard.builtin.sinks.addresses import Receiver, Receivers, is_private, is_public
from callboard.builtin.sinks.webhook import WebhookKind, retry_after
from callboard.errors import Gone, InvalidInput, NotAllowed, Unavailable, Unreadable
from callboard.extend import EventSink, SinkTarget
from callboard.model import json
from callboard.testing import FakeClock
from tests.brokers.relay import Relay, relay
from tests.flows.receiver import WebhookReceiver, webhook_receiver
from tests.stream.sink_contract import AT, SinkContract, event

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
OLD = "whsec_" + base64.b64encode(b"x" * 64).decode()
LOCAL = (Receiver(AllowedHost("127.0.0.1:1-65535"), private=True),)


def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False)


def kind_of(
    allowed: Sequence[Receiver] = LOCAL,
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    timeout_seconds: float = 20,
) -> WebhookKind:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if names is None:
            return await webhook.resolve(host, port)
        if host not in names:
            raise OSError(-2, "Name or service not known")
        return names[host]

    return WebhookKind(
        receivers=Receivers(allowed, resolve),
        client=client,
        clock=FakeClock(AT),
        source="http://catalog/api/catalog",
        timeout_seconds=timeout_seconds,
    )


def target(url: str, *secrets: str, generation: int = 1) -> SinkTarget:
    options = {"type": "webhook", "url": url}
    return SinkTarget(subscription="hook", generation=generation, options=options, secrets=secrets or (SECRET,))  # type: ignore[arg-type]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@dataclass(frozen=True, slots=True)
class OfWebhooks:
    """The far end, for the contract."""

    receiver: WebhookReceiver
    relay: Relay

    def sink(self) -> EventSink:
        return kind_of(timeout_seconds=3).open(target(f"http://127.0.0.1:{self.relay.port}/hook"))

    async def received(self) -> list[tuple[str, int, bytes | None]]:
        return [
            (each["subject"], int(each["offset"]), None if each["data"] is None else json.encode(each["data"]))
            for each in self.receiver.taken
        ]

    async def refuse(self) -> None:
        self.receiver.answer = lambda _number: (500, {})

    async def recover(self) -> None:
        self.receiver.answer = lambda _number: (204, {})


class TestContract(SinkContract):
    """What every sink must do."""

    @pytest.fixture
    async def receiving(self, receiver: WebhookReceiver) -> AsyncIterator[OfWebhooks]:
        async with relay(receiver.port) as passing:
            yield OfWebhooks(receiver, passing)


async def test_a_batch_is_one_request_of_cloud_events(receiver: WebhookReceiver) -> None:
    await kind_of().open(target(receiver.url("a?b=c"))).deliver([event(7, "a", gone=True)])

    [delivery] = receiver.deliveries
    assert delivery.path == "/a?b=c"
    assert delivery.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert delivery.headers["content-type"] == "application/cloudevents-batch+json"
    assert delivery.events == [
        {
            "specversion": "1.0",
            "id": "e.7",
            "source": "http://catalog/api/catalog",
            "type": "io.callboard.catalog.entity.removed",
            "subject": "component:default/a",
            "time": "2026-01-02T03:04:05+00:00",
            "offset": "7",
            "epoch": "e",
            "uid": "uid-a",
            "cause": '{"source":"provider:p"}',
            "datacontenttype": "application/json",
            "data": None,
        }
    ]


async def test_each_secret_signs(receiver: WebhookReceiver) -> None:
    await kind_of().open(target(receiver.url(), SECRET, OLD)).deliver([event(1, "a")])

    [delivery] = receiver.deliveries
    headers = delivery.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivery.body
    expected = [
        "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        for key in (b"0123456789abcdef01234567", b"x" * 64)
    ]
    assert headers["webhook-signature"].split(" ") == expected
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))


def test_a_signature_is_the_one_of_the_example_that_others_check() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    at = dt.datetime.fromtimestamp(1614265330, dt.UTC)

    headers = webhook.signed("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, [secret])

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_repetition_has_the_same_id_and_one_after_a_seek_another(receiver: WebhookReceiver) -> None:
    for generation in (1, 1, 2):
        await kind_of().open(target(receiver.url(), generation=generation)).deliver([event(1, "a")])

    first, second, third = (delivery.headers["webhook-id"] for delivery in receiver.deliveries)
    assert first == second != third
    assert "." not in first


@pytest.mark.parametrize(
    ("status", "headers", "error", "seconds"),
    [
        (410, {}, Gone, None),
        (429, {"retry-after": "120"}, Unavailable, 120),
        (503, {"retry-after": "Fri, 02 Jan 2026 03:05:05 GMT"}, Unavailable, 60),
        (503, {"retry-after": "soon"}, Unavailable, None),
        (404, {}, Unavailable, None),
        (302, {"location": "http://127.0.0.1/elsewhere"}, Unreadable, None),
    ],
)
async def test_anything_but_a_2xx_is_an_error(
    receiver: WebhookReceiver, status: int, headers: dict[str, str], error: type[Exception], seconds: float | None
) -> None:
    receiver.answer = lambda _number: (status, headers)

    with pytest.raises(error, match=str(status)) as raised:
        await kind_of().open(target(receiver.url())).deliver([event(1, "a")])

    assert getattr(raised.value, "retry_after", None) == seconds
    assert len(receiver.deliveries) == 1


async def test_nobody_who_listens_is_an_error(receiver: WebhookReceiver) -> None:
    receiver.close()

    with pytest.raises(Unreadable):
        await kind_of().open(target(receiver.url())).deliver([event(1, "a")])


async def test_a_name_is_looked_up_and_the_connection_goes_there(receiver: WebhookReceiver) -> None:
    allowed = [Receiver(AllowedHost("receiver.example:1-65535"), private=True)]
    kind = kind_of(allowed, names={"receiver.example": ["127.0.0.1"]})

    await kind.open(target(f"http://receiver.example:{receiver.port}/hook")).deliver([event(1, "a")])

    assert receiver.deliveries[0].headers["host"] == f"receiver.example:{receiver.port}"


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["93.184.216.34", "10.1.2.3"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"]],
)
async def test_a_name_that_leads_inside_is_refused(receiver: WebhookReceiver, addresses: list[str]) -> None:
    kind = kind_of([Receiver(AllowedHost("receiver.example:1-65535"))], names={"receiver.example": addresses})

    with pytest.raises(NotAllowed, match="which is not an address of the public Internet"):
        await kind.open(target(f"http://receiver.example:{receiver.port}/hook")).deliver([event(1, "a")])

    assert receiver.deliveries == []


async def test_where_clouds_keep_their_secrets_is_never_asked() -> None:
    allowed = [Receiver(AllowedHost("receiver.example"), private=True)]
    kind = kind_of(allowed, names={"receiver.example": ["169.254.169.254"]})

    with pytest.raises(NotAllowed):
        await kind.open(target("http://receiver.example/hook")).deliver([event(1, "a")])


async def test_a_name_that_leads_nowhere_may_do_so_later() -> None:
    kind = kind_of([Receiver(AllowedHost("receiver.example"))], names={})

    with pytest.raises(Unreadable, match=r"the name receiver\.example leads nowhere"):
        await kind.open(target("http://receiver.example/hook")).deliver([event(1, "a")])


def test_a_host_that_is_not_in_the_configuration_is_refused() -> None:
    with pytest.raises(NotAllowed, match=r"callboard\.subscriptions\.allow"):
        kind_of(()).check(target("https://receiver.example/hook"))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***", "whsec_c2hvcnQ=", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"])
def test_a_secret_has_its_form_and_is_not_told_when_it_has_not(secret: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        kind_of().check(target("http://127.0.0.1/hook", secret))

    assert str(raised.value) == "a secret must be whsec_ and 24 to 64 bytes in base64"


@pytest.mark.parametrize(
    ("text", "public", "private"),
    [
        ("93.184.216.34", True, False),
        ("2606:2800:220:1:248:1893:25c8:1946", True, False),
        ("10.0.0.1", False, True),
        ("192.168.1.1", False, True),
        ("127.0.0.1", False, True),
        ("fd00::1", False, True),
        ("::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("100.64.0.1", False, False),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
    ],
)
def test_addresses_are_told_apart(text: str, public: bool, private: bool) -> None:
    address = ipaddress.ip_address(text)

    assert (is_public(address), is_private(address)) == (public, private)


def test_a_retry_in_the_past_is_one_now() -> None:
    assert retry_after("Thu, 01 Jan 2026 00:00:00 GMT", AT) == 0
    assert retry_after(None, AT) is None

"""Webhooks by https: the connection goes to the address that was checked, and the certificate is that of the name."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from callboard import app
from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.sinks.addresses import Receiver, Receivers
from callboard.builtin.sinks.webhook import WebhookKind
from callboard.errors import NotAllowed, Unreadable
from callboard.extend import EventSink, SinkTarget
from callboard.settings import ReceiverRule, Settings
from callboard.testing import FakeClock
from tests.certificates import Authority
from tests.flows.receiver import webhook_receiver
from tests.stream.sink_contract import AT, event

NAME = "receiver.example"
"""Leads nowhere outside of these tests: a connection by name would fail."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Names:
    """Looks up names as somebody wants it who owns them: each time another address, the last one for ever."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return [self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]]


def sink_to(url: str, names: Names, trusted: ssl.SSLContext) -> EventSink:
    kind = WebhookKind(
        receivers=Receivers(
            [Receiver(AllowedHost(f"{host}:1-65535"), private=True) for host in (NAME, "127.0.0.1")], names.resolve
        ),
        client=lambda: httpx2.AsyncClient(trust_env=False, verify=trusted),
        clock=FakeClock(AT),
        source="http://catalog/api/catalog",
    )
    return kind.open(target(url))


def target(url: str) -> SinkTarget:
    secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"]
    return SinkTarget(subscription="hook", generation=1, options={"type": "webhook", "url": url}, secrets=secrets)


async def test_a_receiver_at_a_checked_address_proves_the_name_that_it_was_asked_for_by(authority: Authority) -> None:
    tls, asked_for = authority.server_for(NAME), []
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with webhook_receiver(tls) as receiver:
        url = f"https://{NAME}:{receiver.port}/hook"

        await sink_to(url, Names("127.0.0.1"), authority.trusted()).deliver([event(1, "a")])

        [delivery] = receiver.deliveries
    assert asked_for == [NAME]
    assert delivery.headers["host"] == f"{NAME}:{receiver.port}"
    assert [each["subject"] for each in delivery.events] == ["component:default/a"]


@pytest.mark.parametrize("other", ["other.example", "127.0.0.1"], ids=["another-name", "the-address"])
async def test_a_certificate_of_something_else_is_refused(authority: Authority, other: str) -> None:
    with webhook_receiver(authority.server_for(other)) as receiver:
        sink = sink_to(f"https://{NAME}:{receiver.port}/hook", Names("127.0.0.1"), authority.trusted())

        with pytest.raises(Unreadable, match="certificate verify failed"):
            await sink.deliver([event(1, "a")])

        assert receiver.deliveries == []


async def test_a_url_with_an_address_is_proved_by_the_address(authority: Authority) -> None:
    with webhook_receiver(authority.server_for("127.0.0.1")) as receiver:
        url = f"https://127.0.0.1:{receiver.port}/hook"

        await sink_to(url, Names("127.0.0.1"), authority.trusted()).deliver([event(1, "a")])

        assert len(receiver.taken) == 1


async def test_a_name_that_leads_inside_later_on_is_not_followed_there(authority: Authority) -> None:
    names = Names("127.0.0.1", "169.254.169.254")
    with webhook_receiver(authority.server_for(NAME)) as receiver:
        sink = sink_to(f"https://{NAME}:{receiver.port}/hook", names, authority.trusted())

        await sink.deliver([event(1, "a")])
        # One look for each delivery: what the second one finds can't be used for the first.
        looked = len(names.asked)
        with pytest.raises(NotAllowed, match=r"it leads to 169\.254\.169\.254"):
            await sink.deliver([event(2, "a")])

        assert looked == 1
        assert [int(each["offset"]) for each in receiver.taken] == [1]


async def test_an_installation_trusts_nobody_whom_its_machine_does_not(
    authority: Authority, settings: Settings
) -> None:
    with webhook_receiver(authority.server_for("127.0.0.1")) as receiver:
        rule = ReceiverRule(host=f"127.0.0.1:{receiver.port}", private=True)
        configured = settings.overridden({"callboard.subscriptions.allow": (rule,)})
        webhooks = app.sink_kinds(configured, FakeClock(AT))["webhook"]

        with pytest.raises(Unreadable, match="certificate verify failed"):
            await webhooks.open(target(f"https://127.0.0.1:{receiver.port}/hook")).deliver([event(1, "a")])

        assert receiver.deliveries == []

"""The section `callboard.subscriptions`: where events may be delivered to, and how patiently."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from callboard.settings import forms
from callboard.settings.brokers import BrokerSettings
from callboard.settings.forms import Count, Key, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverRule:
    """A host that webhooks may be sent to."""

    host: Annotated[str, forms.HOST]
    """The name of the host, with a port or a range of ports (`name:8000-8100`) where it is not the scheme's own. A
    leading `*.` means every host below the domain."""

    paths: tuple[str, ...] | None = None
    """Path prefixes, which end where a segment of the path ends. Without them, all paths."""

    private: bool = False
    """Whether its name may lead to addresses of private networks or of the server itself. Say so only of names that
    nobody from outside decides about. Link-local addresses, where clouds keep the secrets of a machine, are never
    used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSettings:
    """Subscriptions of the stream."""

    allow: tuple[ReceiverRule, ...] = ()
    """Hosts that webhooks may be sent to. Nothing by default: whoever may subscribe must not be able to let the server
    send requests where he likes."""

    brokers: Mapping[str, BrokerSettings] = field(default_factory=dict)
    """Message brokers, each under the name by which subscriptions know it. Whoever may subscribe chooses one of them,
    and never an address."""

    timeout_seconds: Annotated[Seconds, Key("timeout")] = 20.0
    """How long a receiver may take to answer a webhook, and a broker to acknowledge a batch. Between the 15 and the 30
    seconds that Standard Webhooks recommends."""

    give_up_seconds: Annotated[Seconds, Key("giveUpAfter")] = 259_200.0
    """How long a sink may fail, without a success in between, before its subscription is dead. Three days outlast a
    weekend."""

    batch_size: Count = 100
    """Events that are delivered at once. A receiver takes a batch as a whole or gets it again."""

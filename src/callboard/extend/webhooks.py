"""Webhooks: what a code host tells at the moment when it happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from callboard.extend.providers import ProviderConnection
from callboard.model.json import JsonObject
from callboard.model.pushes import Push


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook whose signature is right."""

    system: str
    """Who has sent it, under the name of `integrations`: `github`, `gitlab` and so on."""
    event: str
    """What it tells, in the words of the system: `push`, `repository`, `team`."""
    body: JsonObject
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    pushes: Sequence[Push] = ()
    """What `body` tells, if it is a push."""


@runtime_checkable
class HearsWebhooks(Protocol):
    """A provider, incremental or not, that turns webhooks into deltas."""

    name: str

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """Apply what *webhook* changes for this provider, if anything. It may come twice, and out of order.

        Called in the process that has received it, while the host waits: within seconds, so with few requests. What
        this misses or fails at, the next round of the provider brings.
        """
        ...

"""The section `integrations`: the code hosts that may be read, kept as they are for the plugins that read them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from callboard.settings.forms import Form, Refused
from callboard.settings.values import JsonValue, Value

_USUAL_HOSTS = {
    "awsS3": "amazonaws.com",
    "azure": "dev.azure.com",
    "azureBlobStorage": "blob.core.windows.net",
    "bitbucketCloud": "bitbucket.org",
    "github": "github.com",
    "gitlab": "gitlab.com",
    "googleGcs": "storage.cloud.google.com",
}


@dataclass(frozen=True, slots=True)
class Integrations:
    """The configured code hosts."""

    raw: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """Everything as it is written, tokens included, by the name of the system (`github`, `gitlab`, …)."""

    hosts: tuple[str, ...] = ()
    """The hosts that the entries name, or the system's usual host where an entry names none."""

    def __str__(self) -> str:
        return ", ".join(self.hosts) or "none"


def _integrations(value: Value) -> Integrations:
    if not isinstance(value.content, dict):
        raise Refused
    hosts = dict.fromkeys(host for name, entry in value.content.items() for host in _hosts(name, entry))
    return Integrations({name: entry.plain() for name, entry in value.content.items()}, tuple(hosts))


def _hosts(name: str, value: Value) -> Iterator[str]:
    for entry in value.content if isinstance(value.content, list) else [value]:
        host = entry.entries().get("host")
        if host is None:
            if name in _USUAL_HOSTS and entry.content is not None:
                yield _USUAL_HOSTS[name]
        elif isinstance(host.content, str) and host.content:
            yield host.content.lower()


INTEGRATIONS: Final = Form("an object with a list of entries for each system", _integrations)

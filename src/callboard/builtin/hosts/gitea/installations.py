"""Installations of Gitea or Forgejo: where each is, and what it is asked with (`integrations.gitea`)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody
from callboard.builtin.hosts.places import web_address
from callboard.errors import InvalidConfiguration
from callboard.extend import PluginContext
from callboard.extend.configuration import Options, Secret, read_list

KEY = "integrations.gitea"


class IntegrationOptions(Options):
    """An entry of `integrations.gitea`."""

    host: str
    base_url: str | None = None
    """`https://host`, unless it says something else."""
    username: str | None = None
    password: Secret | None = None
    """Of the user, or a token of that user; without a username, a token."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One Gitea, or Forgejo."""

    host: str
    """As the configuration names it."""
    base_url: str
    """Of its pages, without a slash at the end."""
    api: Api = field(repr=False)


def installations(context: PluginContext) -> list[Installation]:
    """Those that the configuration names. Raises InvalidConfiguration."""
    entries = read_list(IntegrationOptions, context.config.integrations.get("gitea"), KEY)
    return [_installation(context, options, f"{KEY}[{index}]") for index, options in enumerate(entries)]


def installation_of(host: str, known: Sequence[Installation], at: str) -> Installation:
    """The one of *known* with the name *host*. Raises InvalidConfiguration, which names the key *at*."""
    for installation in known:
        if installation.host.lower() == host.lower():
            return installation
    raise InvalidConfiguration(f"{at}: expected a host that {KEY} has, got {host!r}")


def _installation(context: PluginContext, options: IntegrationOptions, at: str) -> Installation:
    host_url = web_address(f"https://{options.host}", f"{at}.host")
    base_url = web_address(options.base_url, f"{at}.baseUrl") if options.base_url else host_url
    return Installation(options.host, base_url, Api(context.outside, f"{base_url}/api/v1", _credentials(options, at)))


def _credentials(options: IntegrationOptions, at: str) -> Credentials:
    name = f"{options.host} {at}"
    password = (options.password or "").strip()
    if not password:
        return Nobody(name)
    if not options.username:
        return Fixed(name, {"authorization": f"token {password}"})
    pair = base64.b64encode(f"{options.username}:{password}".encode()).decode()
    return Fixed(name, {"authorization": f"Basic {pair}"})

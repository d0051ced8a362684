"""Installations of Gitea or Forgejo: where each is, and what it is asked with (`integrations.gitea`)."""

from dataclasses import dataclass, field

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody
from callboard.builtin.hosts.installations import base_url_of, basic, check_distinct
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
    known = [_installation(context, options, f"{KEY}[{index}]") for index, options in enumerate(entries)]
    check_distinct(known, KEY)
    return known


def _installation(context: PluginContext, options: IntegrationOptions, at: str) -> Installation:
    base_url = base_url_of(options.host, options.base_url, at)
    return Installation(options.host, base_url, Api(context.outside, f"{base_url}/api/v1", _credentials(options, at)))


def _credentials(options: IntegrationOptions, at: str) -> Credentials:
    name = f"{options.host} {at}"
    password = (options.password or "").strip()
    if not password:
        return Nobody(name)
    if not options.username:
        return Fixed(name, {"authorization": f"token {password}"})
    return basic(name, options.username, password)

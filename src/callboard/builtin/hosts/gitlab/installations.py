"""Installations of GitLab: where each is, and what it is asked with (`integrations.gitlab`)."""

from dataclasses import dataclass, field
from urllib.parse import quote

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody
from callboard.builtin.hosts.installations import base_url_of, check_distinct
from callboard.builtin.hosts.places import web_address
from callboard.extend import PluginContext
from callboard.extend.configuration import Options, Secret, read_list

KEY = "integrations.gitlab"
PUBLIC = "gitlab.com"


class IntegrationOptions(Options):
    """An entry of `integrations.gitlab`."""

    host: str = PUBLIC
    api_base_url: str | None = None
    """`https://host/api/v4`, unless it says something else."""
    base_url: str | None = None
    """`https://host`, unless it says something else."""
    token: Secret | None = None
    """Of a person, a project, a group or OAuth. Without it, what is public can be read."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One GitLab."""

    host: str
    """As the configuration names it."""
    base_url: str
    """Of its pages, without a slash at the end."""
    api: Api = field(repr=False)


def installations(context: PluginContext) -> list[Installation]:
    """Those that the configuration names. Raises InvalidConfiguration."""
    entries = read_list(IntegrationOptions, context.config.integrations.get("gitlab"), KEY)
    known = [_installation(context, options, f"{KEY}[{index}]") for index, options in enumerate(entries)]
    check_distinct(known, KEY)
    return known


def with_public(context: PluginContext) -> list[Installation]:
    """Those that the configuration names, and gitlab.com, which is known without being mentioned, as in Backstage."""
    known = installations(context)
    if any(each.host.lower() == PUBLIC for each in known):
        return known
    return [*known, _installation(context, IntegrationOptions(), KEY)]


def project_path(project: str | int) -> str:
    """Where the API has a project, by its path or its number."""
    return f"projects/{quote(str(project), safe='')}"


def group_path(group: str | int) -> str:
    """Where the API has a group, by its path or its number."""
    return f"groups/{quote(str(group), safe='')}"


def _installation(context: PluginContext, options: IntegrationOptions, at: str) -> Installation:
    base_url = base_url_of(options.host, options.base_url, at)
    api_url = web_address(options.api_base_url, f"{at}.apiBaseUrl") if options.api_base_url else f"{base_url}/api/v4"
    return Installation(options.host, base_url, Api(context.outside, api_url, _credentials(options, at)))


def _credentials(options: IntegrationOptions, at: str) -> Credentials:
    name = f"{options.host} {at}"
    # A token of any kind, as https://docs.gitlab.com/api/rest/authentication/ says.
    return Fixed(name, {"authorization": f"Bearer {options.token}"}) if options.token else Nobody(name)

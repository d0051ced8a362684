"""GitHub, and GitHub Enterprise: reading, discovery, teams and their members."""

from collections.abc import Sequence

from callboard.builtin.hosts.github.accounts import Accounts
from callboard.builtin.hosts.github.discovery import GitHubDiscovery, discovery_of
from callboard.builtin.hosts.github.options import AT, USUAL_HOST, HostOptions, hosts_of
from callboard.builtin.hosts.github.organization import GitHubOrganization, organizations_of
from callboard.builtin.hosts.github.reader import GitHub
from callboard.extend import PluginContext

__all__ = ["GitHub", "code_hosts", "discovery", "organizations"]


def code_hosts(context: PluginContext) -> Sequence[GitHub]:
    """A reader for each entry of `integrations.github`."""
    return [GitHub(context.outside, host, at) for host, at in _hosts(context)]


def discovery(context: PluginContext) -> Sequence[GitHubDiscovery]:
    """The providers of `catalog.providers.github`."""
    return discovery_of(context, _accounts(context))


def organizations(context: PluginContext) -> Sequence[GitHubOrganization]:
    """The providers of `catalog.providers.githubOrg`."""
    return organizations_of(context, _accounts(context))


def _hosts(context: PluginContext) -> list[tuple[HostOptions, str]]:
    hosts = hosts_of(context.config.integrations.get("github"))
    return [(host, f"{AT}[{index}]") for index, host in enumerate(hosts)]


def _accounts(context: PluginContext) -> list[Accounts]:
    known = [Accounts(context.outside, host, at) for host, at in _hosts(context)]
    # github.com is known without being mentioned, as in Backstage.
    usual = HostOptions(host=USUAL_HOST)
    return known if any(each.host == USUAL_HOST for each in known) else [*known, Accounts(context.outside, usual, AT)]

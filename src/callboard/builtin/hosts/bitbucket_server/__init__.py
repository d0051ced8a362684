"""Bitbucket Server, and Bitbucket Data Center: reading and discovery."""

from collections.abc import Sequence

from callboard.builtin.hosts.bitbucket_server.discovery import BitbucketServerDiscovery, discovery_of
from callboard.builtin.hosts.bitbucket_server.options import hosts_of
from callboard.builtin.hosts.bitbucket_server.reader import BitbucketServer
from callboard.extend import PluginContext


def code_hosts(context: PluginContext) -> Sequence[BitbucketServer]:
    """A reader for each entry of `integrations.bitbucketServer`."""
    hosts = hosts_of(context.config.integrations.get("bitbucketServer"))
    return [BitbucketServer(context.outside, host, place) for host, place in hosts]


def discovery(context: PluginContext) -> Sequence[BitbucketServerDiscovery]:
    """The providers of `catalog.providers.bitbucketServer`."""
    return discovery_of(context)

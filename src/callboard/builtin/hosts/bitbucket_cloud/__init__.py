"""Bitbucket Cloud: reading and discovery."""

from collections.abc import Sequence

from callboard.builtin.hosts.bitbucket_cloud.discovery import BitbucketCloudDiscovery, discovery_of
from callboard.builtin.hosts.bitbucket_cloud.options import host_of
from callboard.builtin.hosts.bitbucket_cloud.reader import BitbucketCloud
from callboard.extend import PluginContext


def code_hosts(context: PluginContext) -> Sequence[BitbucketCloud]:
    """The reader for `integrations.bitbucketCloud`."""
    options, at = host_of(context.config.integrations.get("bitbucketCloud"))
    return [BitbucketCloud(context.outside, options, at)]


def discovery(context: PluginContext) -> Sequence[BitbucketCloudDiscovery]:
    """The providers of `catalog.providers.bitbucketCloud`."""
    return discovery_of(context)

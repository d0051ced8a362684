"""Azure DevOps, and Azure DevOps Server: reading and discovery."""

from collections.abc import Sequence

from callboard.builtin.hosts.azure_devops.accounts import Accounts
from callboard.builtin.hosts.azure_devops.discovery import AzureDevOpsDiscovery, discovery_of
from callboard.builtin.hosts.azure_devops.options import hosts_of
from callboard.builtin.hosts.azure_devops.reader import AzureDevOps
from callboard.extend import PluginContext


def code_hosts(context: PluginContext) -> Sequence[AzureDevOps]:
    """A reader for each entry of `integrations.azure`."""
    hosts = hosts_of(context.config.integrations.get("azure"))
    return [AzureDevOps(context.outside, Accounts(context.outside, host, place)) for host, place in hosts]


def discovery(context: PluginContext) -> Sequence[AzureDevOpsDiscovery]:
    """The providers of `catalog.providers.azureDevOps`."""
    return discovery_of(context, hosts_of(context.config.integrations.get("azure")))

"""Gerrit, whose files are named by the URLs of Gitiles.

installations   what `integrations.gerrit` says, and the API of each installation
reader          the reader of URLs
discovery       a catalog file for each project that a query finds
"""

from callboard.builtin.hosts.gerrit.discovery import GerritDiscovery, discovery_of
from callboard.builtin.hosts.gerrit.installations import installations
from callboard.builtin.hosts.gerrit.reader import Gerrit
from callboard.extend import PluginContext

__all__ = ["Gerrit", "GerritDiscovery", "code_hosts", "discovery"]


def code_hosts(context: PluginContext) -> list[Gerrit]:
    """A reader for each entry of `integrations.gerrit`."""
    return [Gerrit(installation) for installation in installations(context)]


def discovery(context: PluginContext) -> list[GerritDiscovery]:
    """The providers of `catalog.providers.gerrit`."""
    return discovery_of(context, installations(context))

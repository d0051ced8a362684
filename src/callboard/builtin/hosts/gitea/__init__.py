"""Gitea and Forgejo, which have one API.

installations   what `integrations.gitea` says, and the API of each installation
reader          the reader of URLs
updates         which of many branches have not moved
discovery       the catalog files of the repositories of an organization
"""

from callboard.builtin.hosts.gitea.discovery import GiteaDiscovery, discovery_of
from callboard.builtin.hosts.gitea.installations import installations
from callboard.builtin.hosts.gitea.reader import Gitea
from callboard.extend import PluginContext

__all__ = ["Gitea", "GiteaDiscovery", "code_hosts", "discovery"]


def code_hosts(context: PluginContext) -> list[Gitea]:
    """A reader for each entry of `integrations.gitea`."""
    return [Gitea(installation) for installation in installations(context)]


def discovery(context: PluginContext) -> list[GiteaDiscovery]:
    """The providers of `catalog.providers.gitea`."""
    return discovery_of(context, installations(context))

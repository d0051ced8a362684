"""GitLab: gitlab.com, and installations of one's own.

installations   what `integrations.gitlab` says, and the API of each installation
questions       many projects at once, by GraphQL
reader          the reader of URLs
projects        projects, as the API and webhooks tell of them, and which of them count
people          users and groups as entities, and which of them count
memberships     who is in which group
organization    users and groups
discovery       the catalog files of all projects, or of those of a group
"""

from callboard.builtin.hosts.gitlab.discovery import GitLabDiscovery, discovery_of
from callboard.builtin.hosts.gitlab.installations import installations, with_public
from callboard.builtin.hosts.gitlab.organization import GitLabOrganization, organizations_of
from callboard.builtin.hosts.gitlab.reader import GitLab
from callboard.extend import PluginContext

__all__ = ["GitLab", "GitLabDiscovery", "GitLabOrganization", "code_hosts", "discovery", "organizations"]


def code_hosts(context: PluginContext) -> list[GitLab]:
    """A reader for each entry of `integrations.gitlab`."""
    return [GitLab(installation) for installation in installations(context)]


def discovery(context: PluginContext) -> list[GitLabDiscovery]:
    """The providers of catalog files of `catalog.providers.gitlab`."""
    return discovery_of(context, with_public(context))


def organizations(context: PluginContext) -> list[GitLabOrganization]:
    """The providers of users and groups of `catalog.providers.gitlab`."""
    return organizations_of(context, with_public(context))

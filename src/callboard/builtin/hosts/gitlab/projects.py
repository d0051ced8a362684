"""Projects of GitLab, as its API and its webhooks tell of them, and which of them count."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.builtin.hosts.discovery import Found
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue, Schedule
from callboard.extend.configuration import Options, pattern

_USUAL_FILE = "catalog-info.yaml"


class ProviderOptions(Options):
    """An entry of `catalog.providers.gitlab`."""

    host: str
    group: str = ""
    """The path of the group whose projects count, those of its subgroups included; empty: all that can be seen."""
    branch: str | None = None
    """Whose file is read; None: that of the default branch."""
    fallback_branch: str = "master"
    """For projects that have no default branch."""
    entity_filename: str = _USUAL_FILE
    project_pattern: str | None = None
    """A regular expression for the path of a project, with its namespace."""
    group_pattern: str | list[str] | None = None
    """Regular expressions for the paths of groups, of which one must match."""
    user_pattern: str | None = None
    skip_forked_repos: bool = False
    include_archived_repos: bool = False
    exclude_repos: Sequence[str] = ()
    """Paths of projects, with their namespaces."""
    exclude_groups: Sequence[str] = ()
    """Paths of groups whose projects, and those of their subgroups, do not count."""
    membership: bool = False
    """Whether only those count that the token's owner is a member of."""
    topics: str | None = None
    """Topics, separated by commas, all of which a project must have."""
    use_search: bool = False
    """Look for the file with the search of GitLab, in all folders, and not project by project."""
    schedule: Schedule | None = None
    org_enabled: bool = False
    restrict_users_to_group: bool = False
    allow_inherited: bool = False
    relations: list[str] | None = None
    include_users_without_seat: bool = False
    user_transformer: str | None = None
    """A function that may change users: `module:function`."""
    group_transformer: str | None = None
    """A function that may change groups: `module:function`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project, as far as anything depends on it."""

    number: int
    path: str
    """With its namespace."""
    url: str
    default_branch: str | None
    is_archived: bool = False
    is_fork: bool = False


class Filter:
    """Decides which projects count, and where their catalog file is."""

    def __init__(self, options: ProviderOptions, at: str) -> None:
        """Raises InvalidConfiguration, which names the key below *at*."""
        self.options = options
        self.group = options.group.strip("/").lower()
        self.file = options.entity_filename.strip("/")
        if not self.file:
            raise InvalidConfiguration(f"{at}.entityFilename: expected the path of a file, got none")
        self._projects = js_pattern(options.project_pattern, f"{at}.projectPattern")
        self.groups = group_patterns(options, at)
        self._excluded = {path.strip("/").lower() for path in options.exclude_repos}
        self._excluded_groups = tuple(f"{path.strip('/').lower()}/" for path in options.exclude_groups)

    def admits_path(self, path: str) -> bool:
        """Whether a project with this *path* may count."""
        lower = path.lower()
        return (
            (not self.group or lower.startswith(f"{self.group}/"))
            and (self._projects is None or self._projects.search(path) is not None)
            and lower not in self._excluded
            and not lower.startswith(self._excluded_groups)
            and self.admits_group(path.rpartition("/")[0])
        )

    def admits_group(self, path: str) -> bool:
        """Whether the group at *path*, or one around it, is one whose projects count."""
        if not self.groups:
            return True
        parts = path.split("/")
        around = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        return any(each.search(group) for each in self.groups for group in around)

    def admits(self, project: Project) -> bool:
        """Whether *project* counts, as far as can be told of it alone."""
        return (
            self.admits_path(project.path)
            and (self.options.include_archived_repos or not project.is_archived)
            and not (self.options.skip_forked_repos and project.is_fork)
        )

    @property
    def depends_on_more(self) -> bool:
        """Whether more than what webhooks tell decides what counts."""
        return self.options.skip_forked_repos or self.options.membership or self.options.topics is not None

    def branch(self, project: Project) -> str:
        """The branch whose file counts."""
        return self.options.branch or project.default_branch or self.options.fallback_branch

    def found(self, project: Project, path: str | None = None, branch: str | None = None) -> Found:
        """The catalog file of *project*; or the one at *path*, on *branch*."""
        return Found(target=f"{project.url}/-/blob/{branch or self.branch(project)}/{path or self.file}")


def project_of(value: JsonValue) -> Project | None:
    """A project, as the API tells of it, or a webhook of a push; None for something else."""
    if not isinstance(value, dict):
        return None
    number, path, url = value.get("id"), value.get("path_with_namespace"), value.get("web_url")
    if not isinstance(number, int) or not isinstance(path, str) or not isinstance(url, str):
        return None
    branch = value.get("default_branch")
    return Project(
        number=number,
        path=path,
        url=url,
        default_branch=branch if isinstance(branch, str) and branch else None,
        is_archived=value.get("archived") is True,
        is_fork=isinstance(value.get("forked_from_project"), dict),
    )


def group_patterns(options: ProviderOptions, at: str) -> Sequence[re.Pattern[str]]:
    """The regular expressions for groups. Raises InvalidConfiguration."""
    said = options.group_pattern
    texts = said if isinstance(said, list) else [] if said is None else [said]
    compiled = [js_pattern(text, f"{at}.groupPattern") for text in texts]
    return [each for each in compiled if each is not None]


def js_pattern(text: str | None, at: str) -> re.Pattern[str] | None:
    """A regular expression, which may name groups in the way of JavaScript. Raises InvalidConfiguration."""
    return None if text is None else pattern(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", text), at)

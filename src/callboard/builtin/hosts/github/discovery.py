"""Discovery of catalog files on GitHub: `catalog.providers.github`, with Backstage's keys.

A round lists the repositories of an organization, a hundred at a time. Webhooks add and remove single repositories in
between, without asking GitHub anything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.builtin.hosts.discovery import Found, delta, has_wildcards, offered, pushes_to, touches
from callboard.builtin.hosts.github.accounts import Account, Accounts
from callboard.builtin.hosts.looking import at, objects_at, text_at
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import (
    IncrementalEntityProvider,
    JsonObject,
    JsonValue,
    Page,
    PluginContext,
    ProviderConnection,
    Schedule,
    Webhook,
)
from callboard.extend.configuration import Options, pattern, read_by_id

AT = "catalog.providers.github"
_USUAL_PATH = "/catalog-info.yaml"
_VISIBILITIES = ("public", "internal", "private")

_LISTING = """
query($login: String!, $first: Int!, $after: String, $file: String!, $look: Boolean!) {
  repositoryOwner(login: $login) {
    login
    repositories(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        name url isArchived isFork visibility
        repositoryTopics(first: 100) { nodes { topic { name } } }
        defaultBranchRef { name }
        object(expression: $file) @include(if: $look) { oid }
      }
    }
  }
}
"""


class TopicOptions(Options):
    """Which topics count."""

    include: list[str] | None = None
    """At least one of these."""
    exclude: list[str] | None = None
    """None of these."""


class FilterOptions(Options):
    """Which repositories count."""

    branch: str | None = None
    """Whose file is read; None: that of the default branch."""
    repository: str | None = None
    """A regular expression for the whole name."""
    topic: TopicOptions | None = None
    visibility: list[str] | None = None
    allow_forks: bool = True
    allow_archived: bool = False


class PageSizes(Options):
    """How much is asked for at once."""

    repositories: int = 100


class DiscoveryOptions(Options):
    """One entry of `catalog.providers.github`."""

    organization: str | None = None
    """An organization, or a user."""
    app: int | str | None = None
    """Everybody who has installed the GitHub App with this number, instead."""
    host: str = "github.com"
    catalog_path: str = _USUAL_PATH
    filters: FilterOptions | None = None
    validate_locations_exist: bool = False
    page_sizes: PageSizes | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository, as far as the filters ask."""

    name: str
    url: str
    default_branch: str | None
    topics: Sequence[str] = ()
    visibility: str = "private"
    is_archived: bool = False
    is_fork: bool = False
    has_file: bool = True


@dataclass(frozen=True, slots=True)
class Filter:
    """Decides which repositories count."""

    options: FilterOptions
    name: re.Pattern[str] | None = field(default=None)

    def admits(self, repository: Repository) -> bool:
        """Whether the repository counts."""
        wanted = self.options
        topics = wanted.topic or TopicOptions()
        return (
            (self.name is None or self.name.fullmatch(repository.name) is not None)
            and (wanted.allow_archived or not repository.is_archived)
            and (wanted.allow_forks or not repository.is_fork)
            and (wanted.visibility is None or repository.visibility in wanted.visibility)
            and (topics.include is None or not set(topics.include).isdisjoint(repository.topics))
            and (topics.exclude is None or set(topics.exclude).isdisjoint(repository.topics))
        )


class GitHubDiscovery(IncrementalEntityProvider):
    """The catalog files of all repositories of an organization, or of everybody who has installed an App."""

    rest_seconds = 3600.0

    def __init__(self, name: str, options: DiscoveryOptions, accounts: Accounts, place: str) -> None:
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._accounts = accounts
        filters = options.filters or FilterOptions()
        name_pattern = pattern(filters.repository, f"{place}.filters.repository") if filters.repository else None
        self._filter = Filter(filters, name_pattern)
        self._path = options.catalog_path.lstrip("/")
        self._looks = options.validate_locations_exist
        self._size = max(1, min(100, (options.page_sizes or PageSizes()).repositories))

    async def next(self, cursor: JsonValue) -> Page:
        """The next repositories of the present owner."""
        owners, after = await self._stand(cursor)
        if not owners:
            if self._options.app is not None:
                # Data that is there is worth more than an answer that nobody has installed the App.
                raise Unreadable(f"nobody has installed the GitHub App {self._options.app} on {self._options.host}")
            return Page((), done=True)
        repositories, after = await self._listed(owners[0], after)
        entities = [
            offered(self._found(repository), self.name) for repository in repositories if self._admits(repository)
        ]
        if after is None:
            owners = owners[1:]
        following: JsonObject = {"owners": list(owners), "after": after}
        return Page(entities, cursor=following, done=not owners)

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """A push can bring or remove the file of a repository, and what happens to a repository can let it count."""
        if webhook.system != "github" or webhook.event not in ("push", "repository"):
            return
        repository = _told(webhook.body.get("repository"))
        owner = _login(webhook.body.get("repository"))
        if repository is None or owner is None or not await self._reads(owner, repository):
            return
        if webhook.event == "push":
            await self._pushed(webhook, repository, connection)
        else:
            await self._happened(webhook, repository, connection)

    async def _pushed(self, webhook: Webhook, repository: Repository, connection: ProviderConnection) -> None:
        for push in pushes_to(webhook, self._filter.options.branch):
            if not self._admits(repository):
                continue
            brought, removed = touches(push, self._path)
            if brought or not self._looks:
                await connection.apply(delta(self.name, added=[self._found(repository)]))
            elif removed:
                await connection.apply(delta(self.name, removed=[self._found(repository).target]))

    async def _happened(self, webhook: Webhook, repository: Repository, connection: ProviderConnection) -> None:
        action = webhook.body.get("action")
        here = self._found(repository)
        gone = [self._found(former).target for former in _former(webhook.body, repository)]
        if action in ("deleted", "transferred") or not self._admits(repository):
            await connection.apply(delta(self.name, removed=[here.target, *gone]))
        elif not self._looks or gone:
            await connection.apply(delta(self.name, added=[here], removed=gone))

    async def _reads(self, owner: str, repository: Repository) -> bool:
        if not repository.url.startswith(f"https://{self._options.host}/"):
            return False
        if self._options.organization is not None:
            return owner.lower() == self._options.organization.lower()
        return owner.lower() in await self._accounts.owners()

    async def _stand(self, cursor: JsonValue) -> tuple[Sequence[str], str | None]:
        """The owners that are left, and the place in the list of the first one."""
        if isinstance(cursor, dict):
            owners, after = cursor.get("owners"), cursor.get("after")
            left = [str(owner) for owner in owners] if isinstance(owners, list) else []
            return left, after if isinstance(after, str) else None
        if self._options.organization is not None:
            return [self._options.organization], None
        return await self._accounts.owners(), None

    async def _listed(self, owner: str, after: str | None) -> tuple[Sequence[Repository], str | None]:
        """A page of repositories, and where the next one begins, if there is one."""
        account = await self._accounts.of(owner)
        if not account.is_known:
            raise Unreadable(
                f"{self._options.host} lists repositories for no strangers: its entry needs a token or an app"
            )
        repositories = await self._asked(account, owner, after)
        found = [_listed(node) for node in objects_at(repositories, "nodes")]
        has_more = at(repositories, "pageInfo", "hasNextPage")
        return found, text_at(repositories, "pageInfo", "endCursor") if has_more else None

    async def _asked(self, account: Account, owner: str, after: str | None) -> JsonObject:
        branch = self._filter.options.branch or "HEAD"
        variables: JsonObject = {
            "login": owner,
            "first": self._size,
            "after": after,
            "file": f"{branch}:{self._path}",
            "look": self._looks,
        }
        data, errors = await account.query(_LISTING, variables)
        repositories = at(data, "repositoryOwner", "repositories")
        if not isinstance(repositories, dict):
            told = "; ".join(str(error.get("message")) for error in errors) or "it does not exist, or may not be seen"
            raise Unreadable(f"{self._options.host} lists no repositories of {owner}: {told}")
        return repositories

    def _admits(self, repository: Repository) -> bool:
        has_branch = self._filter.options.branch is not None or repository.default_branch is not None
        return has_branch and repository.has_file and self._filter.admits(repository)

    def _found(self, repository: Repository) -> Found:
        branch = self._filter.options.branch or repository.default_branch or "HEAD"
        return Found(target=f"{repository.url}/blob/{branch}/{self._path}", required=False)


def _listed(node: JsonObject) -> Repository:
    """A repository, as GraphQL tells it."""
    topics = [text_at(entry, "topic", "name") for entry in objects_at(node, "repositoryTopics", "nodes")]
    return Repository(
        name=str(node.get("name")),
        url=str(node.get("url")),
        default_branch=text_at(node, "defaultBranchRef", "name"),
        topics=[topic for topic in topics if topic is not None],
        visibility=str(node.get("visibility")).lower(),
        is_archived=node.get("isArchived") is True,
        is_fork=node.get("isFork") is True,
        has_file=isinstance(node["object"], dict) if "object" in node else True,
    )


def _told(value: JsonValue) -> Repository | None:
    """A repository, as webhooks tell it."""
    if not isinstance(value, dict):
        return None
    name, url, topics = text_at(value, "name"), text_at(value, "html_url"), value.get("topics")
    if name is None or url is None:
        return None
    return Repository(
        name=name,
        url=url,
        default_branch=text_at(value, "default_branch"),
        topics=[str(topic) for topic in topics] if isinstance(topics, list) else [],
        visibility=str(value.get("visibility") or ("private" if value.get("private") else "public")),
        is_archived=value.get("archived") is True,
        is_fork=value.get("fork") is True,
    )


def _login(value: JsonValue) -> str | None:
    # Pushes have an older form of owners.
    return text_at(value, "owner", "login") or text_at(value, "owner", "name")


def _former(body: JsonObject, repository: Repository) -> list[Repository]:
    """The repository under the names that it had before: of itself, and of its default branch."""
    changes = body.get("changes")
    found: list[Repository] = []
    name = text_at(changes, "repository", "name", "from")
    if name is not None:
        url = f"{repository.url.rpartition('/')[0]}/{name}"
        found.append(Repository(name=name, url=url, default_branch=repository.default_branch))
    branch = text_at(changes, "default_branch", "from")
    if branch is not None:
        found.append(Repository(name=repository.name, url=repository.url, default_branch=branch))
    return found


def discovery_of(context: PluginContext, accounts: Sequence[Accounts]) -> list[GitHubDiscovery]:
    """A provider for each entry of `catalog.providers.github`. Raises InvalidConfiguration."""
    entries = read_by_id(
        DiscoveryOptions, context.config.providers.get("github"), AT, flat=("organization", "app", "catalogPath")
    )
    providers: list[GitHubDiscovery] = []
    for key, options in entries.items():
        place = AT if key == "default" else f"{AT}.{key}"
        own = next((each for each in accounts if each.host == options.host), None)
        _check(options, own, place)
        assert own is not None
        providers.append(GitHubDiscovery(f"github-provider:{key}", options, own, place))
    return providers


def _check(options: DiscoveryOptions, accounts: Accounts | None, place: str) -> None:
    if accounts is None:
        raise InvalidConfiguration(f"{place}.host: expected a host of integrations.github, got {options.host}")
    if (options.organization is None) == (options.app is None):
        raise InvalidConfiguration(f"{place}: expected either an organization or an app")
    if options.app is not None and not accounts.has_apps:
        raise InvalidConfiguration(f"{place}.app: expected apps in the entry of {options.host} in integrations.github")
    if options.validate_locations_exist and has_wildcards(options.catalog_path):
        raise InvalidConfiguration(f"{place}.validateLocationsExist: expected catalogPath to have no wildcards then")
    visibility = (options.filters.visibility if options.filters else None) or []
    if wrong := [each for each in visibility if each not in _VISIBILITIES]:
        raise InvalidConfiguration(f"{place}.filters.visibility: expected {', '.join(_VISIBILITIES)}, got {wrong[0]!r}")

"""Discovery of catalog files on Gitea and Forgejo: `catalog.providers.gitea`, with Backstage's keys.

A round lists the repositories of an organization page by page, and looks for the file in those that something has
happened to since the round before. Webhooks add and remove single repositories in between.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.discovery import Found, delta, has_wildcards, offered, pushes_to, touches
from callboard.builtin.hosts.gitea.installations import KEY, Installation
from callboard.builtin.hosts.installations import named
from callboard.errors import InvalidConfiguration, LocationNotFound, NotAllowed
from callboard.extend import (
    IncrementalEntityProvider,
    JsonValue,
    Page,
    PluginContext,
    ProviderConnection,
    Schedule,
    Webhook,
)
from callboard.extend.configuration import Options, read_by_id

AT = "catalog.providers.gitea"
_PAGE = 50
_SETTLED = dt.timedelta(minutes=1)
"""What has happened longer ago can't happen in the same second as a look at it, whatever the clocks say."""
_MOST_LOOKS = 50_000


class DiscoveryOptions(Options):
    """One entry of `catalog.providers.gitea`."""

    host: str
    organization: str
    branch: str | None = None
    """Whose file is read; None: that of the default branch."""
    catalog_path: str = "catalog-info.yaml"
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repository:
    """A repository, as far as anything depends on it."""

    name: str
    owner: str
    url: str
    default_branch: str
    is_empty: bool
    updated_at: dt.datetime | None


class GiteaDiscovery(IncrementalEntityProvider):
    """A Location for each repository that has a catalog file."""

    def __init__(self, name: str, options: DiscoveryOptions, installation: Installation, at: str) -> None:
        """Raises InvalidConfiguration when there is no path."""
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._installation = installation
        self._api = installation.api
        self._clock = installation.api.clock
        self._path = options.catalog_path.strip("/")
        if not self._path:
            raise InvalidConfiguration(f"{at}.catalogPath: expected the path of a file, got none")
        self._looks: dict[str, tuple[dt.datetime, str, bool]] = {}
        """By repository: when it was changed last, the branch that was looked at, and whether it had the file."""

    async def next(self, cursor: JsonValue) -> Page:
        """The repositories of the next page."""
        following = cursor.get("page") if isinstance(cursor, dict) else None
        page = {name: str(value) for name, value in following.items()} if isinstance(following, dict) else {}
        params: dict[str, str | int] = {"limit": _PAGE, "page": 1, **page}
        answer = await self._api.get(f"orgs/{quote(self._options.organization, safe='')}/repos", params=params)
        repositories = [looking.understood(_repository(value), "a repository") for value in answer.list()]
        has = await asyncio.gather(*map(self._has_file, repositories))
        entities = [
            offered(self._found(repository), self.name)
            for repository, it_has in zip(repositories, has, strict=True)
            if it_has
        ]
        more: Mapping[str, str] | None = answer.following
        return Page(entities, cursor=None if more is None else {"page": dict(more)}, done=more is None)

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """Pushes bring files and remove them, and repositories go."""
        repository = _repository(webhook.body.get("repository"))
        if webhook.system != "gitea" or repository is None or not self._reads(repository):
            return
        here = self._found(repository)
        if webhook.event == "repository" and webhook.body.get("action") == "deleted":
            await connection.apply(delta(self.name, removed=[here.target]))
        elif webhook.event == "push":
            await self._pushed(webhook, repository, connection)

    async def _pushed(self, webhook: Webhook, repository: _Repository, connection: ProviderConnection) -> None:
        here = self._found(repository)
        for push in pushes_to(webhook, self._branch(repository)):
            brought, removed = touches(push, self._path)
            if not push.complete:
                # Too much has changed to be told: whether the file is there is looked up.
                brought = await self._look(repository)
                removed = not brought
            if brought or has_wildcards(self._path):
                await connection.apply(delta(self.name, added=[here]))
            elif removed:
                await connection.apply(delta(self.name, removed=[here.target]))

    async def _has_file(self, repository: _Repository) -> bool:
        """Whether the file is there, which is looked up if something has happened since the last look."""
        if repository.is_empty:
            return False
        if has_wildcards(self._path):
            return True
        branch, changed = self._branch(repository), repository.updated_at
        known = self._looks.get(repository.url)
        if known is not None and known[:2] == (changed, branch):
            return known[2]
        looked_at = self._clock.now()
        has = await self._look(repository)
        if changed is not None and changed < looked_at - _SETTLED and len(self._looks) < _MOST_LOOKS:
            self._looks[repository.url] = (changed, branch, has)
        return has

    async def _look(self, repository: _Repository) -> bool:
        if has_wildcards(self._path):
            return True
        slug = quote(f"{repository.owner}/{repository.name}", safe="/")
        try:
            await self._api.get(
                f"repos/{slug}/contents/{quote(self._path, safe='/')}", params={"ref": self._branch(repository)}
            )
        except (LocationNotFound, NotAllowed):
            # 403: of this repository the token may see no files.
            return False
        return True

    def _branch(self, repository: _Repository) -> str:
        return self._options.branch or repository.default_branch

    def _found(self, repository: _Repository) -> Found:
        return Found(target=f"{repository.url}/src/branch/{self._branch(repository)}/{self._path}")

    def _reads(self, repository: _Repository) -> bool:
        is_ours = repository.url.startswith(f"{self._installation.base_url}/")
        return is_ours and repository.owner.lower() == self._options.organization.lower()


def discovery_of(context: PluginContext, known: Sequence[Installation]) -> list[GiteaDiscovery]:
    """A provider for each entry of `catalog.providers.gitea`. Raises InvalidConfiguration."""
    entries = read_by_id(DiscoveryOptions, context.config.providers.get("gitea"), AT, flat=())
    providers: list[GiteaDiscovery] = []
    for key, options in entries.items():
        at = f"{AT}.{key}"
        installation = named(options.host, known, f"{at}.host", KEY)
        providers.append(GiteaDiscovery(f"gitea-provider:{key}", options, installation, at))
    return providers


def _repository(value: JsonValue) -> _Repository | None:
    """A repository, as the API and webhooks tell of it; None for something else."""
    if not isinstance(value, dict):
        return None
    owner = value.get("owner")
    # Older webhooks have another name for it.
    login = (owner.get("login") or owner.get("username")) if isinstance(owner, dict) else None
    name, url, branch = value.get("name"), value.get("html_url"), value.get("default_branch")
    if not isinstance(login, str) or not isinstance(name, str) or not isinstance(url, str):
        return None
    return _Repository(
        name=name,
        owner=login,
        url=url,
        default_branch=branch if isinstance(branch, str) and branch else "main",
        is_empty=value.get("empty") is True,
        updated_at=_moment(value.get("updated_at")),
    )


def _moment(value: JsonValue) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else None

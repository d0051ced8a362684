"""Discovery of catalog files on Bitbucket Server: `catalog.providers.bitbucketServer`, with Backstage's keys.

A round lists all repositories. Webhooks add and remove single ones in between.
"""

import asyncio
import datetime as dt
import random

from callboard.builtin.hosts.asking import Api
from callboard.builtin.hosts.bitbucket_server.options import AT as HOSTS_AT
from callboard.builtin.hosts.bitbucket_server.options import HostOptions, api_of, hosts_of
from callboard.builtin.hosts.bitbucket_server.reader import page_of, path_of
from callboard.builtin.hosts.discovery import Found, delta, has_wildcards, offered
from callboard.builtin.hosts.looking import at, list_at, required, text_at
from callboard.errors import InvalidConfiguration, InvalidInput, LocationNotFound
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
from callboard.model.pushes import bitbucket_server_urls

AT = "catalog.providers.bitbucketServer"
_USUAL_PATH = "/catalog-info.yaml"
_AT_ONCE = 100
_BELIEVED = (3.0, 6.0)
"""Hours between two looks for a file that was there."""
_MOST_KNOWN = 50_000
_DEFAULT_BRANCH = "bitbucket.org/default-branch"


class FilterOptions(Options):
    """Which repositories count."""

    project_key: str | None = None
    """A regular expression for some part of the key."""
    repo_slug: str | None = None
    """A regular expression for some part of the slug."""
    skip_archived_repos: bool = False


class DiscoveryOptions(Options):
    """One entry of `catalog.providers.bitbucketServer`."""

    host: str
    catalog_path: str = _USUAL_PATH
    filters: FilterOptions | None = None
    validate_locations_exist: bool = False
    schedule: Schedule | None = None


class BitbucketServerDiscovery(IncrementalEntityProvider):
    """The catalog files of all repositories of a Bitbucket Server, but those of people."""

    rest_seconds = 3600.0

    def __init__(
        self, name: str, options: DiscoveryOptions, api: Api, root: str, place: str, *, is_only: bool = True
    ) -> None:
        """*root* is what its URLs begin with; *is_only* says that there is no other Bitbucket Server.

        Raises InvalidConfiguration for filters that are none.
        """
        self.name = name
        self.schedule = options.schedule
        self._api = api
        self._root = root
        filters = options.filters or FilterOptions()
        self._project = pattern(filters.project_key or "", f"{place}.filters.projectKey")
        self._slug = pattern(filters.repo_slug or "", f"{place}.filters.repoSlug")
        self._skips_archived = filters.skip_archived_repos
        self._path = options.catalog_path.lstrip("/")
        self._looks = options.validate_locations_exist
        self._is_only = is_only
        self._had: dict[str, dt.datetime] = {}
        """Until when repositories are believed to have the file, by their URLs."""

    async def next(self, cursor: JsonValue) -> Page:
        """The next hundred repositories."""
        start = cursor.get("start") if isinstance(cursor, dict) else 0
        params: dict[str, str | int] = {"limit": _AT_ONCE, "start": start if isinstance(start, int) else 0}
        answer = await self._api.get("repos", params=params)
        _, following = page_of(answer.object(), self._api.base_url.host)
        told = list_at(answer.object(), "values")
        for each in told:
            required(at(each, "project", "key"), "the project of a repository")
            required(each.get("slug"), "the name of a repository")
        repositories = [each for each in told if self._admits(each)]
        exist = await asyncio.gather(*(self._still_exists(each) for each in repositories))
        found = [self._found(each) for each, exists in zip(repositories, exist, strict=True) if exists]
        return Page([offered(each, self.name) for each in found], cursor={"start": following}, done=following is None)

    async def _still_exists(self, repository: JsonObject) -> bool:
        """As `_exists`, but whoever had the file some hours ago is believed to have it: its Location looks at it."""
        known, now = self._had.get(str(self._url(repository))), self._api.clock.now()
        return (known is not None and now < known) or await self._exists(repository)

    async def _exists(self, repository: JsonObject, *, is_ours: bool = True) -> bool:
        """Whether the default branch has the file, where that matters."""
        if not self._looks and is_ours:
            return True
        key, slug = str(text_at(repository, "project", "key")), str(text_at(repository, "slug"))
        url = str(self._url(repository))
        self._had.pop(url, None)
        try:
            await self._api.get(f"{path_of(key, slug)}/browse/{self._path}", params={"type": "true"})
        except LocationNotFound:
            return False
        if len(self._had) < _MOST_KNOWN:
            # Not the same for all, so that they are not all asked in one round.
            hours = random.uniform(*_BELIEVED)  # noqa: S311 - no secret depends on it
            self._had[url] = self._api.clock.now() + dt.timedelta(hours=hours)
        return True

    def _admits(self, repository: JsonObject) -> bool:
        key, slug = text_at(repository, "project", "key"), text_at(repository, "slug")
        if key is None or slug is None or key.startswith("~") or (self._url(repository) is None):
            return False
        is_skipped = self._skips_archived and repository.get("archived") is True
        return not is_skipped and self._project.search(key) is not None and self._slug.search(slug) is not None

    def _url(self, repository: JsonValue) -> str | None:
        """Where the repository is; None when it is not on this host."""
        try:
            urls = bitbucket_server_urls(repository, [self._root]) if isinstance(repository, dict) else []
        except InvalidInput:
            return None
        return next((url for url in urls if url.startswith(f"{self._root}/")), None)

    def _target(self, repository: JsonValue) -> str | None:
        url = self._url(repository)
        return None if url is None else f"{url}/browse/{self._path}"

    def _found(self, repository: JsonObject) -> Found:
        branch = text_at(repository, "defaultBranch")
        annotations = {} if branch is None else {_DEFAULT_BRANCH: branch}
        return Found(target=self._target(repository) or "", annotations=annotations)

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """A push can bring or remove the file of a repository, which may get another name as well."""
        if webhook.system != "bitbucketServer":
            return
        body = webhook.body
        repository, new = at(body, "repository"), at(body, "new")
        match webhook.event:
            case "repo:refs_changed" if webhook.pushes:
                await self._settle(repository, None, connection)
            case "repo:forked":
                await self._settle(repository, None, connection)
            case "repo:deleted":
                await self._settle(None, repository, connection)
            case "repo:modified":
                await self._settle(new, at(body, "old"), connection)

    async def _settle(self, here: JsonValue, former: JsonValue, connection: ProviderConnection) -> None:
        """Apply that a repository is *here* now, and no longer where it was before."""
        targets = {target for each in (here, former) if (target := self._target(each)) is not None}
        added: list[Found] = []
        if isinstance(here, dict) and self._admits(here):
            # Not all versions say where they are; then there could be such a repository on another host.
            is_ours = self._is_only or at(here, "links", "self") is not None
            if await self._exists(here, is_ours=is_ours):
                added.append(self._found(here))
        removed = targets.difference(found.target for found in added)
        if added or removed:
            await connection.apply(delta(self.name, added=added, removed=sorted(removed)))


def discovery_of(context: PluginContext) -> list[BitbucketServerDiscovery]:
    """A provider for each entry of `catalog.providers.bitbucketServer`. Raises InvalidConfiguration."""
    entries = read_by_id(DiscoveryOptions, context.config.providers.get("bitbucketServer"), AT, flat=("host",))
    hosts = hosts_of(context.config.integrations.get("bitbucketServer"))
    providers: list[BitbucketServerDiscovery] = []
    for key, options in entries.items():
        place = AT if key == "default" else f"{AT}.{key}"
        host, host_at = _host(hosts, options, place)
        if not options.catalog_path.strip("/"):
            raise InvalidConfiguration(f"{place}.catalogPath: expected a path, got {options.catalog_path!r}")
        if options.validate_locations_exist and has_wildcards(options.catalog_path):
            raise InvalidConfiguration(
                f"{place}.validateLocationsExist: expected catalogPath to have no wildcards then"
            )
        api = api_of(context.outside, host, host_at)
        name = f"bitbucketServer-provider:{key}"
        providers.append(BitbucketServerDiscovery(name, options, api, host.web, place, is_only=len(hosts) == 1))
    return providers


def _host(hosts: list[tuple[HostOptions, str]], options: DiscoveryOptions, place: str) -> tuple[HostOptions, str]:
    for host, host_at in hosts:
        if host.host == options.host:
            return host, host_at
    raise InvalidConfiguration(f"{place}.host: expected a host of {HOSTS_AT}, got {options.host}")

"""Discovery of catalog files on Bitbucket Cloud: `catalog.providers.bitbucketCloud`, with Backstage's keys.

A round asks the code search of the workspace, project by project. Where the workspace has no code search, it lists the
repositories, each of which may have the file or not.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

from callboard.builtin.hosts.asking import Api
from callboard.builtin.hosts.bitbucket_cloud.options import api_of, host_of
from callboard.builtin.hosts.bitbucket_cloud.reader import TOO_EXPENSIVE, next_page, values
from callboard.builtin.hosts.discovery import Found, delta, fixed_folder, has_wildcards, matching, offered
from callboard.builtin.hosts.looking import at, required, text_at, understood
from callboard.errors import InvalidConfiguration, LocationNotFound, Unreadable
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
from callboard.model.pushes import Push

AT = "catalog.providers.bitbucketCloud"
_USUAL_PATH = "/catalog-info.yaml"
_USUAL_BRANCH = "master"
"""Of a repository that tells no main branch, as in Backstage."""
_LIKELY = ("main", "master", "develop")
_REPOSITORY_URL = "bitbucket.org/repo-url"
_HAPPENINGS = ("repo:updated", "repo:transfer", "repo:deleted")

_OF_REPOSITORY = ("slug", "full_name", "mainbranch.name", "project.key", "links.html.href")
_SEARCHED = "values.file.commit.repository"
_SEARCH_FIELDS = ",".join(
    [
        "-values.content_matches",
        "-values.*.links",
        "-values.*.*.links",
        "-values.*.*.*.links",
        *(f"+{_SEARCHED}.{name}" for name in _OF_REPOSITORY),
    ]
)
_MAIN = ("repository", "mainbranch", "name")
_TREE_FIELDS = f"next,values.path,values.type,values.commit.{'.'.join(_MAIN)}"
_DEEP = 20
"""Folders in one another."""
_LIST_FIELDS = ",".join(["next", *(f"values.{name}" for name in _OF_REPOSITORY)])


class FilterOptions(Options):
    """Which repositories count."""

    project_key: str | None = None
    """A regular expression for the whole key."""
    repo_slug: str | None = None
    """A regular expression for the whole slug."""


class DiscoveryOptions(Options):
    """One entry of `catalog.providers.bitbucketCloud`."""

    workspace: str
    catalog_path: str = _USUAL_PATH
    filters: FilterOptions | None = None
    pagelen: int = 100
    """So many results are asked for at once."""
    schedule: Schedule | None = None


class BitbucketCloudDiscovery(IncrementalEntityProvider):
    """The catalog files of all repositories of a workspace."""

    rest_seconds = 3600.0

    def __init__(self, name: str, options: DiscoveryOptions, api: Api, place: str) -> None:
        """Raises InvalidConfiguration for filters that are no regular expressions."""
        self.name = name
        self.schedule = options.schedule
        self._workspace = options.workspace
        self._api = api
        filters = options.filters or FilterOptions()
        self._project = _pattern(filters.project_key, f"{place}.filters.projectKey")
        self._slug = _pattern(filters.repo_slug, f"{place}.filters.repoSlug")
        self._written = options.catalog_path
        self._path = options.catalog_path.lstrip("/")
        self._size = max(1, min(100, options.pagelen))
        self._lists = False
        """Whether there is no code search, so that any repository may lack the file."""

    async def next(self, cursor: JsonValue) -> Page:
        """The next results of the search in one project, or the next repositories."""
        match cursor:
            case {"listed": str(url)}:
                return await self._listed(url)
            case {"projects": [str(project), *others], "next": (str() | None) as url}:
                return await self._searched(project, [str(other) for other in others], url)
            case _:
                return await self._begin()

    async def _begin(self) -> Page:
        projects = await self._projects()
        if not projects:
            return Page((), done=True)
        try:
            page = await self._searched(projects[0], projects[1:], None)
        except LocationNotFound:
            # The workspace is there, so it is the search that isn't: somebody has to enable it.
            self._lists = True
            return await self._listed(None)
        self._lists = False
        return page

    async def _projects(self) -> list[str]:
        """The keys of all projects that count. Raises Unreadable."""
        url: str | None = f"workspaces/{quote(self._workspace)}/projects"
        params: dict[str, str | int] | None = {"pagelen": 100, "fields": "values.key,next"}
        keys: list[str] = []
        while url is not None:
            try:
                answer = await self._api.get(url, params=params)
            except LocationNotFound as error:
                raise Unreadable(f"there is no workspace {self._workspace}, or it may not be seen: {error}") from error
            keys += [required(project.get("key"), "the key of a project") for project in values(answer)]
            url, params = next_page(answer), None
        return [key for key in keys if self._project is None or self._project.fullmatch(key)]

    async def _searched(self, project: str, others: Sequence[str], url: str | None) -> Page:
        """A page of what the search finds in *project*."""
        name = self._written.rpartition("/")[2]
        params: dict[str, str | int] = {
            "search_query": f'"{name}" path:{self._written} project:{project}',
            "pagelen": self._size,
            "fields": _SEARCH_FIELDS,
        }
        path = f"workspaces/{quote(self._workspace)}/search/code"
        answer = await (self._api.get(url) if url is not None else self._api.get(path, params=params))
        found = [hit for result in values(answer) if (hit := self._hit(result)) is not None]
        # What has more than one hit is told more than once.
        unique = {each.target: each for each in found}
        left: list[JsonValue] = list(others)
        following: JsonObject = {"projects": left, "next": None}
        if (url := next_page(answer)) is not None:
            following = {"projects": [project, *left], "next": url}
        done = not following["projects"]
        return Page([offered(each, self.name) for each in unique.values()], cursor=following, done=done)

    def _hit(self, result: JsonObject) -> Found | None:
        """A result of the search; None for one in the content of a file."""
        if not result.get("path_matches"):
            return None
        path = required(at(result, "file", "path"), "the path of a file that was found")
        told = at(result, "file", "commit", "repository")
        repository = understood(told if isinstance(told, dict) and _url(told) else None, f"the repository of {path}")
        return _found(repository, path, required=True) if self._admits(repository) else None

    async def _listed(self, url: str | None) -> Page:
        """A page of repositories."""
        params: dict[str, str | int] = {"pagelen": self._size, "fields": _LIST_FIELDS}
        path = f"repositories/{quote(self._workspace)}"
        answer = await (self._api.get(url) if url is not None else self._api.get(path, params=params))
        found = [
            _found(repository, self._path)
            for repository in (_whole(each) for each in values(answer))
            if isinstance(repository["mainbranch"], dict) and self._admits(repository)
        ]
        url = next_page(answer)
        return Page([offered(each, self.name) for each in found], cursor={"listed": url}, done=url is None)

    def _admits(self, repository: JsonObject) -> bool:
        key = text_at(repository, "project", "key") or ""
        return (self._project is None or self._project.fullmatch(key) is not None) and (
            self._slug is None or self._slug.fullmatch(_slug(repository)) is not None
        )

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """A push can bring or remove the file of a repository, which may get another name as well."""
        repository = webhook.body.get("repository")
        if webhook.system != "bitbucketCloud" or not isinstance(repository, dict):
            return
        is_pattern = has_wildcards(self._path)
        if webhook.event in _HAPPENINGS:
            if not is_pattern:
                await self._happened(webhook, repository, connection)
        elif self._reads(repository):
            for push in webhook.pushes:
                await (self._grown if is_pattern else self._pushed)(push, repository, connection)

    async def _pushed(self, push: Push, repository: JsonObject, connection: ProviderConnection) -> None:
        """One look, which tells whether the file is there and whether this is the main branch."""
        fields = "+commit.repository.mainbranch.name"
        path = f"repositories/{quote(str(repository['full_name']))}/src/{push.commit}/{quote(self._path)}"
        url = f"{push.branch.repository}/src/{push.branch.name}/{self._path}"
        try:
            answer = await self._api.get(path, params={"format": "meta", "fields": fields})
        except LocationNotFound:
            await connection.apply(delta(self.name, removed=[url]))
            return
        if text_at(answer.object(), "commit", "repository", "mainbranch", "name") == push.branch.name:
            annotations = {_REPOSITORY_URL: push.branch.repository}
            found = Found(target=url, required=not self._lists, annotations=annotations)
            await connection.apply(delta(self.name, added=[found]))

    async def _grown(self, push: Push, repository: JsonObject, connection: ProviderConnection) -> None:
        """The files of the main branch that match, from one list of them; what is gone goes with the next round."""
        url = push.branch.repository
        if await connection.refresh([f"url:{url}/src/{push.branch.name}/{self._path}"]):
            # There is no code search here, so the pattern itself is a Location, and is read again.
            return
        folder = fixed_folder(self._path)
        source = f"repositories/{quote(str(repository['full_name']))}/src/{push.commit}"
        # Only what ends like the pattern: of everything there may be many pages.
        ending = self._path.rpartition("*")[2].rpartition("/")[2].replace('"', "")
        params: dict[str, str | int] = {"max_depth": _DEEP, "pagelen": 100, "fields": _TREE_FIELDS}
        if ending:
            params["q"] = f'path ~ "{ending}"'
        try:
            answer = await self._api.get(
                f"{source}/{quote(folder)}/" if folder else f"{source}/", params=params, accepted=[TOO_EXPENSIVE]
            )
        except LocationNotFound:
            return
        if answer.status == TOO_EXPENSIVE:
            return
        files = [each for each in values(answer) if text_at(each, "commit", *_MAIN) == push.branch.name]
        paths = matching(self._path, [path for each in files if (path := text_at(each, "path")) is not None])
        added = [
            Found(target=f"{url}/src/{push.branch.name}/{path}", required=True, annotations={_REPOSITORY_URL: url})
            for path in paths
        ]
        if added:
            await connection.apply(delta(self.name, added=added))

    async def _happened(self, webhook: Webhook, repository: JsonObject, connection: ProviderConnection) -> None:
        """What goes by another name now, or is gone, goes; what is new is looked up."""
        here, is_gone = _url(repository), webhook.event == "repo:deleted"
        former = here if is_gone else _former_url(webhook.body)
        if former is None or (former == here and not is_gone):
            return
        if not self._reads(repository) and not self._had(former):
            return
        # A webhook doesn't say what the main branch was; that of an unusual name is found by the next round.
        removed = [f"{former}/src/{branch}/{self._path}" for branch in _LIKELY]
        added: list[Found] = []
        if not is_gone and self._reads(repository):
            path = f"repositories/{quote(str(repository['full_name']))}"
            told = (await self._api.get(path, params={"fields": ",".join(_OF_REPOSITORY)})).object()
            if isinstance(told.get("mainbranch"), dict):
                removed.append(f"{former}/src/{_main(told)}/{self._path}")
                added.append(_found(told, self._path, required=not self._lists))
        await connection.apply(delta(self.name, added=added, removed=removed))

    def _reads(self, repository: JsonObject) -> bool:
        """Whether *repository* is one of the workspace that counts."""
        name = text_at(repository, "full_name") or ""
        if "/" not in name or _url(repository) is None:
            return False
        return name.partition("/")[0].lower() == self._workspace.lower() and self._admits(repository)

    def _had(self, url: str) -> bool:
        """Whether the repository with this *url* was one of the workspace."""
        parts = url.split("/")
        return len(parts) == 5 and parts[3].lower() == self._workspace.lower()


def _found(repository: JsonObject, path: str, *, required: bool = False) -> Found:
    url = _url(repository) or f"https://bitbucket.org/{repository.get('full_name')}"
    branch = _main(repository) or _USUAL_BRANCH
    return Found(target=f"{url}/src/{branch}/{path}", required=required, annotations={_REPOSITORY_URL: url})


def _whole(repository: JsonObject) -> JsonObject:
    """A repository of a list; one that is empty has no main branch. Raises Unreadable when it lacks what is needed."""
    required(repository.get("full_name"), "the name of a repository")
    understood(_url(repository), "the address of a repository")
    return {"mainbranch": None, **repository}


def _main(repository: JsonObject) -> str | None:
    return text_at(repository, "mainbranch", "name")


def _slug(repository: JsonObject) -> str:
    # Webhooks leave it out.
    return text_at(repository, "slug") or str(repository.get("full_name")).rpartition("/")[2]


def _url(repository: JsonObject) -> str | None:
    return text_at(repository, "links", "html", "href")


def _former_url(body: JsonObject) -> str | None:
    """Where the repository was before."""
    name = text_at(body, "changes", "full_name", "old")
    href = text_at(body, "changes", "links", "old", "html", "href")
    return href or (None if name is None else f"https://bitbucket.org/{name}")


def _pattern(text: str | None, place: str) -> "re.Pattern[str] | None":
    return None if text is None else pattern(text, place)


def discovery_of(context: PluginContext) -> list[BitbucketCloudDiscovery]:
    """A provider for each entry of `catalog.providers.bitbucketCloud`. Raises InvalidConfiguration."""
    entries = read_by_id(DiscoveryOptions, context.config.providers.get("bitbucketCloud"), AT, flat=("workspace",))
    host, host_at = host_of(context.config.integrations.get("bitbucketCloud"))
    providers: list[BitbucketCloudDiscovery] = []
    for key, options in entries.items():
        place = AT if key == "default" else f"{AT}.{key}"
        if not options.workspace or not options.catalog_path.strip("/"):
            missing = "workspace" if not options.workspace else "catalogPath"
            raise InvalidConfiguration(f"{place}.{missing}: expected a text, got an empty one")
        api = api_of(context.outside, host, host_at)
        providers.append(BitbucketCloudDiscovery(f"bitbucketCloud-provider:{key}", options, api, place))
    return providers

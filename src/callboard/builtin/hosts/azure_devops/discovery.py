"""Discovery of catalog files on Azure DevOps: `catalog.providers.azureDevOps`, with Backstage's keys.

A round asks the code search of the organization. Where there is none, it lists the repositories, each of which may have
the file or not.
"""

from collections.abc import Sequence
from urllib.parse import quote

from callboard.builtin.hosts.azure_devops.accounts import Accounts
from callboard.builtin.hosts.azure_devops.options import AT as HOSTS_AT
from callboard.builtin.hosts.azure_devops.options import USUAL_HOST, HostOptions
from callboard.builtin.hosts.azure_devops.reader import Named, named_by
from callboard.builtin.hosts.discovery import (
    Found,
    delta,
    fixed_folder,
    has_wildcards,
    matches,
    matching,
    offered,
    pushes_to,
)
from callboard.builtin.hosts.looking import at, list_at, objects_at, required, text_at, understood
from callboard.builtin.hosts.places import address_of
from callboard.errors import InvalidConfiguration, LocationNotFound
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
from callboard.extend.configuration import Options, read_by_id
from callboard.model.repositories import azure_roots

AT = "catalog.providers.azureDevOps"
_USUAL_PATH = "/catalog-info.yaml"
_MOST_AT_ONCE = 1000
_SEARCH_VERSION = "6.0-preview.1"
_URI = ";/?:@&=+$,#-_.!~*'()"
"""What JavaScript's `encodeURI` leaves as it is, which Backstage writes these URLs with."""


class DiscoveryOptions(Options):
    """One entry of `catalog.providers.azureDevOps`."""

    organization: str
    project: str = "*"
    """A name, or a pattern."""
    host: str = USUAL_HOST
    repository: str = "*"
    """A name, or a pattern."""
    branch: str | None = None
    """Whose file is read; None: that of the default branch."""
    path: str = _USUAL_PATH
    schedule: Schedule | None = None


class AzureDevOpsDiscovery(IncrementalEntityProvider):
    """The catalog files of all repositories of an organization."""

    rest_seconds = 3600.0

    def __init__(self, name: str, options: DiscoveryOptions, accounts: Accounts) -> None:
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._accounts = accounts
        self._path = f"/{options.path.lstrip('/')}"
        self._lists = False
        """Whether there is no code search, so that any repository may lack the file."""

    async def next(self, cursor: JsonValue) -> Page:
        """The next results of the search, or all repositories."""
        skip = cursor.get("skip") if isinstance(cursor, dict) else 0
        try:
            page = await self._searched(skip if isinstance(skip, int) else 0)
        except LocationNotFound:
            if skip:
                raise
            # Code search is an extension that may not be installed.
            self._lists = True
            return await self._listed()
        self._lists = False
        return page

    async def _searched(self, skip: int) -> Page:
        options = self._options
        body: JsonObject = {
            "searchText": f"path:{self._path} repo:{options.repository or '*'} proj:{options.project or '*'}",
            "$orderBy": [{"field": "path", "sortOrder": "ASC"}],
            "$skip": skip,
            "$top": _MOST_AT_ONCE,
        }
        answer = await self._accounts.search(options.organization).ask(
            "POST",
            f"{quote(options.organization)}/_apis/search/codesearchresults",
            params={"api-version": _SEARCH_VERSION},
            body=body,
        )
        results = list_at(answer.object(), "results")
        # A branch that is searched as well tells the same file again.
        found = {each.target: each for result in results if (each := self._hit(result)) is not None}
        total, there = answer.object().get("count"), skip + len(results)
        more = bool(results) and isinstance(total, int) and total > there
        return Page([offered(each, self.name) for each in found.values()], cursor={"skip": there}, done=not more)

    def _hit(self, result: JsonObject) -> Found | None:
        project, name = understood(
            _place({**result, "name": at(result, "repository", "name")}), "a file that was found"
        )
        path = required(result.get("path"), f"the path of a file in {project}/{name}")
        branches = [text_at(version, "branchName") for version in objects_at(result, "versions")]
        if self._options.branch is not None and branches and self._options.branch not in branches:
            return None
        return self._found(project, name, path)

    async def _listed(self) -> Page:
        """All repositories: Azure DevOps has no pages of them."""
        project, organization = self._options.project, self._options.organization
        within = quote(organization) if has_wildcards(project) else f"{quote(organization)}/{quote(project)}"
        api = self._accounts.of(organization)
        params = {"api-version": self._accounts.options.api_version}
        repositories = list_at((await api.get(f"{within}/_apis/git/repositories", params=params)).object(), "value")
        found = [
            self._found(*place, self._path)
            for repository in repositories
            if self._admits(*(place := understood(_place(repository), "a repository")))
            and repository.get("isDisabled") is not True
            and (self._options.branch is not None or text_at(repository, "defaultBranch") is not None)
        ]
        return Page([offered(each, self.name) for each in found], done=True)

    def _admits(self, project: str, name: str) -> bool:
        return matches([self._options.project or "*"], project) and matches([self._options.repository or "*"], name)

    def _found(self, project: str, name: str, path: str) -> Found:
        return Found(target=self._target(project, name, path), required=not self._lists)

    def _target(self, project: str, name: str, path: str) -> str:
        options = self._options
        branch = "" if options.branch is None else f"&version=GB{options.branch}"
        root = f"https://{options.host}/{options.organization}"
        return quote(f"{root}/{project}/_git/{name}?path={path}{branch}", safe=_URI)

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """A push can bring or remove the file of a repository, which may get another name as well."""
        if webhook.system != "azureDevOps":
            return
        repository = at(webhook.body, "resource", "repository")
        named = _named(repository)
        if has_wildcards(self._path):
            is_meant = named is not None and self._is_ours(named) and self._admits(named.project, named.name)
            if named is not None and is_meant and pushes_to(webhook, self._options.branch):
                await self._grown(named, connection)
        elif webhook.event == "git.repo.deleted":
            await self._removed(webhook.body, connection)
        elif named is not None and self._is_ours(named):
            if webhook.event == "git.repo.renamed" and (old := text_at(webhook.body, "resource", "oldName")):
                await self._renamed(named, old, connection)
            elif self._admits(named.project, named.name) and pushes_to(webhook, self._options.branch):
                await self._pushed(named, connection)

    async def _pushed(self, named: Named, connection: ProviderConnection) -> None:
        """What counts is the branch as it is now: webhooks come in any order, and may not say which is the default."""
        found = self._found(named.project, named.name, self._path)
        if await self._has_file(named):
            await connection.apply(delta(self.name, added=[found]))
        else:
            await connection.apply(delta(self.name, removed=[found.target]))

    async def _grown(self, named: Named, connection: ProviderConnection) -> None:
        """The files of the branch that counts that match, from one list; what is gone goes with the next round."""
        if await connection.refresh([f"url:{self._target(named.project, named.name, self._path)}"]):
            # There is no code search here, so the pattern itself is a Location, and is read again.
            return
        params = {"scopePath": f"/{fixed_folder(self._path)}", "recursionLevel": "full", **self._version()}
        try:
            answer = await self._accounts.of(named.organization).get(f"{named.path}/items", params=params)
        except LocationNotFound:
            return
        entries = [each for each in list_at(answer.object(), "value") if each.get("gitObjectType") == "blob"]
        paths = matching(self._path, [(text_at(each, "path") or "").strip("/") for each in entries])
        if paths:
            added = [self._found(named.project, named.name, f"/{path}") for path in paths]
            await connection.apply(delta(self.name, added=added))

    async def _renamed(self, named: Named, old: str, connection: ProviderConnection) -> None:
        """What was there under the old name goes, and what is there under the new one comes."""
        former = self._target(named.project, old, self._path)
        added: list[Found] = []
        if self._admits(named.project, named.name) and await self._has_file(named):
            added.append(self._found(named.project, named.name, self._path))
        await connection.apply(delta(self.name, added=added, removed=[former]))

    async def _has_file(self, named: Named) -> bool:
        """Whether the branch that counts has the file."""
        params = {"path": self._path, "$format": "json", **self._version()}
        try:
            await self._accounts.of(named.organization).get(f"{named.path}/items", params=params)
        except LocationNotFound:
            return False
        return True

    def _version(self) -> dict[str, str]:
        """What asks for the branch that counts."""
        params = {"api-version": self._accounts.options.api_version}
        if self._options.branch is not None:
            params["versionDescriptor.version"] = self._options.branch
            params["versionDescriptor.versionType"] = "branch"
        return params

    async def _removed(self, body: JsonObject, connection: ProviderConnection) -> None:
        project, name = text_at(body, "resource", "project", "name"), text_at(body, "resource", "repositoryName")
        containers = at(body, "resourceContainers")
        bases = [text_at(each, "baseUrl") for each in (containers.values() if isinstance(containers, dict) else ())]
        root = f"https://{self._options.host}/{self._options.organization}".lower()
        if project is not None and name is not None and root in [(base or "").rstrip("/").lower() for base in bases]:
            await connection.apply(delta(self.name, removed=[self._target(project, name, self._path)]))

    def _is_ours(self, named: Named) -> bool:
        return named.organization.lower() == self._options.organization.lower()


def _place(repository: JsonValue) -> tuple[str, str] | None:
    project, name = text_at(repository, "project", "name"), text_at(repository, "name")
    return None if project is None or name is None else (project, name)


def _named(repository: JsonValue) -> Named | None:
    """The repository that a webhook tells of."""
    url = text_at(repository, "remoteUrl")
    address = None if url is None else address_of(azure_roots(url)[0])
    return None if address is None else named_by(address)


def discovery_of(context: PluginContext, hosts: Sequence[tuple[HostOptions, str]]) -> list[AzureDevOpsDiscovery]:
    """A provider for each entry of `catalog.providers.azureDevOps`. Raises InvalidConfiguration."""
    entries = read_by_id(
        DiscoveryOptions, context.config.providers.get("azureDevOps"), AT, flat=("organization", "path")
    )
    providers: list[AzureDevOpsDiscovery] = []
    for key, options in entries.items():
        place = AT if key == "default" else f"{AT}.{key}"
        own = next(((host, host_at) for host, host_at in hosts if host.host == options.host), None)
        if own is None and options.host == USUAL_HOST:
            own = (HostOptions(), HOSTS_AT)
        if own is None:
            raise InvalidConfiguration(f"{place}.host: expected a host of {HOSTS_AT}, got {options.host}")
        if not options.organization or not options.path.strip("/"):
            missing = "organization" if not options.organization else "path"
            raise InvalidConfiguration(f"{place}.{missing}: expected a text, got an empty one")
        accounts = Accounts(context.outside, *own)
        providers.append(AzureDevOpsDiscovery(f"AzureDevOpsEntityProvider:{key}", options, accounts))
    return providers

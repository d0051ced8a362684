"""The reader of Azure DevOps, and of Azure DevOps Server (learn.microsoft.com/rest/api/azure/devops/git).

URLs of files name the path and the branch in their query: `…/_git/repository?path=/a.yaml&version=GBmain`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

from callboard.builtin.hosts.asking import Api
from callboard.builtin.hosts.azure_devops.accounts import Accounts
from callboard.builtin.hosts.looking import list_at, required
from callboard.builtin.hosts.places import Address, Target, address_of, is_commit
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import LocationNotFound, Unreadable
from callboard.extend import Outside, Repository
from callboard.model.repositories import place_in_query

_OLD = re.compile(r"(?P<organization>[^.]+)\.visualstudio\.com", re.IGNORECASE)
_TAG = "refs/tags/"


@dataclass(frozen=True, slots=True)
class Named:
    """A repository, as a URL names it."""

    organization: str
    """With the collection, on a server of one's own: `tfs/DefaultCollection`."""
    project: str
    name: str
    length: int = 0
    """How many segments of the URL name it."""

    @property
    def path(self) -> str:
        """Where it is in the API."""
        return f"{quote(self.organization)}/{quote(self.project)}/_apis/git/repositories/{quote(self.name)}"


class AzureDevOps(Repositories):
    """One Azure DevOps (an `extend.CodeHost`)."""

    annotation = "dev.azure.com/project-repo"

    def __init__(self, outside: Outside, accounts: Accounts) -> None:
        super().__init__(accounts.options.host, outside.clock)
        self._accounts = accounts
        self._version = accounts.options.api_version

    def covers(self, url: str) -> bool:
        """Whether *url* is on the host, or on one with the former name of it."""
        address = address_of(url)
        if address is None:
            return False
        host = address.origin.partition("://")[2]
        is_old = self._accounts.options.host == "dev.azure.com" and _OLD.fullmatch(host) is not None
        return address.origin.startswith("https://") and (host == self.name or is_old)

    def target(self, url: str) -> Target | None:
        """Of `/organization/project/_git/repository?path=/path&version=GBbranch`."""
        address = address_of(url)
        if address is None or not self.covers(url) or (named := named_by(address)) is None:
            return None
        said = dict(parse_qsl(address.query, keep_blank_values=True))
        is_right, ref = _ref(said.get("version"))
        # As a browser writes it, and Backstage: others have to be found under the same name.
        place = place_in_query(f"{address.beginning(len(address.segments))}?{_query(said)}")
        if not is_right or place is None or not place.path.strip("/"):
            return None
        return Target(repository=named.path, ref=ref, place=place)

    def repository(self, url: str) -> Repository | None:
        """Of everything that begins with `/organization/project/_git/repository`."""
        address = address_of(url)
        if address is None or not self.covers(url) or (named := named_by(address)) is None:
            return None
        slug = f"{named.project}/{named.name}"
        root = address.beginning(named.length)
        return Repository(url=root, name=named.name, slug=slug, annotation=self.annotation)

    def links(self, target: str) -> Mapping[str, str]:
        """The folder of the source, and the page of the file, which has an editor for branches."""
        found = self.target(target)
        if found is None:
            return {}
        links = {"backstage.io/source-location": f"url:{self.folder_url(found)}"}
        is_branch = not found.is_commit and not (found.ref or "").startswith(_TAG)
        return {**links, "backstage.io/edit-url": target} if is_branch else links

    def folder_url(self, target: Target) -> str:
        """The page of the folder."""
        folder = target.path.rpartition("/")[0]
        return target.url(f"{folder}/" if folder else "")

    async def root(self, url: str) -> Target:
        """The root of the branch that *url* names, or of the default branch."""
        address, repository = address_of(url), self.repository(url)
        if address is None or repository is None:
            raise LocationNotFound(f"{url} does not lead to a repository on {self.name}")
        version = dict(parse_qsl(address.query)).get("version")
        query = {"path": "/x"} if version is None else {"path": "/x", "version": version}
        target = self.target(f"{repository.url}?{urlencode(query)}")
        if target is None:
            raise LocationNotFound(f"{url} names the version {version} of a repository, which is none")
        return target

    async def head(self, wanted: Head) -> str:
        """With one request."""
        params: dict[str, str | int] = {"searchCriteria.$top": 1, "api-version": self._version}
        if wanted.ref is not None:
            params["searchCriteria.itemVersion.version"] = wanted.ref.removeprefix(_TAG)
            params["searchCriteria.itemVersion.versionType"] = "tag" if wanted.ref.startswith(_TAG) else "branch"
        answer = await self._api(wanted.repository).get(f"{wanted.repository}/commits", params=params)
        commits = list_at(answer.object(), "value")
        if commits:
            return required(commits[0].get("commitId"), f"the commit of {unquote(wanted.repository)}")
        where = f"{wanted.ref or 'the default branch'} of {unquote(wanted.repository)}"
        raise LocationNotFound(f"there is no commit at {where} on {self.name}")

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The content."""
        params = {"path": f"/{target.path}", **self._at(commit), "download": "true", "$format": "octetStream"}
        headers = {"accept": "application/octet-stream"}
        api = self._api(target.repository)
        answer = await api.get(f"{target.repository}/items", params=params, headers=headers, etag=etag)
        if answer.is_unchanged:
            return None
        if answer.headers.get("content-type", "").startswith("application/zip") and not target.path.endswith(".zip"):
            raise LocationNotFound(f"{target.path} of {unquote(target.repository)} on {self.name} is a folder")
        return File(answer.body, answer.etag)

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """Everything with one request, or what is below *folder* when everything is too much."""
        try:
            return Listing(await self._listed(target, commit, ""))
        except Unreadable as error:
            if not folder or error.retry_at is not None:
                raise
        try:
            return Listing(await self._listed(target, commit, folder), folder)
        except LocationNotFound:
            return Listing((), folder)

    async def _listed(self, target: Target, commit: str, folder: str) -> list[str]:
        params = {"scopePath": f"/{folder}", "recursionLevel": "full", **self._at(commit)}
        answer = await self._api(target.repository).get(f"{target.repository}/items", params=params)
        entries = [entry for entry in list_at(answer.object(), "value") if entry.get("gitObjectType") == "blob"]
        return [required(entry.get("path"), "the path of a file").strip("/") for entry in entries]

    async def branches(self, target: Target) -> Sequence[str]:
        """None: where a branch is named, its name is told from the path."""
        return ()

    def _at(self, commit: str) -> dict[str, str]:
        return {
            "versionDescriptor.version": commit,
            "versionDescriptor.versionType": "commit",
            "api-version": self._version,
        }

    def _api(self, repository: str) -> Api:
        path = repository.partition("/_apis/")[0]
        # On a server of one's own the collection is part of it.
        return self._accounts.of(unquote(path.rpartition("/")[0]))


def named_by(address: Address) -> Named | None:
    """The repository that a URL names; None when it names none."""
    segments = [unquote(segment) for segment in address.segments]
    if "_git" not in segments or len(segments) < (at := segments.index("_git")) + 2:
        return None
    name, before = segments[at + 1], segments[:at]
    old = _OLD.fullmatch(address.origin.partition("://")[2])
    if old is not None:
        before = [old["organization"], *(part for part in before if part != "DefaultCollection")]
    if not before or len(before) > 3:
        return None
    # A repository that is called like its project may be named without it.
    organization, project = (before[:-1], before[-1]) if len(before) > 1 else (before, name)
    return Named("/".join(organization), project, name, at + 2)


def _ref(version: str | None) -> tuple[bool, str | None]:
    """Whether this is the version of a file, and which one."""
    kind, name = (version or "")[:2], (version or "")[2:]
    match kind:
        case "":
            return True, None
        case "GB":
            return bool(name), name
        case "GT":
            return bool(name), f"{_TAG}{name}"
        case "GC":
            return is_commit(name), name
    return False, None


def _query(said: Mapping[str, str]) -> str:
    return urlencode(said, safe="*")

"""The reader of Bitbucket Server and Data Center (developer.atlassian.com/server/bitbucket/rest).

URLs of files name the branch in their query: `/projects/KEY/repos/slug/browse/a.yaml?at=refs/heads/main`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote

from callboard.builtin.hosts.asking import Api
from callboard.builtin.hosts.bitbucket_server.options import HostOptions, api_of
from callboard.builtin.hosts.looking import list_at, required
from callboard.builtin.hosts.places import Address, Target, address_of, plain_ref
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import LocationNotFound, Unreadable
from callboard.extend import JsonObject, JsonValue, Outside, Repository
from callboard.model.repositories import Place

_FORMS = ("browse", "raw")
_MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Named:
    """A repository, as a URL names it."""

    project: str
    """The key; that of a person begins with a tilde."""
    slug: str
    length: int
    """How many segments of the URL name it."""

    @property
    def path(self) -> str:
        """Where it is in the API."""
        return path_of(self.project, self.slug)


class BitbucketServer(Repositories):
    """One Bitbucket Server (an `extend.CodeHost`)."""

    def __init__(self, outside: Outside, options: HostOptions, place: str) -> None:
        super().__init__(options.host, outside.clock)
        self._api = api_of(outside, options, place)
        self._root = options.web
        self._before = len((address_of(options.web) or Address("", "", (), "", "")).segments)

    def covers(self, url: str) -> bool:
        """Whether *url* is one of this Bitbucket."""
        return url.startswith(f"{self._root}/")

    def target(self, url: str) -> Target | None:
        """Of `/projects/KEY/repos/slug/browse/path?at=ref`, or `/users/name/repos/…`."""
        address = address_of(url)
        if address is None or not self.covers(url) or (named := self._named(address)) is None:
            return None
        rest = address.segments[named.length :]
        if len(rest) < 2 or rest[0] not in _FORMS:
            return None
        said = parse_qs(address.query).get("at")
        suffix = f"?{address.query}" if address.query else ""
        place = Place(f"{address.beginning(named.length + 1)}/", "/".join(rest[1:]), suffix)
        return Target(repository=named.path, ref=plain_ref(said[0]) if said else None, place=place)

    def repository(self, url: str) -> Repository | None:
        """Of everything below `/projects/KEY/repos/slug`, and of addresses for git."""
        address = address_of(url)
        if address is None or not self.covers(url) or (named := self._named(address)) is None:
            return None
        root = f"{self._root}/projects/{quote(named.project, safe='~')}/repos/{quote(named.slug)}"
        return Repository(url=root, name=named.slug, slug=f"{named.project}/{named.slug}")

    def edit_url(self, target: Target) -> str:
        """The page of the file: there is no page for editing. Without the branch, as in Backstage."""
        return f"{target.place.prefix}{target.place.written}"

    async def root(self, url: str) -> Target:
        """The root of the ref that *url* names, or of the default branch."""
        address, repository = address_of(url), self.repository(url)
        if address is None or repository is None:
            raise LocationNotFound(f"{url} does not lead to a repository on {self.name}")
        query = f"?{address.query}" if "at" in parse_qs(address.query) else ""
        target = self.target(f"{repository.url}/browse/x{query}")
        assert target is not None
        return target

    async def head(self, wanted: Head) -> str:
        """With one request."""
        params: dict[str, str | int] = {"limit": 1}
        if wanted.ref is not None:
            params["until"] = wanted.ref
        answer = await self._api.get(f"{wanted.repository}/commits", params=params)
        commits = list_at(answer.object(), "values")
        if commits:
            return required(commits[0].get("id"), f"the commit of {wanted.repository}")
        where = f"{wanted.ref or 'the default branch'} of {wanted.repository}"
        raise LocationNotFound(f"there is no commit at {where} on {self.name}")

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The content."""
        path = f"{target.repository}/raw/{quote(target.path)}"
        answer = await self._api.get(path, params={"at": commit}, headers={"accept": "*/*"}, etag=etag)
        return None if answer.is_unchanged else File(answer.body, answer.etag)

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """What is below *folder*, a thousand at a time."""
        path = f"{target.repository}/files{f'/{quote(folder)}' if folder else ''}"
        beginning = f"{folder}/" if folder else ""
        found: list[str] = []
        try:
            async for values in pages(self._api, path, {"at": commit}):
                found += [f"{beginning}{required(name, 'the path of a file')}" for name in values]
        except LocationNotFound:
            if not folder:
                raise
        return Listing(found, folder)

    async def branches(self, target: Target) -> Sequence[str]:
        """None: where a branch is named, its name is told from the path."""
        return ()

    def _named(self, address: Address) -> Named | None:
        match [unquote(segment) for segment in address.segments[self._before :]]:
            case ["projects", project, "repos", slug, *_]:
                return Named(project, slug, self._before + 4)
            case ["users", person, "repos", slug, *_]:
                return Named(f"~{person}", slug, self._before + 4)
            case ["scm", project, slug] if slug.endswith(".git"):
                return Named(project.upper(), slug.removesuffix(".git"), self._before + 3)
        return None


def path_of(project: str, slug: str) -> str:
    """Where a repository is in the API."""
    return f"projects/{quote(project, safe='~')}/repos/{quote(slug)}"


async def pages(api: Api, path: str, params: Mapping[str, str | int]) -> AsyncIterator[list[JsonValue]]:
    """All pages of a list."""
    start: int | None = 0
    while start is not None:
        answer = (await api.get(path, params={"limit": _MOST_AT_ONCE, **params, "start": start})).object()
        values, start = page_of(answer, api.base_url.host)
        yield values


def page_of(answer: JsonObject, host: str) -> tuple[list[JsonValue], int | None]:
    """What is on a page of a list, and where the next one begins. Raises Unreadable."""
    values, following = answer.get("values"), answer.get("nextPageStart")
    if not isinstance(values, list):
        raise Unreadable(f"{host} answered {type(values).__name__} as values, where a list was expected")
    is_more = answer.get("isLastPage") is False
    return values, following if is_more and isinstance(following, int) else None

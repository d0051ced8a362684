"""The reader of Bitbucket Cloud (developer.atlassian.com/cloud/bitbucket/rest).

Bitbucket tells of one branch at a time, so that a round makes one request for each repository in which nothing has
changed.
"""

from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import quote, unquote, urlencode

from callboard.builtin.hosts.asking import Answer
from callboard.builtin.hosts.bitbucket_cloud.options import HostOptions, api_of
from callboard.builtin.hosts.looking import list_at, required, text_at
from callboard.builtin.hosts.places import Address, Target, address_of, is_commit
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import LocationNotFound, Unreadable
from callboard.extend import JsonObject, Outside, Repository
from callboard.model.repositories import Place

_FORMS = ("src", "raw", "annotate")
_MOST_AT_ONCE = 100
_DEEP = 20
"""So many folders below one another are listed with one request."""
TOO_EXPENSIVE = 555
"""The answer of Bitbucket to a list that takes it too long."""
_KEPT = 600.0
"""Seconds for which it is known what the main branch of a repository is called."""
_MOST_KEPT = 10_000


class BitbucketCloud(Repositories):
    """Bitbucket Cloud (an `extend.CodeHost`)."""

    annotation = "bitbucket.org/project-slug"

    def __init__(self, outside: Outside, options: HostOptions, at: str) -> None:
        super().__init__(options.host)
        self.api = api_of(outside, options, at)
        self._clock = outside.clock
        self._root = f"https://{options.host}"
        self._mains: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def covers(self, url: str) -> bool:
        """Whether *url* is on the host."""
        return url.startswith(f"{self._root}/")

    def target(self, url: str) -> Target | None:
        """Of `/workspace/repository/src/ref/path`, where the query may say what the branch is called: `?at=…`."""
        address = address_of(url)
        if address is None or not self.covers(url):
            return None
        if len(address.segments) < 4 or address.segments[2] not in _FORMS:
            return None
        return _at(address) or address.target(_slug(address), ref_at=3, form=())

    def repository(self, url: str) -> Repository | None:
        """Of everything below `/workspace/repository`."""
        address = address_of(url)
        if address is None or not self.covers(url) or len(address.segments) < 2:
            return None
        slug = _slug(address)
        return Repository(
            url=f"{self._root}/{slug}", name=slug.partition("/")[2], slug=slug, annotation=self.annotation
        )

    def edit_url(self, target: Target) -> str:
        """The page with an editor, which has to be told the branch."""
        return f"{self._page(target, target.path)}?{urlencode({'mode': 'edit', 'at': target.ref or 'HEAD'})}"

    def folder_url(self, target: Target) -> str:
        """The page of the folder."""
        folder = target.path.rpartition("/")[0]
        return self._page(target, f"{folder}/" if folder else "")

    def _page(self, target: Target, path: str) -> str:
        prefix = f"{self._root}/{target.repository}/src/{quote(target.ref or 'HEAD', safe='/')}/"
        return Place(prefix, "").at(path).url

    async def root(self, url: str) -> Target:
        """The root of the ref that *url* names, or of the main branch."""
        repository = self.repository(url)
        if repository is None or repository.slug is None:
            raise LocationNotFound(f"{url} does not lead to a repository on {self.name}")
        named = self.target(url) or self.target(f"{url.rstrip('/')}/x")
        ref = named.ref if named is not None and named.ref is not None else await self._main(repository.slug)
        place = Place(f"{repository.url}/src/{quote(ref, safe='/')}/", "x")
        return Target(repository=repository.slug, ref=ref, place=place)

    async def head(self, wanted: Head) -> str:
        """With one request; with one more now and then where the main branch is meant."""
        try:
            ref = wanted.ref or await self._main(wanted.repository)
            # As a parameter: in a path, a ref must not have slashes.
            params: dict[str, str | int] = {"include": ref, "pagelen": 1, "fields": "values.hash"}
            answer = await self.api.get(f"repositories/{_quoted(wanted.repository)}/commits", params=params)
            commits = values(answer)
            if commits:
                return required(commits[0].get("hash"), f"the commit of {wanted.repository}")
        except LocationNotFound as error:
            if wanted.ref is None:
                self._mains.pop(wanted.repository, None)
            missing = f"there is no {wanted.ref or 'main branch'} in {wanted.repository}: {error}"
            raise LocationNotFound(missing) from error
        raise LocationNotFound(f"there is no commit at {ref} in {wanted.repository} on {self.name}")

    async def _main(self, repository: str) -> str:
        """The name of the main branch, as it was less than ten minutes ago."""
        now = self._clock.monotonic()
        at, name = self._mains.get(repository, (0.0, ""))
        if name and now - at < _KEPT:
            return name
        answer = await self.api.get(f"repositories/{_quoted(repository)}", params={"fields": "mainbranch.name"})
        found = text_at(answer.object(), "mainbranch", "name")
        if found is None:
            raise LocationNotFound(f"{repository} on {self.name} is empty: it has no main branch")
        self._mains[repository] = (now, found)
        if len(self._mains) > _MOST_KEPT:
            self._mains.popitem(last=False)
        return found

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The content."""
        path = f"repositories/{_quoted(target.repository)}/src/{commit}/{quote(target.path)}"
        answer = await self.api.get(path, headers={"accept": "*/*"}, etag=etag)
        if answer.is_unchanged:
            return None
        if _is_folder(answer):
            raise LocationNotFound(f"{target.path} of {target.repository} on {self.name} is a folder")
        return File(answer.body, answer.etag)

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """A hundred at a time, and folder by folder where the whole would take Bitbucket too long."""
        source = f"repositories/{_quoted(target.repository)}/src/{commit}"
        try:
            return Listing(await self._below(source, folder, _DEEP), folder)
        except LocationNotFound:
            if not folder:
                raise
            return Listing((), folder)

    async def _below(self, source: str, folder: str, depth: int) -> list[str]:
        """The paths of all files in *folder*, and in the folders below it."""
        params: dict[str, str | int] | None = {
            "max_depth": depth,
            "pagelen": _MOST_AT_ONCE,
            "fields": "values.path,values.type,next",
        }
        level = folder.count("/") + 1 if folder else 0
        url: str | None = f"{source}/{quote(folder)}/" if folder else f"{source}/"
        paths: list[str] = []
        deeper: list[str] = []
        while url is not None:
            answer = await self.api.get(url, params=params, accepted=[TOO_EXPENSIVE])
            if answer.status == TOO_EXPENSIVE:
                if depth == 1:
                    raise Unreadable(f"{self.name} can not list {folder or 'the root'} of {source}: it takes too long")
                return await self._below(source, folder, 1)
            for path, kind in _entries(answer):
                if kind == "commit_file":
                    paths.append(path)
                elif path.count("/") + 1 == level + depth:
                    deeper.append(path)
            url, params = next_page(answer), None
        for path in deeper:
            paths += await self._below(source, path, _DEEP)
        return paths

    async def branches(self, target: Target) -> Sequence[str]:
        """Those whose name has that of the ref in it, and the tags."""
        text = (target.ref or "").replace("\\", "\\\\").replace('"', '\\"')
        params: dict[str, str | int] | None = {
            "q": f'name ~ "{text}/"',
            "pagelen": _MOST_AT_ONCE,
            "fields": "values.name,next",
        }
        url: str | None = f"repositories/{_quoted(target.repository)}/refs"
        names: list[str] = []
        while url is not None:
            answer = await self.api.get(url, params=params)
            names += [str(ref.get("name")) for ref in values(answer)]
            url, params = next_page(answer), None
        return [name for name in names if name.startswith(f"{target.ref}/")]


def values(answer: Answer) -> list[JsonObject]:
    """What is on a page of a list. Raises Unreadable when it is none."""
    return list_at(answer.object(), "values")


def next_page(answer: Answer) -> str | None:
    """Where the next page is."""
    return text_at(answer.object(), "next")


def _is_folder(answer: Answer) -> bool:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return False
    try:
        entries = _entries(answer)
    except Unreadable:
        return False
    # A file may be JSON as well, but hardly of this form.
    return "pagelen" in answer.object() and all(kind.startswith("commit_") for _, kind in entries)


def _entries(answer: Answer) -> list[tuple[str, str]]:
    """(path, type) of all that is on a page of a folder."""
    return [
        (required(entry.get("path"), "the path of a file"), required(entry.get("type"), "whether it is a file"))
        for entry in values(answer)
    ]


def _at(address: Address) -> Target | None:
    """What a URL names whose query says which branch its path begins with."""
    said = [part[3:] for part in address.query.split("&") if part.startswith("at=")]
    ref = unquote(said[0]) if said else ""
    written = "/".join(address.segments[3:])
    beginning = next((form for form in (f"{ref}/", f"{quote(ref, safe='')}/") if written.startswith(form)), None)
    if not ref or beginning is None or beginning == written or is_commit(ref):
        return None
    place = Place(f"{address.beginning(3)}/{beginning}", written.removeprefix(beginning))
    return Target(repository=_slug(address), ref=ref, place=place)


def _slug(address: Address) -> str:
    workspace, name = (unquote(segment) for segment in address.segments[:2])
    return f"{workspace}/{name.removesuffix('.git')}"


def _quoted(repository: str) -> str:
    return quote(repository, safe="/")

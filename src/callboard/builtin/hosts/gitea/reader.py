"""The reader of URLs on Gitea and Forgejo."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.gitea.installations import Installation
from callboard.builtin.hosts.gitea.updates import FEW, Updates
from callboard.builtin.hosts.installations import address_at
from callboard.builtin.hosts.places import Address, Target
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import CallboardError, InvalidRef, LocationNotFound, Unreadable
from callboard.extend import Repository
from callboard.model.repositories import PLAIN

_FORMS = ("src", "raw", "media", "blame", "_edit")
_KINDS = ("branch", "tag", "commit")
_TAGS = "refs/tags/"
_PAGE = 1_000
"""Entries of a tree; an installation may send fewer at once."""
_MOST_PAGES = 1_000
_MOST_SLASHES = 8
"""In the name of a branch: as many are tried."""


class Gitea(Repositories):
    """The repositories of one installation (an `extend.CodeHost`)."""

    heads_per_request = 100

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation.host, installation.api.clock)
        self._installation = installation
        self._api = installation.api
        self._updates = Updates(installation.api)

    def covers(self, url: str) -> bool:
        """Whether *url* is below the address of the installation."""
        return self._address(url) is not None

    def target(self, url: str) -> Target | None:
        """Of `/owner/repository/src/branch/name/path`, and the like."""
        address = self._address(url)
        if address is None or len(address.segments) < 5 or address.segments[2] not in _FORMS:
            return None
        form, kind = address.segments[2], address.segments[3]
        # Without the kind are the URLs of version 1.1 and before, and those of the editor.
        has_kind = form != "_edit" and kind in _KINDS
        found = address.target(_slug(address.segments), ref_at=4 if has_kind else 3, form=())
        if found is None or not has_kind or kind != "tag":
            return found
        return replace(found, ref=f"{_TAGS}{found.ref}")

    def repository(self, url: str) -> Repository | None:
        """Of everything below `/owner/repository`."""
        address = self._address(url)
        if address is None or len(address.segments) < 2:
            return None
        slug = _slug(address.segments)
        root = address.beginning(2).removesuffix(".git")
        return Repository(url=root, name=slug.partition("/")[2], slug=slug, annotation=self.annotation)

    async def heads(self, wanted: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        """The commits: of many branches those that have not moved from one list, the others one by one."""
        if len(wanted) < FEW:
            return await self.one_by_one(wanted)
        unmoved = await self._updates.unmoved(wanted)
        asked = await self.one_by_one([head for head in wanted if head not in unmoved.commits])
        self._updates.note(asked, unmoved.listed_at)
        return {**asked, **unmoved.commits}

    async def head(self, wanted: Head) -> str:
        """There is no way to ask about several."""
        ref = await self._default_branch(wanted.repository) if wanted.ref is None else wanted.ref
        if ref.startswith(_TAGS):
            return await self._commit_at(f"{_repo(wanted.repository)}/tags/{_path(ref.removeprefix(_TAGS))}")
        try:
            return await self._commit_at(f"{_repo(wanted.repository)}/branches/{_path(ref)}")
        except LocationNotFound as missing:
            return await self._other(wanted.repository, ref, missing)

    async def _other(self, repository: str, ref: str, missing: LocationNotFound) -> str:
        """The commit of a *ref* that is no branch: a tag, or the beginning of a hash."""
        try:
            commit = (await self._api.get(f"{_repo(repository)}/git/commits/{quote(ref, safe='')}")).object()
        except LocationNotFound:
            raise missing from None
        return looking.required(commit.get("sha"), f"a commit {ref} in {repository}")

    async def _commit_at(self, address: str) -> str:
        """The commit of the branch or tag at *address*."""
        commit = looking.at((await self._api.get(address)).object(), "commit")
        return looking.required(looking.at(commit, "id") or looking.at(commit, "sha"), f"the commit of {address}")

    async def _default_branch(self, repository: str) -> str:
        told = (await self._api.get(_repo(repository))).object()
        return looking.required(told.get("default_branch"), f"the default branch of {repository}")

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The raw file, whose hash says whether it is another one."""
        answer = await self._api.get(
            f"{_repo(target.repository)}/raw/{_path(target.path)}",
            params={"ref": commit},
            headers={"accept": "*/*"},
            etag=etag,
        )
        return None if answer.is_unchanged else File(answer.body, answer.etag)

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """All files, page by page: what is left out of an answer is on the next page."""
        found: list[str] = []
        for page in range(1, _MOST_PAGES + 1):
            params: dict[str, str | int] = {"recursive": "true", "page": page, "per_page": _PAGE}
            tree = (await self._api.get(f"{_repo(target.repository)}/git/trees/{commit}", params=params)).object()
            known = looking.objects_at(tree, "tree")
            found += [str(entry["path"]) for entry in known if entry.get("type") == "blob" and "path" in entry]
            if tree.get("truncated") is not True or not known:
                return Listing(found)
        raise Unreadable(f"{target.repository} on {self.name} has more files than can be listed")

    async def branches(self, target: Target) -> Sequence[str]:
        """The one that the URL can mean: each longer beginning of it is looked up, as few have more than a slash."""
        ref, parts = target.ref or "", target.place.path.split("/")
        for count in range(1, min(len(parts), _MOST_SLASHES + 1)):
            longer = "/".join([ref, *parts[:count]])
            with contextlib.suppress(LocationNotFound):
                await self.head(Head(target.repository, longer))
                return [longer]
        return []

    async def root(self, url: str) -> Target:
        """The root of the ref that *url* names, or of the default branch."""
        known, repository = self.target(url), self.repository(url)
        if known is not None:
            return replace(known, place=known.place.at(""))
        if repository is None or repository.slug is None:
            raise InvalidRef(f"{url} does not lead to a repository on {self.name}")
        branch = await self._default_branch(repository.slug)
        found = self.target(f"{repository.url}/src/branch/{quote(branch, safe='')}/x")
        assert found is not None
        return replace(found, place=replace(found.place.at(""), prefix=f"{repository.url}/src/branch/{_path(branch)}/"))

    def edit_url(self, target: Target) -> str | None:
        """The page that edits the file, which is there for branches."""
        if target.ref is None or target.ref.startswith(_TAGS):
            return None
        ref = quote(target.ref, safe=PLAIN)
        return f"{self._installation.base_url}/{target.repository}/_edit/{ref}/{target.place.written.lstrip('/')}"

    def _address(self, url: str) -> Address | None:
        return address_at(url, self._installation.base_url, self._installation.host)


def _slug(segments: Sequence[str]) -> str:
    return unquote("/".join(segments[:2])).removesuffix(".git")


def _repo(slug: str) -> str:
    return f"repos/{quote(slug, safe='/')}"


def _path(path: str) -> str:
    return quote(path, safe=PLAIN)

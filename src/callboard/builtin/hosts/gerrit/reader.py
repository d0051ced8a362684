"""The reader of URLs of Gitiles, which are read from the Gerrit that it belongs to."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote, urlencode

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.gerrit.installations import Installation, project_path, told, told_object
from callboard.builtin.hosts.places import Address, Target, under
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import CallboardError, InvalidRef, LocationNotFound, Unreadable
from callboard.extend import Repository
from callboard.model.repositories import PLAIN

_VIEWS = ("+", "+show", "+blame", "+log")
_FULL_REFS = ("refs/heads", "refs/tags")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_MOST_CHARACTERS = 6_000
"""Of an address; servers take some more."""
_SPECIAL = re.compile(r"[^\w/ -]")
"""What means something in Gerrit's regular expressions, or may do so one day."""


class Gerrit(Repositories):
    """The projects of one installation (an `extend.CodeHost`)."""

    heads_per_request = 100

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation.host, installation.api.clock)
        self._installation = installation
        self._api = installation.api

    def covers(self, url: str) -> bool:
        """Whether *url* is below the address of Gitiles."""
        return self._address(url) is not None

    def target(self, url: str) -> Target | None:
        """Of `/project/+/refs/heads/name/path`, and the like."""
        address = self._address(url)
        at = None if address is None else _view(address)
        if address is None or at is None or at == 0:
            return None
        found = address.target(unquote("/".join(address.segments[:at])), ref_at=at + 1, form=_FULL_REFS)
        is_tag = list(address.segments[at + 1 : at + 3]) == ["refs", "tags"]
        return replace(found, ref=f"{_TAGS}{found.ref}") if found is not None and is_tag else found

    def repository(self, url: str) -> Repository | None:
        """The project, at whatever page of it *url* is."""
        address = self._address(url)
        if address is None:
            return None
        at = _view(address)
        end = len(address.segments) if at is None else at
        if end == 0:
            return None
        slug = unquote("/".join(address.segments[:end]))
        root = f"{self._installation.gitiles[0]}/{quote(slug, safe=PLAIN)}"
        return Repository(url=root, name=slug.rpartition("/")[2], slug=slug, annotation=self.annotation)

    async def heads(self, wanted: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        """The commits: of many branches from one list of projects, of what is not in it one by one."""
        plain = [head for head in wanted if head.ref is None or not head.ref.startswith(_TAGS)]
        found: dict[Head, str | CallboardError] = {}
        if len(plain) > 1 or any(head.ref is None for head in plain):
            found |= await self._listed(plain)
        return {**found, **await self.one_by_one([head for head in wanted if head not in found])}

    async def _listed(self, wanted: Sequence[Head]) -> dict[Head, str]:
        """The commits of those branches of which the list of projects tells."""
        projects = sorted({head.repository for head in wanted})
        branches = sorted({_branch(head) for head in wanted})
        query = urlencode([("r", "|".join(map(_literal, projects))), *(("b", branch) for branch in branches)])
        if len(query) > _MOST_CHARACTERS and len(wanted) > 1:
            half = len(wanted) // 2
            return {**await self._listed(wanted[:half]), **await self._listed(wanted[half:])}
        try:
            known = told_object(await self._api.get(f"projects/?{query}"))
        except Unreadable as error:
            if error.retry_at is not None:
                raise
            # An older Gerrit may not understand the question. Each of them can still be asked alone.
            return {}
        found = {head: looking.at(known.get(head.repository), "branches", _branch(head)) for head in wanted}
        return {head: commit for head, commit in found.items() if isinstance(commit, str)}

    async def head(self, wanted: Head) -> str:
        """Of a branch, or of a tag if its name is written in full."""
        project = project_path(wanted.repository)
        ref = wanted.ref or await self._default_branch(wanted.repository)
        if ref.startswith(_TAGS):
            tag = told_object(await self._api.get(f"{project}/tags/{_quoted(ref.removeprefix(_TAGS))}"))
            # A tag with a message is an object of its own.
            commit = tag.get("object") or tag.get("revision")
        else:
            commit = told_object(await self._api.get(f"{project}/branches/{_quoted(ref)}")).get("revision")
        return looking.required(commit, f"the commit of {ref} in {wanted.repository}")

    async def _default_branch(self, project: str) -> str:
        ref = told(await self._api.get(f"{project_path(project)}/HEAD"))
        return looking.required(ref, f"the default branch of {project}").removeprefix(_HEADS)

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The file, which Gerrit sends as base64 and without anything to compare it by."""
        path = _quoted(target.path)
        address = f"{project_path(target.repository)}/commits/{commit}/files/{path}/content"
        answer = await self._api.get(address, headers={"accept": "*/*"})
        try:
            return File(base64.b64decode(answer.body, validate=True))
        except binascii.Error as error:
            raise Unreadable(f"{self.name} sent {target.path} of {target.repository} in no base64: {error}") from error

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """All files, as Gitiles lists them."""
        address = f"{quote(target.repository, safe='/')}/+/{commit}/"
        try:
            tree = told_object(await self._installation.files.get(address, params={"format": "JSON", "recursive": "1"}))
        except LocationNotFound as error:
            # The commit is there, so this is no word about files.
            raise Unreadable(
                f"{self.name} lists no files of {target.repository}: that needs Gitiles at"
                f" {self._installation.gitiles[0]} ({error})"
            ) from error
        entries = looking.objects_at(tree, "entries")
        return Listing([str(entry["name"]) for entry in entries if entry.get("type") == "blob" and "name" in entry])

    async def branches(self, target: Target) -> Sequence[str]:
        """Branches, or tags, that have the ref of *target* and a slash in their names."""
        ref = target.ref or ""
        kind, prefix = ("tags", _TAGS) if ref.startswith(_TAGS) else ("branches", _HEADS)
        address = f"{project_path(target.repository)}/{kind}/"
        found = told(await self._api.get(address, params={"m": f"{ref.removeprefix(_TAGS)}/"}))
        items = found if isinstance(found, list) else []
        refs = [ref for entry in items if (ref := str(looking.at(entry, "ref"))).startswith(prefix)]
        return refs if kind == "tags" else [each.removeprefix(_HEADS) for each in refs]

    async def root(self, url: str) -> Target:
        """The root of the ref that *url* names, or of the default branch."""
        known, repository = self.target(url), self.repository(url)
        if known is not None:
            return replace(known, place=known.place.at(""))
        if repository is None or repository.slug is None:
            raise InvalidRef(f"{url} does not lead to a project on {self.name}")
        branch = await self._default_branch(repository.slug)
        found = self.target(f"{repository.url}/+/{_HEADS}{quote(branch, safe='')}/x")
        assert found is not None
        prefix = f"{repository.url}/+/{_HEADS}{quote(branch, safe=PLAIN)}/"
        return replace(found, place=replace(found.place.at(""), prefix=prefix))

    def edit_url(self, target: Target) -> str | None:
        """Where the file is: Gerrit has no page that edits it outside of a change."""
        return target.place.url

    def _address(self, url: str) -> Address | None:
        found = (under(url, root) for root in reversed(self._installation.gitiles))
        return next((address for address in found if address is not None), None)


def _view(address: Address) -> int | None:
    """At which segment the path of the project has ended."""
    return next((at for at, segment in enumerate(address.segments) if segment in _VIEWS), None)


def _branch(head: Head) -> str:
    return "HEAD" if head.ref is None else f"{_HEADS}{head.ref}"


def _literal(name: str) -> str:
    """A regular expression that matches *name* alone."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", name)


def _quoted(name: str) -> str:
    return quote(name, safe="")

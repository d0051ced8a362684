"""The reader of GitHub.

Where branches are is asked for a hundred repositories at a time (GraphQL); a file is sent only when its own hash is
another one, and GitHub counts no request for one that is not (docs.github.com/rest, "Best practices": conditional
requests).
"""

import asyncio
import posixpath
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from callboard.builtin.hosts.github.accounts import Account, Accounts
from callboard.builtin.hosts.github.options import HostOptions
from callboard.builtin.hosts.looking import objects_at, text_at
from callboard.builtin.hosts.places import Target, address_of
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import CallboardError, LocationNotFound, Unreadable
from callboard.extend import JsonObject, JsonValue, Outside, Repository

_FORMS = ("blob", "tree", "raw", "edit", "blame")
_FULL = ("refs/heads", "refs/tags")
_RAW = "application/vnd.github.raw+json"
_SHA = "application/vnd.github.sha"


class GitHub(Repositories):
    """One GitHub (an `extend.CodeHost`)."""

    annotation = "github.com/project-slug"
    heads_per_request = 100

    def __init__(self, outside: Outside, options: HostOptions, at: str) -> None:
        super().__init__(options.host, outside.clock)
        self._spacing = 0.0
        self.accounts = Accounts(outside, options, at)
        self._root = f"https://{options.host}"
        self._raw = options.raw

    def covers(self, url: str) -> bool:
        """Whether *url* is on the host, or on the one that has its plain files."""
        return url.startswith((f"{self._root}/", f"{self._raw}/"))

    def target(self, url: str) -> Target | None:
        """Of `/owner/repository/blob/ref/path`, and the like."""
        address = address_of(url)
        if address is None or not self.covers(url):
            return None
        segments = address.segments
        if url.startswith(f"{self._raw}/"):
            before = len(address_of(self._raw).segments)  # type: ignore[union-attr]
            owner_at, ref_at = before, before + 2
        elif len(segments) > 3 and segments[2] in _FORMS:
            owner_at, ref_at = 0, 3
        else:
            return None
        if len(segments) < owner_at + 2:
            return None
        return address.target(_slug(segments[owner_at : owner_at + 2]), ref_at=ref_at, form=_FULL)

    def repository(self, url: str) -> Repository | None:
        """Of everything below `/owner/repository`."""
        address = address_of(url)
        if address is None or not self.covers(url) or len(address.segments) < 2:
            return None
        slug = _slug(address.segments[:2])
        return Repository(
            url=f"{self._root}/{slug}", name=slug.partition("/")[2], slug=slug, annotation=self.annotation
        )

    def edit_url(self, target: Target) -> str:
        """The page with an editor."""
        return self._as("edit", target).url(target.path)

    def folder_url(self, target: Target) -> str:
        """The page of the folder."""
        folder = posixpath.dirname(target.path)
        return self._as("tree", target).url(f"{folder}/" if folder else "")

    def _as(self, form: str, target: Target) -> Target:
        found = self.target(f"{self._root}/{target.repository}/{form}/{quote(target.ref or 'HEAD', safe='')}/x")
        assert found is not None
        return found

    async def root(self, url: str) -> Target:
        """The root of the ref that *url* names, or of the default branch."""
        found = self.target(url if url.count("/") > 6 else f"{url.rstrip('/')}/x")
        repository = self.repository(url)
        if repository is None or repository.slug is None:
            raise LocationNotFound(f"{url} does not lead to a repository on {self.name}")
        ref = found.ref if found is not None else None
        if ref is None:
            account = await self.accounts.of(_owner(repository.slug))
            told = (await account.rest.get(f"repos/{repository.slug}")).object()
            ref = str(told.get("default_branch"))
        target = self.target(f"{repository.url}/blob/{quote(ref, safe='/')}/x")
        assert target is not None
        return target

    def spacing(self) -> float:
        """What the budget allows that was used last: it is one of 5,000 questions an hour, or so."""
        return self._spacing

    async def heads(self, wanted: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        """With one query for each owner; one by one for strangers."""
        owners: dict[str, list[Head]] = {}
        for head in wanted:
            owners.setdefault(_owner(head.repository), []).append(head)
        answers = await asyncio.gather(*(self._heads_of(owner, heads) for owner, heads in owners.items()))
        return {head: commit for answer in answers for head, commit in answer.items()}

    async def _heads_of(self, owner: str, heads: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        try:
            account = await self.accounts.of(owner)
            if account.is_known:
                return await self._heads_at_once(account, heads)
        except CallboardError as error:
            return dict.fromkeys(heads, error)
        return await self.one_by_one(heads)

    async def head(self, wanted: Head) -> str:
        """By the REST API, which answers strangers as well."""
        account = await self.accounts.of(_owner(wanted.repository))
        path = f"repos/{wanted.repository}/commits/{quote(wanted.ref or 'HEAD')}"
        answer = await account.rest.get(path, headers={"accept": _SHA})
        return answer.body.decode("ascii", "replace").strip()

    async def _heads_at_once(self, account: Account, heads: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        parts, variables = [], []
        values: JsonObject = {}
        for number, head in enumerate(heads):
            owner, _, name = head.repository.partition("/")
            values |= {f"o{number}": owner, f"n{number}": name, f"r{number}": head.ref or "HEAD"}
            variables.append(f"$o{number}: String!, $n{number}: String!, $r{number}: String!")
            parts.append(
                f"h{number}: repository(owner: $o{number}, name: $n{number}) "
                f"{{ object(expression: $r{number}) {{ oid ... on Tag {{ target {{ oid }} }} }} }}"
            )
        data, errors = await account.query(f"query({', '.join(variables)}) {{ {' '.join(parts)} }}", values)
        self._spacing = account.graphql.spacing()
        reasons = {_alias(error): str(error.get("message")) for error in errors}
        return {
            head: _oid(data.get(f"h{number}")) or _missing(self.name, head, reasons.get(f"h{number}"))
            for number, head in enumerate(heads)
        }

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The content, up to 100 MB."""
        account = await self.accounts.of(_owner(target.repository))
        path = f"repos/{target.repository}/contents/{quote(target.path)}"
        answer = await account.rest.get(path, params={"ref": commit}, headers={"accept": _RAW}, etag=etag)
        if answer.is_unchanged:
            return None
        if answer.headers.get("content-type", "").startswith("application/json"):
            raise LocationNotFound(f"{target.path} of {target.repository} on {self.name} is a folder")
        return File(answer.body, answer.etag)

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """Everything with one request, and folder by folder where GitHub cuts the list off."""
        account = await self.accounts.of(_owner(target.repository))
        trees = f"repos/{target.repository}/git/trees"
        whole = (await account.rest.get(f"{trees}/{commit}", params={"recursive": 1})).object()
        if not whole.get("truncated"):
            return Listing([path for path, kind, _ in _entries(whole) if kind == "blob"])
        tree = commit
        for part in folder.split("/") if folder else ():
            entries = _entries((await account.rest.get(f"{trees}/{tree}")).object())
            found = next((sha for path, kind, sha in entries if path == part and kind == "tree"), None)
            if found is None:
                return Listing((), folder)
            tree = found
        return Listing(await self._below(account, trees, tree, folder), folder)

    async def _below(self, account: Account, trees: str, tree: str, folder: str) -> list[str]:
        """The paths of all files of a *tree*, which is at *folder*."""
        whole = (await account.rest.get(f"{trees}/{tree}", params={"recursive": 1})).object()
        beginning = f"{folder}/" if folder else ""
        if not whole.get("truncated"):
            return [f"{beginning}{path}" for path, kind, _ in _entries(whole) if kind == "blob"]
        entries = _entries((await account.rest.get(f"{trees}/{tree}")).object())
        paths = [f"{beginning}{path}" for path, kind, _ in entries if kind == "blob"]
        for path, kind, sha in entries:
            if kind == "tree":
                paths += await self._below(account, trees, sha, f"{beginning}{path}")
        return paths

    async def branches(self, target: Target) -> Sequence[str]:
        """Those that begin so, and the tags."""
        account = await self.accounts.of(_owner(target.repository))
        names: list[str] = []
        for kind in ("heads", "tags"):
            path = f"repos/{target.repository}/git/matching-refs/{kind}/{quote(target.ref or '')}/"
            refs = objects_at((await account.rest.get(path, params={"per_page": 100})).list())
            names += [str(ref.get("ref")).removeprefix(f"refs/{kind}/") for ref in refs]
        return names


def _oid(repository: JsonValue) -> str | None:
    # A tag is an object of its own, with a commit behind it.
    return text_at(repository, "object", "target", "oid") or text_at(repository, "object", "oid")


def _missing(host: str, head: Head, reason: str | None) -> CallboardError:
    if reason is not None and "could not resolve" not in reason.lower():
        return Unreadable(
            f"{host} could not say where {head.ref or 'the default branch'} of {head.repository} is: {reason}"
        )
    if reason is not None:
        return LocationNotFound(f"there is no repository {head.repository} on {host}, or it may not be seen")
    return LocationNotFound(f"there is no {head.ref or 'default branch'} in {head.repository} on {host}")


def _alias(error: JsonObject) -> str | None:
    path = error.get("path")
    return str(path[0]) if isinstance(path, list) and path else None


def _entries(tree: JsonObject) -> list[tuple[str, str, str]]:
    """(path, type, hash) of all that is in a tree."""
    return [
        (str(entry.get("path")), str(entry.get("type")), str(entry.get("sha"))) for entry in objects_at(tree, "tree")
    ]


def _slug(segments: Sequence[str]) -> str:
    owner, name = (unquote(segment) for segment in segments)
    return f"{owner}/{name.removesuffix('.git')}"


def _owner(slug: str) -> str:
    return slug.partition("/")[0]

"""The code host that is read with `git`.

A file is named by the address of its repository, the path, and the ref if it is not in the default branch:
`https://git.example.com/team/shop.git?path=/catalog-info.yaml&ref=main`, or `ssh://git@git.example.com/…` likewise.
"""

import hashlib
import os
import posixpath
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from callboard.builtin.hosts.git.copies import Copies
from callboard.builtin.hosts.git.options import GitOptions
from callboard.builtin.hosts.git.program import Git
from callboard.builtin.hosts.places import Target, plain_ref
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import InvalidRef, LocationNotFound
from callboard.extend import PluginContext, Repository, configuration
from callboard.model.repositories import Place

_PATH = re.compile(r"(?P<before>[^?#]*\?(?:[^#]*&)?path=/?)(?P<path>[^&#]+)(?P<after>[^#]*)(?P<rest>.*)", re.DOTALL)
_REF = re.compile(r"(?!.*(?:\.\.|@\{|//|\.lock$|/$))[^\x00-\x20~^:?*\[\\\x7f/-][^\x00-\x20~^:?*\[\\\x7f]*")
_ADDRESS = re.compile(r"[\x21-\x7e]+")
_MOST_REFS = 1024 * 1024


class GitHost(Repositories):
    """Reads repositories of one host with the `git` program (an `extend.CodeHost`)."""

    def __init__(self, options: GitOptions, git: Git, folder: Path) -> None:
        super().__init__(options.host)
        self._options = options
        self._git = git
        self._copies = Copies(git, folder, most_bytes=options.max_cache_bytes)

    def covers(self, url: str) -> bool:
        """Whether *url* names a repository of this host, or a file in one; other documents are none of its business."""
        if not self._options.is_at(url):
            return False
        parts = urlsplit(url)
        named = parts.scheme == "ssh" or parts.path.rstrip("/").endswith(".git")
        return _ADDRESS.fullmatch(parts.path) is not None and (named or "path" in _parameters(parts.query))

    def target(self, url: str) -> Target | None:
        """What *url* names."""
        match = _PATH.fullmatch(url)
        if match is None or not self.covers(url):
            return None
        place = Place(match["before"], match["path"], match["after"] + match["rest"])
        return Target(repository=self._address(url), ref=_ref_of(url), place=place)

    def repository(self, url: str) -> Repository | None:
        """The repository that *url* leads to, or into."""
        if not self.covers(url):
            return None
        address = self._address(url)
        name = unquote(posixpath.basename(urlsplit(address).path)).removesuffix(".git")
        return Repository(url=address, name=name) if name else None

    async def root(self, url: str) -> Target:
        """A place at the root of the default branch, or of the ref that *url* names."""
        if not self.covers(url):
            raise InvalidRef(f"{url} does not name a repository on {self.name}")
        address, ref = self._address(url), _ref_of(url)
        place = Place(f"{address}?path=/", "", "" if ref is None else f"&ref={_parameters(urlsplit(url).query)['ref']}")
        return Target(repository=address, ref=ref, place=place)

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The file at *commit*, by the hash that git gives its content."""
        found = await self._copies.file(target.repository, commit, target.path, etag)
        return None if found is None else File(found[1], found[0])

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """All files at *commit*."""
        return Listing(await self._copies.paths(target.repository, commit))

    async def branches(self, target: Target) -> Sequence[str]:
        """None: a parameter of the URL says where a ref ends."""
        return ()

    async def head(self, wanted: Head) -> str:
        """The commit of a branch or a tag; a branch goes before a tag of the same name."""
        name = wanted.ref
        refs = ["HEAD"] if name is None else [f"refs/heads/{name}", f"refs/tags/{name}^{{}}", f"refs/tags/{name}"]
        printed = await self._git.run(
            "ls-remote", "--quiet", "--", wanted.repository, *refs, folder=self._copies.folder, most=_MOST_REFS
        )
        lines = [line.partition("\t") for line in printed.decode(errors="replace").splitlines()]
        there = {ref: commit for commit, _, ref in lines}
        for ref in refs:
            if ref in there:
                return there[ref]
        what = "no commit" if name is None else f"no branch or tag {name}"
        raise LocationNotFound(f"there is {what} in {wanted.repository}")

    def _address(self, url: str) -> str:
        """The address of the repository, without a file in it."""
        parts = urlsplit(url)
        netloc = parts.netloc
        if parts.scheme == "ssh" and "@" not in netloc:
            netloc = f"{self._options.username or 'git'}@{netloc}"
        return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def hosts(context: PluginContext) -> list[GitHost]:
    """The hosts of `integrations.git`. Raises InvalidConfiguration."""
    key = "integrations.git"
    made: list[GitHost] = []
    outside = context.outside
    for index, options in enumerate(configuration.read_list(GitOptions, context.config.integrations["git"], key)):
        at = f"{key}[{index}]"
        options.checked(at)
        name = hashlib.sha256(options.host.encode()).hexdigest()[:16]
        folder = (outside.folder or Path(tempfile.gettempdir()) / f"callboard-{os.getuid()}") / "git" / name
        made.append(GitHost(options, Git(outside, options, at), folder))
    return made


def _parameters(query: str) -> Mapping[str, str]:
    """The parameters of a URL, as they are written; of two with one name, the first one."""
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        parameters.setdefault(name, value)
    return parameters


def _ref_of(url: str) -> str | None:
    """The branch, tag or commit that *url* names; None: the default branch. Raises InvalidRef for what can't be one."""
    written = _parameters(urlsplit(url).query).get("ref")
    if not written or written == "HEAD":
        return None
    ref = plain_ref(unquote(written))
    if not _REF.fullmatch(ref):
        raise InvalidRef(f"{url} names a branch or tag {ref!r}, and none can have that name")
    return ref

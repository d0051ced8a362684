"""The reader of a code host, over the few questions that every host answers.

A file is read at the commit that its branch is at, so that one look at the branch says that nothing has changed, and
many looks at the same time are one request where a host allows it. What a commit holds never changes, and is kept.
"""

import abc
import asyncio
import posixpath
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace

from callboard.builtin.hosts.gathering import Gathering
from callboard.builtin.hosts.places import Target
from callboard.clock import Clock, SystemClock
from callboard.errors import CallboardError, InvalidRef, LocationNotFound
from callboard.extend import Content, NotModified, Repository

_MOST_PATHS = 400_000
"""So many paths of listed commits are kept, about 40 MB."""
_MOST_REFS = 10_000
_HEADS_AT_ONCE = 4


_listed: ContextVar[dict[str, tuple[Target, str]]] = ContextVar("listed", default={})  # noqa: B039 - never filled
"""The files that were listed last, by URL, and the commits that they were listed at."""


@dataclass(frozen=True, slots=True)
class Head:
    """A question: which commit is *ref* of *repository* at? None stands for the default branch."""

    repository: str
    ref: str | None


@dataclass(frozen=True, slots=True)
class File:
    """What a host has sent."""

    data: bytes
    etag: str | None = None
    """Tells this content from others, if the host has such a thing."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a commit."""

    paths: Sequence[str]
    """From the root."""
    folder: str = ""
    """The listing is whole for this folder; empty: for everything."""


class Repositories(abc.ABC):
    """Base of code hosts with an API (an `extend.CodeHost`)."""

    name: str
    annotation: str | None = None
    """The annotation for slugs: `github.com/project-slug`."""
    heads_per_request = 1
    """How many branches the host tells of at once."""

    def __init__(self, name: str, clock: Clock | None = None) -> None:
        self.name = name
        self._heads: Gathering[Head, str] = Gathering(
            self.heads,
            most=self.heads_per_request,
            at_once=2 if self.heads_per_request > 1 else _HEADS_AT_ONCE,
            clock=clock or SystemClock(),
            spacing=self.spacing,
        )
        self._trees = _Trees()
        self._refs: OrderedDict[str, Target] = OrderedDict()
        """Targets whose refs have slashes, by URL."""

    @abc.abstractmethod
    def covers(self, url: str) -> bool:
        """Whether *url* is one of this host."""

    @abc.abstractmethod
    def target(self, url: str) -> Target | None:
        """What *url* names; None when it is no URL of a file."""

    @abc.abstractmethod
    def repository(self, url: str) -> Repository | None:
        """The repository that *url* leads to, or into."""

    @abc.abstractmethod
    async def head(self, wanted: Head) -> str:
        """The commit of a branch, a tag or the default branch. Raises LocationNotFound when there is none."""

    async def heads(self, wanted: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        """The commits of at most `heads_per_request` of them, or why there is none. Here one by one."""
        return await self.one_by_one(wanted)

    async def one_by_one(self, wanted: Sequence[Head]) -> dict[Head, str | CallboardError]:
        """The commits, or why there is none, each asked for by itself."""

        async def told(head: Head) -> str | CallboardError:
            try:
                return await self.head(head)
            except CallboardError as error:
                return error

        return dict(zip(wanted, await asyncio.gather(*map(told, wanted)), strict=True))

    @abc.abstractmethod
    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The file at *commit*; None when it still is at *etag*. Raises LocationNotFound."""

    @abc.abstractmethod
    async def paths(self, target: Target, commit: str, folder: str) -> "Listing":
        """All files at *commit*, at least those in *folder* and below it."""

    @abc.abstractmethod
    async def branches(self, target: Target) -> Sequence[str]:
        """The names of branches and tags that begin with the ref of *target* and a slash."""

    @abc.abstractmethod
    async def root(self, url: str) -> Target:
        """A file at the root of the default branch, or of the ref that *url* names, whose URLs are those of people."""

    def spacing(self) -> float:
        """Seconds that are to lie between two questions for branches, if they can wait for one another."""
        return 0.0

    def edit_url(self, target: Target) -> str | None:
        """Where people can edit the file; None when they can't."""
        return None

    def folder_url(self, target: Target) -> str:
        """The URL of the folder that the file is in, with a slash at its end."""
        folder = posixpath.dirname(target.path)
        return target.url(f"{folder}/" if folder else "")

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """The file at the URL *target*. Its version is the commit, and the version of the file itself if it has one."""
        listed = _listed.get().pop(target, None)
        wanted, commit = listed or await self._located(target, self._target(target))
        known_commit, _, known_etag = (version or "").partition(" ")
        if version is not None and known_commit == commit:
            return NotModified(target, version)
        file = await self.file(wanted, commit, known_etag or None)
        if file is None:
            return NotModified(target, f"{commit} {known_etag}")
        return Content(target, file.data, f"{commit} {file.etag or ''}".rstrip())

    async def expand(self, target: str) -> Sequence[str]:
        """The files that the wildcards of *target* match, `**` being any number of folders.

        The same task, or one that it begins, then reads them at the commit that was listed, once.
        """
        wanted = self._target(target)
        if "*" not in wanted.place.written:
            return [target]
        wanted, commit = await self._located(target, wanted)
        paths = await self._paths(wanted, commit, wanted.folder)
        found = {wanted.url(path): replace(wanted, place=wanted.place.at(path)) for path in wanted.matching(paths)}
        _listed.set({url: (each, commit) for url, each in found.items()})
        if target in self._refs:
            for url, each in found.items():
                self._remember(url, each)
        return list(found)

    async def find(self, url: str, name: str) -> Sequence[str]:
        """The URLs of the files called *name* in the repository that *url* leads to."""
        root = await self.root(url)
        commit = await self._commit(root)
        paths = await self._paths(root, commit, "")
        return [root.url(path) for path in sorted(paths) if posixpath.basename(path) == name]

    def resolve(self, base: str, relative: str) -> str:
        """The URL that *relative* names in the file at *base*; from the root, if it begins with a slash."""
        if self.target(relative) is not None:
            return relative
        known = self._refs.get(base)
        return (known or self._target(base)).joined(relative, base)

    def contains(self, base: str, target: str) -> bool:
        """Whether both are files of one repository."""
        one, other = self.target(base), self.target(target)
        return one is not None and other is not None and one.repository == other.repository

    def links(self, target: str) -> Mapping[str, str]:
        """The folder of the source, and where it can be edited."""
        found = self._refs.get(target) or self.target(target)
        if found is None:
            return {}
        links = {"backstage.io/source-location": f"url:{self.folder_url(found)}"}
        if not found.is_commit and (edit := self.edit_url(found)) is not None:
            links["backstage.io/edit-url"] = edit
        return links

    def _target(self, url: str) -> Target:
        found = self.target(url)
        if found is None:
            raise InvalidRef(f"{url} does not name a file in a repository on {self.name}")
        return found

    async def _located(self, url: str, target: Target) -> tuple[Target, str]:
        """The target, with the ref that it really has, and the commit that this is at."""
        target = self._refs.get(url, target)
        try:
            return target, await self._commit(target)
        except LocationNotFound:
            if target.is_certain:
                self._refs.pop(url, None)
                raise
            longer = await self._longer(target)
            if longer is None:
                raise
        commit = await self._commit(longer)
        self._remember(url, longer)
        return longer, commit

    def _remember(self, url: str, target: Target) -> None:
        self._refs[url] = target
        if len(self._refs) > _MOST_REFS:
            self._refs.popitem(last=False)

    async def _longer(self, target: Target) -> Target | None:
        """The same URL, if its ref has slashes: the longest one that there is."""
        whole = f"{target.ref}/{target.place.path}"
        try:
            names = await self.branches(target)
        except LocationNotFound:
            # There is no such repository, and whoever asks knows that already.
            return None
        fitting = [name for name in names if whole.startswith(f"{name}/")]
        return target.with_ref(max(fitting, key=len)) if fitting else None

    async def _commit(self, target: Target) -> str:
        if target.is_commit:
            assert target.ref is not None
            return target.ref
        return await self._heads.of(Head(target.repository, target.ref))

    async def _paths(self, target: Target, commit: str, folder: str) -> Sequence[str]:
        for wanted in ("", folder):
            known = self._trees.get((target.repository, commit, wanted))
            if known is not None:
                return known
        listing = await self.paths(target, commit, folder)
        self._trees.keep((target.repository, commit, listing.folder), listing.paths)
        return listing.paths


class _Trees:
    """The paths of the commits that were asked for last."""

    def __init__(self) -> None:
        self._paths: OrderedDict[tuple[str, str, str], Sequence[str]] = OrderedDict()
        self._count = 0

    def get(self, key: tuple[str, str, str]) -> Sequence[str] | None:
        if key in self._paths:
            self._paths.move_to_end(key)
        return self._paths.get(key)

    def keep(self, key: tuple[str, str, str], paths: Sequence[str]) -> None:
        self._count += len(paths) - len(self._paths.pop(key, ()))
        self._paths[key] = paths
        while self._count > _MOST_PATHS and len(self._paths) > 1:
            self._count -= len(self._paths.popitem(last=False)[1])

"""Repositories on code hosts: which URLs stand for a file of a branch, and which file a URL stands for."""

import enum
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException  # wcmatch raises it and exports it nowhere else

_GLOB = glob.GLOBSTAR | glob.DOTGLOB | glob.BRACE | glob.FORCEUNIX
_STARS = re.compile(r"\*+")
_MOST_STARS = 3
"""More of them, and a pattern could keep the process busy for seconds."""
_EXTENDED = re.compile(r"[?*+@!]\(")

# What a browser leaves as it is in a path, without the star: in a location that means any characters.
_PLAIN = "/!$&'()+,;=:@~"
_QUERY = re.compile(r"[?#]")


class System(enum.StrEnum):
    """The software that a code host runs."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET_CLOUD = "bitbucketCloud"
    GITEA = "gitea"
    """Forgejo as well."""


_FORMS = {
    # Without the dash are the URLs of GitLab before version 12.
    System.GITHUB: ("blob", "tree", "raw"),
    System.GITLAB: ("-/blob", "-/tree", "-/raw", "blob", "tree", "raw"),
    System.BITBUCKET_CLOUD: ("src", "raw"),
    System.GITEA: ("src/branch", "raw/branch"),
}
_GITHUB = "https://github.com/"
_GITHUB_RAW = "https://raw.githubusercontent.com/"
_NAMES_REFS = (System.GITHUB, System.GITLAB)
"""Systems whose URLs may have a full ref, refs/heads/main, in the place of a branch."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file of a repository, as a URL names it."""

    prefix: str
    """The URL up to the path of the file."""
    written: str
    """The path as it stands in the URL."""
    suffix: str = ""
    """What follows the path: a query, a fragment."""

    @property
    def path(self) -> str:
        """The path as the repository knows it."""
        return unquote(self.written)

    @property
    def url(self) -> str:
        """The URL."""
        return f"{self.prefix}{self.written}{self.suffix}"

    def at(self, path: str) -> "Place":
        """Another file of the same repository, named in the same way."""
        return Place(self.prefix, quote(path, safe=_PLAIN), self.suffix)

    def is_among(self, paths: Collection[str]) -> bool:
        """Whether it is one of the files at *paths*; a place with wildcards is, when one of them matches.

        What can't be decided cheaply is taken to be among them: to look once more does no harm.
        """
        if self.path in paths or self.written in paths:
            return True
        if "*" not in self.written:
            return False
        pattern = self.path
        if len(_STARS.findall(pattern)) > _MOST_STARS or _EXTENDED.search(pattern):
            return bool(paths)
        try:
            matcher = glob.compile(pattern, flags=_GLOB)
        except PatternLimitException:
            return bool(paths)
        return any(matcher.match(path) for path in paths)


@dataclass(frozen=True, slots=True)
class Files:
    """The URLs of the files of a branch."""

    prefixes: tuple[str, ...]
    """What all of them begin with, one way or the other."""

    def place(self, url: str) -> Place | None:
        """The file that *url* stands for, None when it is none of these."""
        if not url.startswith(self.prefixes):
            return None
        prefix = next(prefix for prefix in self.prefixes if url.startswith(prefix))
        rest = url[len(prefix) :]
        query = _QUERY.search(rest)
        end = query.start() if query else len(rest)
        return Place(prefix, rest[:end], rest[end:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A branch of a repository."""

    system: System
    repository: str
    """The URL of the repository, as people open it."""
    name: str
    is_default: bool | None = None
    """None when it is not known."""

    def files(self) -> Files:
        """The URLs of all files of the branch."""
        return Files(tuple(dict.fromkeys(f"{root}/{ref}/" for root in self._roots() for ref in self._refs())))

    def _roots(self) -> Iterator[str]:
        repository = self.repository.rstrip("/").removesuffix(".git")
        for form in _FORMS[self.system]:
            yield f"{repository}/{form}"
        if self.system is System.GITHUB and repository.startswith(_GITHUB):
            yield _GITHUB_RAW + repository.removeprefix(_GITHUB)

    def _refs(self) -> Iterator[str]:
        # A slash in the name of a branch may be encoded or not; all else that needs it, always is.
        spelled = (self.name, quote(self.name, safe=_PLAIN), quote(self.name, safe=""))
        yield from spelled
        if self.system in _NAMES_REFS:
            yield from (f"refs/heads/{name}" for name in spelled)
        if self.is_default is not False and self.system is not System.GITEA:
            yield "HEAD"

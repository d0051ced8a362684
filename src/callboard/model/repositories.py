"""Repositories on code hosts: which URLs stand for a file of a branch, and which file a URL stands for."""

import enum
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, quote_plus, unquote, unquote_plus

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException  # wcmatch raises it and exports it nowhere else

_GLOB = glob.GLOBSTAR | glob.DOTGLOB | glob.BRACE | glob.FORCEUNIX
_STARS = re.compile(r"\*+")
_MOST_STARS = 3
"""More of them, and a pattern could keep the process busy for seconds."""
_EXTENDED = re.compile(r"[?*+@!]\(")

PLAIN = "/!$&'()+,;=:@~"
"""What a browser leaves as it is in a path, without the star: in a location that means any characters."""
_QUERY = re.compile(r"[?#]")
_PATH = re.compile(r"^[^?#]*\?(?:[^#]*&)?path=(?:%2F|/)?([^&#]*)", re.IGNORECASE)


class System(enum.StrEnum):
    """The software that a code host runs."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET_CLOUD = "bitbucketCloud"
    BITBUCKET_SERVER = "bitbucketServer"
    """Bitbucket Data Center as well."""
    AZURE_DEVOPS = "azureDevOps"
    GITEA = "gitea"
    """Forgejo as well."""
    GERRIT = "gerrit"
    """Its files have the URLs of Gitiles."""


_FORMS = {
    # Without the dash are the URLs of GitLab before version 12.
    System.GITHUB: ("blob", "tree", "raw"),
    System.GITLAB: ("-/blob", "-/tree", "-/raw", "blob", "tree", "raw"),
    System.BITBUCKET_CLOUD: ("src", "raw"),
    System.BITBUCKET_SERVER: ("browse", "raw"),
    System.GITEA: ("src/branch", "raw/branch"),
    System.GERRIT: ("+", "+show"),
}
_AZURE = re.compile(
    r"https://(?:[^/@]+@)?(?:dev\.azure\.com/(?P<new>[^/]+)|(?P<old>[^/.]+)\.visualstudio\.com(?:/DefaultCollection)?)"
    r"(?:/(?P<project>[^/]+))?/_git/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_GITHUB = "https://github.com/"
_GITHUB_RAW = "https://raw.githubusercontent.com/"
_NAMES_REFS = (System.GITHUB, System.GITLAB, System.GERRIT)
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
    def is_in_query(self) -> bool:
        """Whether the path is a parameter of the URL, as at Azure DevOps."""
        return "?" in self.prefix

    @property
    def path(self) -> str:
        """The path as the repository knows it."""
        return unquote_plus(self.written) if self.is_in_query else unquote(self.written)

    @property
    def url(self) -> str:
        """The URL."""
        return f"{self.prefix}{self.written}{self.suffix}"

    def at(self, path: str) -> "Place":
        """Another file of the same repository, named in the same way."""
        return self.as_written(path, quote(path, safe=PLAIN))

    def as_written(self, path: str, otherwise: str, *, safe: str = "") -> "Place":
        """The file at *path*; in a query with slashes as this one has them, encoded or plain, elsewhere *otherwise*."""
        if not self.is_in_query:
            return Place(self.prefix, otherwise, self.suffix)
        plain = "" if "%2f" in f"{self.prefix}{self.written}".lower() else "/"
        return Place(self.prefix, quote_plus(path, safe=plain + safe), self.suffix)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class InQuery:
    """How the query of a URL names a branch."""

    parameter: str
    names: frozenset[str]
    """The values of the parameter that mean the branch."""
    may_lack: bool
    """Whether the branch is meant by URLs without the parameter as well."""

    def means(self, url: str) -> bool:
        """Whether *url* names the branch, or may do so."""
        query = url.partition("#")[0].partition("?")[2]
        said = parse_qs(query, keep_blank_values=True).get(self.parameter)
        return self.may_lack if said is None else said[0] in self.names


@dataclass(frozen=True, slots=True)
class Files:
    """The URLs of the files of a branch."""

    prefixes: tuple[str, ...]
    """What all of them begin with, one way or the other."""
    branch: InQuery | None = None
    """What tells them from the files of other branches, where the *prefixes* don't."""

    def place(self, url: str) -> Place | None:
        """The file that *url* stands for, None when it is none of these."""
        if not url.startswith(self.prefixes) or (self.branch is not None and not self.branch.means(url)):
            return None
        prefix = next(prefix for prefix in self.prefixes if url.startswith(prefix))
        return place_in_query(url) if "?" in prefix else _place_in_path(url, prefix)


def _place_in_path(url: str, prefix: str) -> Place:
    rest = url[len(prefix) :]
    query = _QUERY.search(rest)
    end = query.start() if query else len(rest)
    return Place(prefix, rest[:end], rest[end:])


def place_in_query(url: str) -> Place | None:
    """The file that the parameter `path` of *url* names, None where there is none."""
    match = _PATH.search(url)
    return Place(url[: match.start(1)], match[1], url[match.end(1) :]) if match else None


def azure_roots(repository: str) -> tuple[str, ...]:
    """The URLs of a *repository* at Azure DevOps, the one that is usual today first: the host has had two names, and a
    repository that is called like its project may be named without it."""
    match = _AZURE.fullmatch(repository.rstrip("/"))
    if match is None:
        return (repository.rstrip("/"),)
    organization, path, name = match["new"] or match["old"], match["project"], match["name"]
    project = path or name
    rests = [f"{project}/_git/{name}"] + ([f"_git/{name}"] if project == name else [])
    roots = [f"https://dev.azure.com/{organization}", f"https://{organization}.visualstudio.com"]
    roots.append(f"{roots[1]}/DefaultCollection")
    return tuple(f"{root}/{rest}" for root in roots for rest in rests)


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
        match self.system:
            case System.BITBUCKET_SERVER:
                return Files(tuple(f"{root}/" for root in self._roots()), self._in_query("at", "", "refs/heads/"))
            case System.AZURE_DEVOPS:
                roots = azure_roots(self.repository)
                return Files(tuple(f"{root}?" for root in roots), self._in_query("version", "GB"))
        return Files(tuple(dict.fromkeys(f"{root}/{ref}/" for root in self._roots() for ref in self._refs())))

    def _in_query(self, parameter: str, *beginnings: str) -> InQuery:
        names = frozenset(f"{beginning}{self.name}" for beginning in beginnings)
        return InQuery(parameter=parameter, names=names, may_lack=self.is_default is not False)

    def _roots(self) -> Iterator[str]:
        repository = self.repository.rstrip("/").removesuffix(".git")
        for form in _FORMS[self.system]:
            yield f"{repository}/{form}"
            if self.system is System.BITBUCKET_SERVER and "/projects/~" in repository:
                yield f"{repository.replace('/projects/~', '/users/')}/{form}"
        if self.system is System.GITHUB and repository.startswith(_GITHUB):
            yield _GITHUB_RAW + repository.removeprefix(_GITHUB)

    def _refs(self) -> Iterator[str]:
        # A slash in the name of a branch may be encoded or not; all else that needs it, always is.
        spelled = (self.name, quote(self.name, safe=PLAIN), quote(self.name, safe=""))
        yield from spelled
        if self.system in _NAMES_REFS:
            yield from (f"refs/heads/{name}" for name in spelled)
        if self.is_default is not False and self.system is not System.GITEA:
            yield "HEAD"

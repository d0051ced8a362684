"""Code hosts: systems of which a URL names a file in a repository, and not just a document on a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from callboard.extend.readers import Content, NotModified


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The repository that a URL leads to."""

    url: str
    """Its address, as people open it, without a slash at the end."""
    name: str
    slug: str | None = None
    """How other tools name it, `owner/name` for example."""
    annotation: str | None = None
    """The annotation for the *slug*, `github.com/project-slug` for example."""


class CodeHost(Protocol):
    """Reads the URLs of one code host.

    The first one of an installation that covers the URL of a location reads it. What none covers is read as a plain
    document from a web server.
    """

    name: str
    """For people, metrics and logs: `github.example.com`."""

    def covers(self, url: str) -> bool:
        """Whether *url* is one of this host."""
        ...

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """As `Reader.read`."""
        ...

    async def expand(self, target: str) -> Sequence[str]:
        """As `Reader.expand`."""
        ...

    def resolve(self, base: str, relative: str) -> str:
        """As `Reader.resolve`. A *relative* that begins with a slash counts from the root of the repository."""
        ...

    def contains(self, base: str, target: str) -> bool:
        """As `Reader.contains`: whether both are files of one repository."""
        ...

    def links(self, target: str) -> Mapping[str, str]:
        """Annotations for entities that were read at *target*: source-location, and edit-url where it can be edited."""
        ...

    def repository(self, url: str) -> Repository | None:
        """The repository that *url* leads to, or into; None when it leads to none."""
        ...

    async def find(self, url: str, name: str) -> Sequence[str]:
        """The URLs of the files called *name* in the default branch of the repository that *url* leads to, sorted.

        Raises what `read` does.
        """
        ...

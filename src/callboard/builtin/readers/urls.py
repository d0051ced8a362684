"""The reader of locations of the type `url`: files of code hosts, and documents on other servers."""

from collections.abc import Mapping, Sequence

from callboard.builtin.annotations import Links
from callboard.extend import CodeHost, Content, NotModified, Reader
from callboard.model.refs import LocationRef


class UrlReader:
    """Asks the first of *hosts* that covers a URL, and *others* for what none covers (an `extend.Reader`)."""

    type = "url"

    def __init__(self, hosts: Sequence[CodeHost], others: Reader) -> None:
        self._hosts = hosts
        self._others = others

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """The content of the file or document at *target*."""
        return await self._reader(target).read(target, version=version)

    async def expand(self, target: str) -> Sequence[str]:
        """The files of a repository that the wildcards of *target* match; a document itself."""
        return await self._reader(target).expand(target)

    def resolve(self, base: str, relative: str) -> str:
        """What *relative*, a URL or a path, names in the file at *base*."""
        if "://" in relative:
            # A URL of its own may be of another host, where nothing is relative to this one.
            return relative if host_of(self._hosts, relative) else self._others.resolve(base, relative)
        return self._reader(base).resolve(base, relative)

    def contains(self, base: str, target: str) -> bool:
        """Whether both are in one repository, or on one plain server."""
        host = host_of(self._hosts, base)
        if host is None:
            return host_of(self._hosts, target) is None and self._others.contains(base, target)
        return host.covers(target) and host.contains(base, target)

    def _reader(self, target: str) -> CodeHost | Reader:
        return host_of(self._hosts, target) or self._others


def host_of(hosts: Sequence[CodeHost], url: str) -> CodeHost | None:
    """The first of *hosts* that covers *url*."""
    return next((host for host in hosts if host.covers(url)), None)


def links_of(hosts: Sequence[CodeHost]) -> Links:
    """What knows further annotations of entities from a location, for those on *hosts*."""

    def links(location: LocationRef) -> Mapping[str, str]:
        host = host_of(hosts, location.target)
        return {} if host is None else host.links(location.target)

    return links

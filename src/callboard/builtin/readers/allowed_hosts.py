"""The hosts that may be read from (`backend.reading.allow`), or delivered to (`callboard.subscriptions.allow`)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2

from callboard.errors import InvalidConfiguration, NotAllowed

_HOST = re.compile(r"(\*\.)?([^*/@?#\s]+?)(?::(\d{1,5})(?:-(\d{1,5}))?)?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that may be reached.

    *host* is `name`, `name:port` or `name:first-last`, where the name may start with `*.` to mean everything below a
    domain, not the domain itself. Without a port only the scheme's own port is meant. *paths* are prefixes that end
    where a segment of the path ends; None means all paths.
    """

    host: str
    paths: tuple[str, ...] | None = None


class AllowList:
    """Decides whether a URL may be reached."""

    def __init__(self, allowed: Iterable[AllowedHost], *, setting: str = "backend.reading.allow") -> None:
        self._entries = [_Entry(host, setting) for host in allowed]

    def check(self, url: httpx2.URL) -> None:
        """Raise NotAllowed unless *url* may be read."""
        if url.scheme not in _DEFAULT_PORTS:
            raise NotAllowed(f"Reading from '{url}' is not allowed: only http and https URLs can be read")
        if url.userinfo:
            raise NotAllowed(f"Reading from '{_without_credentials(url)}' is not allowed: the URL contains credentials")
        if not self.allows(url):
            raise NotAllowed(
                f"Reading from '{url}' is not allowed: configure an integration for its host, "
                "or add the host to 'backend.reading.allow'"
            )

    def allows(self, url: httpx2.URL) -> bool:
        """Whether its host, port and path are among those that are allowed."""
        return any(entry.allows(url) for entry in self._entries)


def port_of(url: httpx2.URL) -> int | None:
    """The port that *url* leads to, also where it is not written out."""
    return url.port or _DEFAULT_PORTS.get(url.scheme)


class _Entry:
    """An AllowedHost, parsed."""

    def __init__(self, allowed: AllowedHost, setting: str) -> None:
        match = _HOST.fullmatch(allowed.host)
        if match is None:
            raise InvalidConfiguration(f"{setting}: {allowed.host!r} is not a host, host:port or *.domain")
        self._below, first, last = bool(match[1]), match[3], match[4] or match[3]
        self._host = _ascii_host(match[2], setting)
        self._ports = None if first is None else range(int(first), int(last) + 1)
        self._prefixes = None if allowed.paths is None else tuple(_prefix(path) for path in allowed.paths)

    def allows(self, url: httpx2.URL) -> bool:
        return self._is_host(url.raw_host) and self._is_port(url) and self._is_path(url)

    def _is_host(self, host: bytes) -> bool:
        return host.endswith(b"." + self._host) if self._below else host == self._host

    def _is_port(self, url: httpx2.URL) -> bool:
        if self._ports is None:
            return url.port is None
        return port_of(url) in self._ports

    def _is_path(self, url: httpx2.URL) -> bool:
        if self._prefixes is None:
            return True
        # Dots that are still there were percent-encoded: the server might yet climb out of the prefix with them.
        if "\\" in url.path or any(segment in (".", "..") for segment in url.path.split("/")):
            return False
        return (_raw_path(url) + b"/").startswith(self._prefixes)


def _prefix(path: str) -> bytes:
    return _raw_path(httpx2.URL(f"http://host/{path.lstrip('/')}")).rstrip(b"/") + b"/"


def _raw_path(url: httpx2.URL) -> bytes:
    return url.raw_path.partition(b"?")[0]


def _ascii_host(name: str, setting: str) -> bytes:
    try:
        return httpx2.URL(f"http://{name}/").raw_host
    except httpx2.InvalidURL as error:
        raise InvalidConfiguration(f"{setting}: {name!r} is not the name of a host") from error


def _without_credentials(url: httpx2.URL) -> httpx2.URL:
    return url.copy_with(username=None, password=None)

"""Places: which file of which repository a URL names."""

import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from callboard.errors import InvalidConfiguration, InvalidRef
from callboard.model.repositories import PLAIN, Place

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FULL_REF = re.compile(r"refs/(?:heads|tags)/(.+)")
_SAFE = f"{PLAIN}*%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a URL names."""

    repository: str
    """As the API of the host knows it."""
    ref: str | None
    """The branch, tag or commit; None: the default branch."""
    place: Place
    """The path, and how a URL for another one is written."""
    is_certain: bool = True
    """Whether the ref ends where it seems to: one with slashes can't be told from the path by the URL alone."""

    @property
    def path(self) -> str:
        """The path in the repository, without a slash at either end."""
        return self.place.path.strip("/")

    @property
    def is_commit(self) -> bool:
        """Whether the ref is a commit, whose content never changes."""
        return self.ref is not None and _COMMIT.fullmatch(self.ref) is not None

    @property
    def folder(self) -> str:
        """The path of the folder that no wildcard has part in; empty for the root."""
        parts = self.path.split("/")
        plain = next((at for at, part in enumerate(parts) if "*" in part), len(parts) - 1)
        return "/".join(parts[:plain])

    def url(self, path: str) -> str:
        """The URL of another file at the same ref."""
        return self.place.at(path).url

    def matching(self, paths: Collection[str]) -> list[str]:
        """Those of *paths* that the wildcards match, sorted."""
        return sorted(path for path in paths if self.place.is_among([path]))

    def with_ref(self, ref: str) -> "Target":
        """The same URL, when its ref turns out to be the longer *ref*."""
        assert self.ref is not None
        rest = f"{self.ref}/{self.place.path}".removeprefix(f"{ref}/")
        written = self.place.written
        for _ in range(ref.count("/") - self.ref.count("/")):
            written = written.partition("/")[2]
        beginning = self.place.prefix + self.place.written[: len(self.place.written) - len(written)]
        assert unquote(written) == rest, (written, rest)
        return replace(self, ref=ref, place=Place(beginning, written, self.place.suffix), is_certain=True)

    def joined(self, relative: str, base: str) -> str:
        """The URL of *relative*, as it stands in the file at *base*: from the root if it begins with a slash.

        Raises InvalidRef for what leads out of the repository.
        """
        # With a percent sign it is encoded already.
        written = quote(relative, safe=_SAFE)
        path = unquote(written)
        if not path or any(character < " " for character in path):
            raise InvalidRef(f"'{relative}' in {base} does not name a file")
        if not path.startswith("/"):
            path = posixpath.join("/", posixpath.dirname(self.path), path)
        if _depth(path) < 0 or (normal := posixpath.normpath(path).strip("/")) in ("", "."):
            raise InvalidRef(f"'{relative}' in {base} leads out of the repository")
        return self.place.as_written(normal, quote(normal, safe=_SAFE.replace("%", "")), safe="*").url


def _depth(path: str) -> int:
    """How deep the shallowest point of *path* is; below zero when it climbs out of the root."""
    depth = lowest = 0
    for part in path.strip("/").split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        lowest = min(lowest, depth)
    return lowest


def plain_ref(ref: str) -> str:
    """The name of a branch or tag, which may be written in full."""
    match = _FULL_REF.fullmatch(ref)
    return match[1] if match else ref


def is_commit(ref: str) -> bool:
    """Whether *ref* is the hash of a commit."""
    return _COMMIT.fullmatch(ref) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, taken apart as far as all hosts have it in common."""

    url: str
    origin: str
    """`https://host[:port]`."""
    segments: Sequence[str]
    """Of the path, as they are written."""
    query: str
    fragment: str

    def beginning(self, count: int) -> str:
        """The URL up to, and with, so many segments."""
        return "/".join([self.origin, *self.segments[:count]])

    def target(self, repository: str, *, ref_at: int, form: Sequence[str]) -> Target | None:
        """What a URL names that has, from the segment *ref_at* on, a ref and the path of a file; None when it has not.

        *form* are the beginnings of refs that are written in full, `refs/heads/` and so on, in segments.
        """
        rest = list(self.segments[ref_at:])
        full = next((len(beginning.split("/")) for beginning in form if "/".join(rest).startswith(f"{beginning}/")), 0)
        if len(rest) < full + 2:
            return None
        ref = unquote(rest[full])
        prefix = self.beginning(ref_at + full + 1) + "/"
        suffix = f"{f'?{self.query}' if self.query else ''}{f'#{self.fragment}' if self.fragment else ''}"
        place = Place(prefix, "/".join(rest[full + 1 :]), suffix)
        certain = "/" in ref or is_commit(ref)
        return Target(repository=repository, ref=None if ref == "HEAD" else ref, place=place, is_certain=certain)


def under(url: str, base: str) -> Address | None:
    """*url*, taken apart, with the segments that follow the address *base* alone; None when it is not below that."""
    address, own = address_of(url), address_of(base)
    if address is None or own is None or address.origin.lower() != own.origin.lower():
        return None
    count = len(own.segments)
    if list(address.segments[:count]) != list(own.segments):
        return None
    origin = "/".join([address.origin, *own.segments])
    return replace(address, origin=origin, segments=address.segments[count:])


def web_address(text: str, at: str) -> str:
    """The address of a server, without a slash at the end. Raises InvalidConfiguration, which names the key *at*."""
    address = address_of(text)
    if address is None or address.query or address.fragment:
        raise InvalidConfiguration(f"{at}: expected an address as https://host, got {text!r}")
    return "/".join([address.origin, *address.segments])


def address_of(url: str) -> Address | None:
    """*url*, taken apart; None when it is none of a web server."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return None
    origin = f"{parts.scheme}://{host}{f':{port}' if port else ''}"
    segments = [segment for segment in parts.path.split("/") if segment]
    return Address(url, origin, segments, parts.query, parts.fragment)

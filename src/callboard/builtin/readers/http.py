"""The reader of locations of the type `url` on plain web servers."""

import datetime as dt
import email.utils
import re
import urllib.parse
from collections.abc import Sequence

import httpx2

from callboard.builtin.readers import allowed_hosts, fetching
from callboard.errors import InvalidRef, LocationNotFound, Unreadable
from callboard.extend import Content, NotModified

_ETAG = re.compile(r'(?:W/)?"[^"]*"')

_SETTLED = dt.timedelta(seconds=1)
"""A Last-Modified says whole seconds: within the same second the content may change once more under the same date."""


class HttpReader:
    """Reads single files from web servers, and only from those that are allowed."""

    type = "url"

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        allow: Sequence[allowed_hosts.AllowedHost],
        timeout_seconds: float,
        per_host: int,
        max_bytes: int,
    ) -> None:
        limits = fetching.Limits(timeout_seconds=timeout_seconds, per_host=per_host, max_bytes=max_bytes)
        self._fetcher = fetching.Fetcher(client, limits)
        self._allowed = allowed_hosts.AllowList(allow)

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """The file at the URL *target*. Its version is the ETag, or failing that the Last-Modified date."""
        answer = await self._fetcher.get(target, check=self._allowed.check, headers=_conditions(version))
        if answer.status == 304 and version is not None:
            return NotModified(target, version)
        if answer.status == 404:
            raise LocationNotFound(f"nothing was found at {target} ({answer})")
        if not answer.succeeded:
            raise Unreadable(f"{target} answered {answer}{_advice(answer.headers)}")
        return Content(target, answer.body, _version(answer.headers))

    async def expand(self, target: str) -> Sequence[str]:
        """The target itself: a web server can't list its files, so a `*` is just a character."""
        return [target]

    def resolve(self, base: str, relative: str) -> str:
        """The URL that *relative*, a URL or a path, names in the file at *base*."""
        try:
            joined = urllib.parse.urljoin(base, relative)
            url = httpx2.URL(joined)
        except (ValueError, httpx2.InvalidURL) as error:
            raise InvalidRef(f"'{relative}' in {base} is not a URL: {error}") from error
        if not relative or url.scheme not in ("http", "https") or not url.host or _has_controls(relative):
            raise InvalidRef(f"'{relative}' in {base} does not name an http or https URL")
        return joined

    def contains(self, base: str, target: str) -> bool:
        """Whether both are on the same server: how a plain one is divided is not known."""
        return _origin(base) == _origin(target)


def _conditions(version: str | None) -> dict[str, str]:
    if version is None:
        return {}
    return {"if-none-match" if _ETAG.fullmatch(version) else "if-modified-since": version}


def _version(headers: httpx2.Headers) -> str | None:
    etag = headers.get("etag")
    if etag is not None and _ETAG.fullmatch(etag):
        return etag
    modified = headers.get("last-modified")
    if modified is None or "date" not in headers:
        return None
    try:
        age = email.utils.parsedate_to_datetime(headers["date"]) - email.utils.parsedate_to_datetime(modified)
    except (ValueError, TypeError):
        return None
    return modified if age > _SETTLED else None


def _advice(headers: httpx2.Headers) -> str:
    retry_after = headers.get("retry-after")
    return "" if retry_after is None else f" and asks to retry after {retry_after}"


def _has_controls(text: str) -> bool:
    # urljoin drops some of them without a word.
    return any(character < " " for character in text)


def _origin(text: str) -> tuple[str, str, int | None]:
    url = httpx2.URL(text)
    return url.scheme, url.host, allowed_hosts.port_of(url)

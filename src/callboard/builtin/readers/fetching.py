"""Fetching: a GET with limits, whose redirects are checked before they are followed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import httpx2

from callboard.builtin.readers import allowed_hosts
from callboard.errors import InvalidRef, Unreadable

MAX_REDIRECTS = 5

_DRAINED_BYTES = 64 * 1024
"""How much of an answer that nobody wants is read, so that its connection can be used again."""

_ENCODINGS = ("", "identity", "gzip")

Check = Callable[[httpx2.URL], None]
"""Raises NotAllowed for a URL that must not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a single GET may take.

    *timeout_seconds* is the time for one answer, its body included, and not for waiting until the host has a free slot
    of its *per_host*. *max_bytes* counts after decompression.
    """

    timeout_seconds: float
    per_host: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said last, after redirects. *body* is empty unless the status is 2xx."""

    status: int
    reason: str
    headers: httpx2.Headers
    body: bytes = b""

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".rstrip()


class Fetcher:
    """Gets URLs within limits, at most so many at once from one host."""

    def __init__(self, client: httpx2.AsyncClient, limits: Limits) -> None:
        self._client = client
        self._limits = limits
        self._slots: dict[tuple[str, int | None], asyncio.Semaphore] = {}

    async def get(self, target: str, *, check: Check, headers: Mapping[str, str]) -> Answer:
        """The answer to GET *target*, whatever its status; *check* sees every URL before it is asked.

        Raises InvalidRef, NotAllowed, or Unreadable when there is no usable answer.
        """
        url = _parse(target)
        for _ in range(MAX_REDIRECTS + 1):
            check(url)
            answer = await self._get_one(url, target, headers)
            redirect = _redirect(url, answer, target)
            if redirect is None:
                return answer
            url = redirect
        raise Unreadable(f"{target}: more than {MAX_REDIRECTS} redirects")

    async def _get_one(self, url: httpx2.URL, target: str, headers: Mapping[str, str]) -> Answer:
        slot = self._slots.setdefault((url.host, allowed_hosts.port_of(url)), asyncio.Semaphore(self._limits.per_host))
        seconds = self._limits.timeout_seconds
        try:
            async with slot, asyncio.timeout(seconds):
                return await self._send(url, target, headers)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise Unreadable(f"{target}: no complete answer within {seconds:g} s") from error
        except httpx2.HTTPError as error:
            raise Unreadable(f"{target}: {str(error) or type(error).__name__}") from error

    async def _send(self, url: httpx2.URL, target: str, headers: Mapping[str, str]) -> Answer:
        request = {"accept": "*/*", "accept-encoding": "gzip", **headers}
        timeout = self._limits.timeout_seconds
        async with self._client.stream("GET", url, headers=request, timeout=timeout, follow_redirects=False) as got:
            answer = Answer(got.status_code, got.reason_phrase, got.headers)
            body = await self._body(got, answer)
            if not answer.succeeded:
                return answer
            if body is None:
                raise Unreadable(f"{target}: larger than {self._limits.max_bytes} bytes")
            return Answer(answer.status, answer.reason, answer.headers, body)

    async def _body(self, got: httpx2.Response, answer: Answer) -> bytes | None:
        """The content of the answer, None when it is too large."""
        encoding = got.headers.get("content-encoding", "").lower()
        if encoding in _ENCODINGS:
            return await _read(got.aiter_bytes(), self._limits.max_bytes if answer.succeeded else _DRAINED_BYTES)
        if answer.succeeded:
            # Some encodings can turn a few bytes into gigabytes before anybody could count them.
            raise Unreadable(f"{got.url} answered {answer} in the encoding {encoding!r}")
        return None


def _parse(target: str) -> httpx2.URL:
    try:
        url = httpx2.URL(target)
    except httpx2.InvalidURL as error:
        raise InvalidRef(f"'{target}' is not a URL: {error}") from error
    if url.scheme in ("http", "https") and not url.host:
        raise InvalidRef(f"'{target}' is not a URL: it names no host")
    return url


def _redirect(url: httpx2.URL, answer: Answer, target: str) -> httpx2.URL | None:
    location = answer.headers.get("location")
    if answer.status not in (301, 302, 303, 307, 308) or location is None:
        return None
    try:
        return url.join(location)
    except httpx2.InvalidURL as error:
        raise Unreadable(f"{target}: redirected to '{location}', which is not a URL") from error


async def _read(chunks: AsyncIterator[bytes], limit: int) -> bytes | None:
    """All of *chunks*; None as soon as they are more than *limit* bytes."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > limit:
            return None
    return bytes(data)

"""Requests to the API of a host: with credentials, within their budget, and with errors that say what to do.

What is understood of every host: `ETag` and 304, `Link` with `rel="next"`, `Retry-After`, 429, the headers of budgets
(`X-RateLimit-…`, `RateLimit-…`), redirects to another address of the same host, and passing failures, which are tried
again twice.
"""

import asyncio
import base64
import datetime as dt
import email.utils
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from callboard.clock import Clock
from callboard.errors import CallboardError, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Budget, Outside
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue

_ATTEMPTS = 3
_PAUSE = 0.5
"""Seconds before the second attempt; before the third one they are four times as many."""
_PATIENCE = 10.0
"""So many seconds are waited for a budget. What takes longer is an error, and tried again when there is one."""
_MOST_REDIRECTS = 5
_PASSING = (500, 502, 503, 504)
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?')
_SECONDARY = 60.0
"""Seconds that GitHub wants to be left alone for when it names no time."""


class Credentials(Protocol):
    """Proves to a host who asks."""

    @property
    def name(self) -> str:
        """For people and metrics: `github.com integrations.github[0]`. No part of any secret."""
        ...

    async def headers(self) -> Mapping[str, str]:
        """What is sent along. May ask the host for a token that lasts for an hour. Raises Unreadable."""
        ...


@dataclass(frozen=True, slots=True)
class Nobody:
    """No credentials (`Credentials`): what everybody may see."""

    name: str

    async def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Fixed:
    """Credentials that never change (`Credentials`): a token, or a name and password."""

    name: str
    sent: Mapping[str, str] = field(repr=False)

    async def headers(self) -> Mapping[str, str]:
        """As they are."""
        return self.sent


def basic(name: str, password: str) -> str:
    """The proof of HTTP Basic authentication (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{name}:{password.strip()}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host has said: 2xx, or 304 for what has not changed."""

    url: httpx2.URL
    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def is_unchanged(self) -> bool:
        """Whether it still is what the caller knows."""
        return self.status == 304

    @property
    def etag(self) -> str | None:
        """Which version this is."""
        return self.headers.get("etag")

    def json(self) -> JsonValue:
        """The body, as JSON. Raises Unreadable when it is none."""
        try:
            return json.decode(self.body)
        except ValueError as error:
            raise Unreadable(f"{self.url.host} answered something that is not JSON: {error}") from error

    def object(self) -> JsonObject:
        """The body, as an object. Raises Unreadable."""
        value = self.json()
        if not isinstance(value, dict):
            raise Unreadable(f"{self.url.host} answered {type(value).__name__} where an object was expected")
        return value

    def list(self) -> list[JsonValue]:
        """The body, as a list. Raises Unreadable."""
        value = self.json()
        if not isinstance(value, list):
            raise Unreadable(f"{self.url.host} answered {type(value).__name__} where a list was expected")
        return value

    @property
    def next(self) -> str | None:
        """Where the next page is, by the header `Link`."""
        match = _NEXT.search(self.headers.get("link", ""))
        return match[1] if match else None

    @property
    def following(self) -> Mapping[str, str] | None:
        """The parameters of the next page; None when this is the last one.

        Only them: a host may be known to itself under an address at which it can't be reached from here.
        """
        return None if self.next is None else dict(parse_qsl(urlsplit(self.next).query))


class Api:
    """The API of one host, asked with one set of credentials."""

    def __init__(
        self,
        outside: Outside,
        base_url: str,
        credentials: Credentials,
        *,
        headers: Mapping[str, str] | None = None,
        resource: str = "",
    ) -> None:
        """*headers* go with every request. *resource* tells budgets apart that a host keeps for one credential."""
        self._outside = outside
        self.base_url = httpx2.URL(f"{base_url.rstrip('/')}/")
        self.credentials = credentials
        self._headers = dict(headers or {})
        self._budget = f"{credentials.name} {resource}".rstrip()
        self._slots = asyncio.Semaphore(outside.per_host)
        self._told: Budget | None = None

    @property
    def clock(self) -> Clock:
        """The time of whoever asks."""
        return self._outside.clock

    def spacing(self) -> float:
        """Seconds between two requests that leave a third of the budget for others, one at most; 0 if none is known."""
        told, now = self._told, self._outside.clock.now()
        if told is None or not told.remaining or told.resets_at is None:
            return 0.0
        left = (told.resets_at - now).total_seconds()
        return min(1.0, max(0.0, 1.5 * left / told.remaining))

    async def get(
        self,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        accepted: Collection[int] = (),
    ) -> Answer:
        """The answer to GET *path*, which may be a whole URL of this host; 304 only if it still is at *etag*.

        Raises LocationNotFound for 404 and 410, NotAllowed for 403, and Unreadable for all else that is not 2xx, nor
        among *accepted*.
        """
        conditions = {} if etag is None else {"if-none-match": etag}
        return await self.ask("GET", path, params=params, headers={**conditions, **(headers or {})}, accepted=accepted)

    async def pages(
        self, path: str, *, params: Mapping[str, str | int] | None = None
    ) -> AsyncIterator[list[JsonValue]]:
        """All pages of a list, by the header `Link`."""
        answer = await self.get(path, params=params)
        while True:
            yield answer.list()
            if answer.next is None:
                return
            answer = await self.get(answer.next)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        body: JsonValue = None,
        form: Mapping[str, str] | None = None,
        accepted: Collection[int] = (),
    ) -> Answer:
        """The answer to any request that changes nothing, with a *body* in JSON or a *form*. Raises as `get` does."""
        url = self._url(path)
        if params:
            url = url.copy_merge_params(dict(params))
        sent = {"accept": "application/json", **self._headers, **(headers or {})}
        content = None
        if form is not None:
            content, sent["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif body is not None:
            content, sent["content-type"] = json.encode(body), "application/json"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._once(method, url, sent, content)
            except (TimeoutError, httpx2.HTTPError) as error:
                if attempt == _ATTEMPTS:
                    raise self._no_answer(url, error) from error
            else:
                if answer.status not in _PASSING or attempt == _ATTEMPTS:
                    return answer if answer.status in accepted else await self._accepted(answer)
            await self._outside.clock.sleep(_PAUSE * 4 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _url(self, path: str) -> httpx2.URL:
        try:
            url = self.base_url.join(path.removeprefix("/"))
        except httpx2.InvalidURL as error:
            raise Unreadable(f"{self.base_url.host} named the address {path!r}, which is none") from error
        if _origin(url) != _origin(self.base_url):
            # The credentials are for this host alone.
            raise Unreadable(f"{self.base_url.host} named an address on {url.host}, which is not asked")
        return url

    async def _once(self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None) -> Answer:
        """One answer, after redirects. Raises TimeoutError and HTTPError when there is none, and Unreadable."""
        for _ in range(_MOST_REDIRECTS + 1):
            await self._admitted()
            proof = await self.credentials.headers()
            answer = await self._sent(method, url, {**headers, **proof}, content)
            await self._note(answer)
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 307, 308) or location is None:
                return answer
            url = self._url(str(url.join(location)))
        raise Unreadable(f"{url.host} redirects {url.path} again and again")

    async def _sent(self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None) -> Answer:
        seconds, most = self._outside.timeout_seconds, self._outside.max_bytes
        client = self._outside.client
        async with (
            self._slots,
            asyncio.timeout(seconds),
            client.stream(method, url, headers=headers, content=content, timeout=seconds) as got,
        ):
            body = bytearray()
            async for chunk in got.aiter_bytes():
                body += chunk
                if len(body) > most:
                    raise Unreadable(f"{url.host}{url.path}: larger than {most} bytes")
            return Answer(url, got.status_code, got.headers, bytes(body))

    def _no_answer(self, url: httpx2.URL, error: Exception) -> Unreadable:
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return Unreadable(f"{url.host}{url.path}: no complete answer within {self._outside.timeout_seconds:g} s")
        return Unreadable(f"{url.host}{url.path}: {str(error) or type(error).__name__}")

    async def _admitted(self) -> None:
        """Wait for the budget. Raises Unreadable, with the time, when that would take long."""
        clock = self._outside.clock
        while (opens := await self._outside.budgets.opening(self._budget)) is not None:
            seconds = (opens - clock.now()).total_seconds()
            if seconds > _PATIENCE:
                raise self._exhausted(opens)
            await clock.sleep(max(seconds, 0.05))

    def _exhausted(self, opens: dt.datetime) -> Unreadable:
        exhausted = Unreadable(
            f"the budget of {self._budget} is used up; {self.base_url.host} takes requests again from"
            f" {opens.isoformat(timespec='seconds')} on"
        )
        exhausted.retry_at = opens
        return exhausted

    async def _note(self, answer: Answer) -> None:
        budget = budget_of(answer, self._outside.clock.now())
        if budget is not None:
            self._told = budget
            await self._outside.budgets.tell(self._budget, budget)

    async def _accepted(self, answer: Answer) -> Answer:
        if (200 <= answer.status < 300 and not _is_sign_in(answer)) or answer.is_unchanged:
            return answer
        opens = await self._outside.budgets.opening(self._budget)
        if opens is not None and answer.status in (403, 429):
            raise self._exhausted(opens)
        raise self._refused(answer)

    def _refused(self, answer: Answer) -> CallboardError:
        told = f"{answer.url.host} answered {answer.status} for {answer.url.path}{_message(answer)}"
        if answer.status in (404, 410):
            return LocationNotFound(told)
        if answer.status == 401 or _is_sign_in(answer):
            return Unreadable(f"{told}; it does not accept the credentials of {self.credentials.name}")
        if answer.status == 403:
            return NotAllowed(f"{told}; the credentials of {self.credentials.name} may not see this")
        return Unreadable(told)


def budget_of(answer: Answer, now: dt.datetime) -> Budget | None:
    """What the headers of an *answer* say about the budget; None when they say nothing."""
    headers = answer.headers
    limit, remaining = _number(headers, "limit"), _number(headers, "remaining")
    blocked = _blocked_until(answer, now, remaining)
    if remaining is None and blocked is None:
        return None
    return Budget(limit=limit, remaining=remaining, resets_at=_reset(headers, now), blocked_until=blocked)


def _blocked_until(answer: Answer, now: dt.datetime, remaining: int | None) -> dt.datetime | None:
    # Azure DevOps says it with what it has sent: "the next request will be delayed, or refused".
    if answer.status not in (200, 403, 429, 503):
        return None
    asked = _retry_after(answer.headers, now)
    if asked is not None or answer.status in (200, 503):
        return asked
    if answer.status == 429 or (b"secondary rate limit" in answer.body.lower() and remaining != 0):
        return _reset(answer.headers, now) if remaining == 0 else now + dt.timedelta(seconds=_SECONDARY)
    return None


def _retry_after(headers: httpx2.Headers, now: dt.datetime) -> dt.datetime | None:
    """RFC 9110, 10.2.3: seconds, or a date."""
    said = headers.get("retry-after", "").strip()
    try:
        return now + dt.timedelta(seconds=min(float(said), 86_400.0))
    except ValueError:
        pass
    try:
        at = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _number(headers: httpx2.Headers, name: str) -> int | None:
    said = headers.get(f"x-ratelimit-{name}", headers.get(f"ratelimit-{name}", ""))
    return int(said) if said.isdecimal() else None


def _reset(headers: httpx2.Headers, now: dt.datetime) -> dt.datetime | None:
    """A moment in seconds since 1970, or as so many seconds from *now*: hosts differ."""
    number = _number(headers, "reset")
    if number is None:
        return None
    return now + dt.timedelta(seconds=number) if number < 10**8 else dt.datetime.fromtimestamp(number, dt.UTC)


def _is_sign_in(answer: Answer) -> bool:
    """Whether this is the page on which people sign in: Azure DevOps has no other way of saying who it doesn't know."""
    return answer.status == 203 and "html" in answer.headers.get("content-type", "")


def _message(answer: Answer) -> str:
    """What the host says about an error, if it says that in one of the usual ways."""
    try:
        value = json.decode(answer.body)
    except ValueError:
        return ""
    if not isinstance(value, dict):
        return ""
    for name in ("message", "error_description", "error", "errors"):
        said = value.get(name)
        if isinstance(said, list) and said:
            said = said[0]
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said:
            return f" ({' '.join(said.split())[:200]})"
    return ""


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port

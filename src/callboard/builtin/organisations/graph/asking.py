"""Asking Microsoft Graph: tokens, pages, and patience with a service that throttles."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import structlog

from callboard.builtin.hosts.asking import Answer, Api
from callboard.builtin.organisations.graph.options import Tenant
from callboard.errors import LocationNotFound, NotAllowed, Unreadable
from callboard.extend import JsonObject, Outside
from callboard.model import json

_log = structlog.get_logger(__name__)

PAGE = 999
"""The most that Graph puts into one page."""

_EARLY = dt.timedelta(seconds=60)
"""A token is renewed before it runs out: a request takes its time."""
_PATIENCE = 300.0
"""So many seconds at a time are waited for; a round of thousands of requests is not begun again for a short pause."""
_IDENTITY = "http://169.254.169.254/metadata/identity/oauth2/token"
"""Where virtual machines of Azure get tokens of their own identity."""


@dataclass(slots=True)
class AppCredentials:
    """The credentials of an app, or of the machine (`Credentials`): tokens that last for about an hour."""

    tenant: Tenant
    outside: Outside
    name: str
    _token: str = field(default="", init=False, repr=False)
    _until: dt.datetime | None = field(default=None, init=False)

    async def headers(self) -> Mapping[str, str]:
        """The token, a new one if need be. Raises Unreadable, and NotAllowed when the credentials are not accepted."""
        now = self.outside.clock.now()
        if self._until is None or self._until - _EARLY <= now:
            answer = await self._asked()
            token, seconds = answer.get("access_token"), answer.get("expires_in")
            if not isinstance(token, str) or not token:
                self._refused("an answer without access_token")
            lasts = float(seconds) if isinstance(seconds, int | float | str) and str(seconds).isdecimal() else 0.0
            self._token, self._until = token, now + dt.timedelta(seconds=lasts)
        return {"authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """Ask for another token next time: this one may have been revoked."""
        self._until = None

    async def _asked(self) -> JsonObject:
        url, sent = self._request()
        seconds = self.outside.timeout_seconds
        try:
            answer = await self.outside.client.send(sent)
        except httpx2.HTTPError as error:
            raise Unreadable(f"{url} gave no token within {seconds:g} s: {type(error).__name__}") from error
        try:
            value = json.decode(answer.content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self._refused(f"status {answer.status_code} and no JSON")
        if answer.status_code != 200:
            said = " ".join(str(value.get("error_description", value.get("error"))).split())[:300]
            if answer.status_code in (400, 401, 403):
                raise NotAllowed(f"{self.name}: expected a token, got status {answer.status_code}: {said}")
            self._refused(f"status {answer.status_code}: {said}")
        return value

    def _request(self) -> tuple[str, httpx2.Request]:
        tenant, seconds = self.tenant, self.outside.timeout_seconds
        target = urlsplit(tenant.target)
        resource = f"{target.scheme}://{target.netloc}"
        if tenant.client_id is None or tenant.client_secret is None:
            asked = {"api-version": "2018-02-01", "resource": resource}
            headers = {"metadata": "true"}
            build = self.outside.client.build_request
            return _IDENTITY, build("GET", _IDENTITY, params=asked, headers=headers, timeout=seconds)
        url = f"{tenant.authority.rstrip('/')}/{quote(tenant.tenant_id, safe='')}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": tenant.client_id,
            "client_secret": str.__str__(tenant.client_secret),
            "scope": f"{resource}/.default",
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        content = urlencode(form).encode()
        return url, self.outside.client.build_request("POST", url, content=content, headers=headers, timeout=seconds)

    def _refused(self, got: str) -> NoReturn:
        raise Unreadable(f"{self.name}: expected a token, got {got}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of a collection, as OData has it."""

    filter: str | None = None
    search: str | None = None
    expand: str | None = None
    select: tuple[str, ...] = ()
    advanced: bool = False

    @property
    def parameters(self) -> dict[str, str | int]:
        """The query string."""
        found: dict[str, str | int] = {"$top": PAGE}
        if self.select:
            found["$select"] = ",".join(self.select)
        said = {"$filter": self.filter, "$search": self.search, "$expand": self.expand}
        found |= {name: value for name, value in said.items() if value is not None}
        if self.is_advanced:
            found["$count"] = "true"
        return found

    @property
    def is_advanced(self) -> bool:
        """Whether it needs what Graph calls advanced queries; a search always does."""
        return self.advanced or self.search is not None

    @property
    def headers(self) -> Mapping[str, str]:
        """What has to be said for it."""
        return {"consistencylevel": "eventual"} if self.is_advanced else {}


class Graph:
    """Microsoft Graph, asked for one tenant."""

    def __init__(self, tenant: Tenant, outside: Outside, at: str) -> None:
        """*at* is the key of the tenant in the configuration, which names its credentials."""
        self.credentials = AppCredentials(tenant, outside, at)
        self._clock = outside.clock
        self._api = Api(outside, tenant.target, self.credentials)

    async def collection(self, path: str, query: Query) -> AsyncIterator[JsonObject]:
        """All objects of a collection, page by page. Raises Unreadable unless they are all there."""
        answer = await self._get(path, query.parameters, query.headers)
        seen: set[str] = set()
        while True:
            page = answer.object()
            values = page.get("value")
            if not isinstance(values, list):
                raise Unreadable(f"{answer.url.host} answered a page of {path} without its value")
            for value in values:
                if not isinstance(value, dict):
                    raise Unreadable(f"{answer.url.host} answered {type(value).__name__} within {path}")
                yield value
            following = page.get("@odata.nextLink")
            if following is None:
                return
            if not isinstance(following, str) or following in seen:
                raise Unreadable(f"{answer.url.host} named a next page of {path} that it had named before, or none")
            seen.add(following)
            answer = await self._get(following, {}, query.headers)

    async def one(self, path: str, query: Query) -> JsonObject:
        """One object. Raises LocationNotFound."""
        parameters = {name: value for name, value in query.parameters.items() if name in ("$select", "$expand")}
        return (await self._get(path, parameters, {})).object()

    async def photo(self, user_id: str) -> bytes | None:
        """The picture of a user, 120 pixels wide; None when there is none. Raises NotAllowed."""
        try:
            return (await self._get(f"users/{quote(user_id, safe='')}/photos/120x120/$value", {}, {})).body
        except LocationNotFound:
            return None

    async def _get(self, path: str, parameters: Mapping[str, str | int], headers: Mapping[str, str]) -> Answer:
        while True:
            try:
                return await self._api.get(path, params=parameters, headers=headers)
            except Unreadable as error:
                now = self._clock.now()
                if error.retry_at is None or (pause := (error.retry_at - now).total_seconds()) > _PATIENCE:
                    raise
                _log.info("graph.throttled", credentials=self.credentials.name, seconds=round(pause, 1))
                await self._clock.sleep(max(pause, 0.05))

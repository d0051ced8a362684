"""A fake Microsoft Graph: tokens, users, groups, members, photos, in pages, as its documentation says."""

import datetime as dt
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote

import httpx2

from callboard.clock import Clock, SystemClock

_USUAL_PAGE = 100
_LARGEST_PAGE = 999
_LASTS = 3_599
_DEFAULT = ("id", "displayName", "mail", "userPrincipalName", "mailNickname", "securityEnabled", "description")
_EQUATION = re.compile(r"\s*(\w+) eq (?:'((?:[^']|'')*)'|(true|false))\s*")
_SEARCH = re.compile(r'"(\w+):([^"]*)"')

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Failure:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class FakeMicrosoftGraph:
    """A tenant that exists in memory: hand `transport` to an HTTP client.

    It gives tokens for the right secret only, for an hour of its clock. Collections come in pages with an
    `@odata.nextLink`; `$filter` knows equations joined by `and`, and `$search` needs `ConsistencyLevel: eventual`, as
    the real one says. `requests` counts what was asked for, by method and path without query.
    """

    def __init__(
        self,
        *,
        tenant: str = "tenant-1",
        name: str = "Example",
        client_id: str = "client-1",
        client_secret: str = "client-secret",  # noqa: S107 - it opens nothing
        clock: Clock | None = None,
        page: int = _LARGEST_PAGE,
    ) -> None:
        """*page* is the most that it puts into one page, whatever is asked for."""
        self.tenant = tenant
        self.organization: Resource = {"id": tenant, "displayName": name}
        self.client_id = client_id
        self.client_secret = client_secret
        self.clock = clock or SystemClock()
        self.page = page
        self.users: dict[str, Resource] = {}
        self.groups: dict[str, Resource] = {}
        self.members: dict[str, list[str]] = {}
        """The ids of users and groups, by the id of the group that they are in."""
        self.photos: dict[str, bytes] = {}
        self.may_see_photos = True
        self.has_machine_identity = False
        """Whether tokens are given to the machine, without any secret."""
        self.requests: Counter[str] = Counter()
        self.queries: list[dict[str, str]] = []
        """The query strings of all requests for pages."""
        self._tokens: dict[str, dt.datetime] = {}
        self._failures: deque[_Failure] = deque()

    def add_user(self, id_: str, mail: str | None, display_name: str | None = None, **more: Any) -> None:
        """Add a user."""
        self.users[id_] = {"id": id_, "mail": mail, "displayName": display_name or mail, **more}

    def add_group(self, id_: str, display_name: str, members: Iterable[str] = (), **more: Any) -> None:
        """Add a group, with the ids of its members."""
        self.groups[id_] = {"id": id_, "displayName": display_name, "securityEnabled": True, **more}
        self.members[id_] = list(members)

    def fail(self, status: int, *, times: int = 1, body: bytes | None = None, **headers: str) -> None:
        """Answer the next requests to Graph itself with *status*; underscores in *headers* stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._failures.extend([_Failure(status, named, body)] * times)

    def revoke(self) -> None:
        """Take no token any more that was given so far."""
        self._tokens.clear()

    @property
    def transport(self) -> httpx2.AsyncBaseTransport:
        """What an `httpx2.AsyncClient` sends its requests through."""
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = unquote(request.url.path)
        self.requests[f"{request.method} {path}"] += 1
        if request.url.host == "login.microsoftonline.com":
            return self._token(request, path)
        if request.url.host == "169.254.169.254":
            return self._machine_token(request)
        if request.url.host != "graph.microsoft.com" or not path.startswith("/v1.0/"):
            return _error(404, "ResourceNotFound", f"nothing at {request.url}")
        until = self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if until is None or until <= self.clock.now():
            return _error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
        if self._failures:
            failure = self._failures.popleft()
            if failure.body is not None:
                return httpx2.Response(failure.status, content=failure.body, headers=failure.headers)
            return _error(failure.status, "Failure", "told to fail", failure.headers)
        if request.method != "GET":
            return _error(405, "MethodNotAllowed", request.method)
        return self._resource(request, path.removeprefix("/v1.0/").strip("/"))

    def _token(self, request: httpx2.Request, path: str) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if path != f"/{self.tenant}/oauth2/v2.0/token" or request.method != "POST":
            return _json(400, {"error": "invalid_request", "error_description": "AADSTS90002: Tenant not found."})
        right = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": "https://graph.microsoft.com/.default",
        }
        if form != right:
            told = "AADSTS7000215: Invalid client secret provided."
            return _json(401, {"error": "invalid_client", "error_description": told})
        return self._granted(_LASTS)

    def _machine_token(self, request: httpx2.Request) -> httpx2.Response:
        wanted = {"api-version": "2018-02-01", "resource": "https://graph.microsoft.com"}
        asked = dict(request.url.params)
        if not self.has_machine_identity or asked != wanted or request.headers.get("metadata") != "true":
            return _json(400, {"error": "invalid_request", "error_description": "Identity not found"})
        return self._granted(str(_LASTS))

    def _granted(self, lasts: int | str) -> httpx2.Response:
        token = f"token-{self.requests.total()}"
        self._tokens[token] = self.clock.now() + dt.timedelta(seconds=_LASTS)
        return _json(200, {"token_type": "Bearer", "expires_in": lasts, "access_token": token})

    def _resource(self, request: httpx2.Request, path: str) -> httpx2.Response:
        query = dict(parse_qsl(request.url.query.decode()))
        listed: Iterable[Resource]
        match path.split("/"):
            case ["users"]:
                listed = self.users.values()
            case ["groups"]:
                listed = self.groups.values()
            case ["organization", id_]:
                return self._single(self.organization if id_ == self.tenant else None, query)
            case ["users", id_]:
                return self._single(self.users.get(id_), query)
            case ["groups", id_]:
                return self._single(self.groups.get(id_), query)
            case ["users", id_, "photos", "120x120", "$value"]:
                if not self.may_see_photos:
                    return _error(403, "Authorization_RequestDenied", "Insufficient privileges")
                photo = self.photos.get(id_)
                return _error(404, "ImageNotFound", id_) if photo is None else httpx2.Response(200, content=photo)
            case ["groups", id_, "members" | "transitiveMembers" as how, *cast] if id_ in self.groups:
                ids = self.members[id_] if how == "members" else list(self._all_members(id_))
                listed = self._cast(ids, cast)
            case _:
                return _error(404, "Request_ResourceNotFound", f"Resource {path!r} does not exist")
        return self._listed(request, query, list(listed))

    def _all_members(self, group: str, seen: frozenset[str] = frozenset()) -> Iterable[str]:
        found: dict[str, None] = {}
        for id_ in self.members[group]:
            found[id_] = None
            if id_ in self.groups and id_ not in seen:
                found |= dict.fromkeys(self._all_members(id_, seen | {group, id_}))
        return found

    def _cast(self, ids: Iterable[str], cast: list[str]) -> Iterable[Resource]:
        for id_ in ids:
            if id_ in self.users and cast in ([], ["microsoft.graph.user"]):
                yield self.users[id_] if cast else {"@odata.type": "#microsoft.graph.user", **self.users[id_]}
            elif id_ in self.groups and cast in ([], ["microsoft.graph.group"]):
                yield self.groups[id_] if cast else {"@odata.type": "#microsoft.graph.group", **self.groups[id_]}

    def _single(self, found: Resource | None, query: Mapping[str, str]) -> httpx2.Response:
        if found is None:
            return _error(404, "Request_ResourceNotFound", "Resource does not exist")
        return _json(200, _selected(found, query))

    def _listed(self, request: httpx2.Request, query: dict[str, str], found: list[Resource]) -> httpx2.Response:
        self.queries.append(query)
        eventual = request.headers.get("consistencylevel") == "eventual"
        if ("$search" in query or query.get("$count") == "true") and not eventual:
            return _error(400, "Request_UnsupportedQuery", "Request requires the header ConsistencyLevel: eventual")
        top = query.get("$top", str(_USUAL_PAGE))
        if not top.isdecimal() or not 1 <= int(top) <= _LARGEST_PAGE:
            return _error(400, "Request_UnsupportedQuery", f"Invalid page size specified: {top!r}")
        try:
            found = [each for each in found if _matches(each, query)]
        except ValueError as error:
            return _error(400, "Request_UnsupportedQuery", str(error))
        start, size = int(query.get("$skiptoken", "0")), min(int(top), self.page)
        body: Resource = {"value": [_selected(each, query) for each in found[start : start + size]]}
        if start + size < len(found):
            rest = {**query, "$skiptoken": str(start + size)}
            joined = "&".join(f"{name}={quote(value, safe='')}" for name, value in rest.items())
            body["@odata.nextLink"] = f"https://graph.microsoft.com{request.url.path}?{joined}"
        return _json(200, body)


def _matches(resource: Resource, query: Mapping[str, str]) -> bool:
    for equation in re.split(r"\band\b", query["$filter"]) if "$filter" in query else ():
        match = _EQUATION.fullmatch(equation)
        if match is None:
            raise ValueError(f"Invalid filter clause: {equation!r}")
        wanted = match[2].replace("''", "'") if match[3] is None else match[3] == "true"
        if resource.get(match[1]) != wanted:
            return False
    if "$search" in query:
        match = _SEARCH.fullmatch(query["$search"])
        if match is None:
            raise ValueError(f"Syntax error in $search: {query['$search']!r}")
        return match[2].lower() in str(resource.get(match[1], "")).lower()
    return True


def _selected(resource: Resource, query: Mapping[str, str]) -> Resource:
    wanted = query["$select"].split(",") if "$select" in query else _DEFAULT
    return {name: value for name, value in resource.items() if name in wanted or name.startswith("@")}


def _json(status: int, body: Resource) -> httpx2.Response:
    return httpx2.Response(status, content=json.dumps(body), headers={"content-type": "application/json"})


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    answer = _json(status, {"error": {"code": code, "message": message}})
    answer.headers.update(headers or {})
    return answer

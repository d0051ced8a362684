"""Asking: the catalog's API, called from within its process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope

from callboard.api.context import IN_SCOPE, MOUNT
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef

Parameter = str | int | list[str] | None
"""A value in a query string. A list is a parameter that is repeated; None is one that is left out."""


class Refused(Exception):
    """The API has answered with an error."""

    def __init__(self, status: int, name: str, message: str, error: JsonObject, body: JsonValue = None) -> None:
        self.status = status
        self.name = name
        self.message = message
        self.error = error
        """All that the answer says of it."""
        self.body = body
        """The answer as it is, where it is in no envelope."""
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API has answered, which was no error."""

    status: int
    headers: Mapping[str, str]
    body: JsonValue
    """None when there is none."""


class Asking:
    """Asks the API as somebody who shows *authorization*, an `Authorization` header, or nobody."""

    def __init__(self, api: ASGIApp, request: Request, authorization: str | None) -> None:
        self._api = api
        self._request = request
        self._headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]

    async def get(self, path: str, **parameters: Parameter) -> JsonValue:
        """The body of the answer to a GET of *path*, which is below the mount point. Raises Refused."""
        return (await self.ask("GET", path, None, **parameters)).body

    async def get_object(self, path: str, **parameters: Parameter) -> JsonObject:
        """As `get`, where the answer is an object."""
        body = await self.get(path, **parameters)
        assert isinstance(body, dict)
        return body

    async def find(self, path: str, **parameters: Parameter) -> JsonValue:
        """As `get`, but None where there is no such thing."""
        try:
            return await self.get(path, **parameters)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def post(self, path: str, body: JsonObject, **parameters: Parameter) -> JsonValue:
        """The body of the answer to a POST. Raises Refused."""
        return (await self.ask("POST", path, body, **parameters)).body

    async def post_object(self, path: str, body: JsonObject, **parameters: Parameter) -> JsonObject:
        """As `post`, where the answer is an object."""
        found = await self.post(path, body, **parameters)
        assert isinstance(found, dict)
        return found

    async def by_refs(self, refs: Sequence[str], fields: Sequence[str]) -> list[JsonObject | None]:
        """Of each of *refs* these parts of its entity; None where there is none that may be seen. Raises Refused."""
        if not refs:
            return []
        items = (await self.post_object("/entities/by-refs", {"entityRefs": [*refs], "fields": [*fields]}))["items"]
        assert isinstance(items, list)
        return [item if isinstance(item, dict) else None for item in items]

    async def ask(self, method: str, path: str, body: JsonObject | None = None, **parameters: Parameter) -> Answer:
        """The answer to any request. Raises Refused when it is an error."""
        told = _Told()
        sent = b"" if body is None else json.encode(body)
        await self._api(
            self.scope(method, path, body is not None, **parameters), _receiving(sent, self._request.receive), told.send
        )
        content = json.decode(bytes(told.body)) if told.body else None
        if told.status >= 400:
            raise _refused(told.status, content)
        return Answer(told.status, told.headers, content)

    def scope(self, method: str, path: str, has_body: bool, **parameters: Parameter) -> Scope:
        """The request as the API gets it."""
        raw = MOUNT + path
        headers = [*self._headers, (b"content-type", b"application/json")] if has_body else self._headers
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": raw,
            "raw_path": raw.encode("latin-1"),
            "query_string": _query(parameters),
            "root_path": "",
            "headers": headers,
            "client": self._request.scope.get("client"),
            "server": self._request.scope.get("server"),
            "state": self._request.scope.get("state", {}),
            IN_SCOPE: self._request.scope[IN_SCOPE],
        }


def path_of(*parts: str) -> str:
    """A path of *parts*, each of which may hold anything.

    >>> path_of("providers", "a/b", "status")
    '/providers/a%2Fb/status'
    """
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def entity_path(ref: str, *more: str) -> str:
    """Where the API has an entity, or something about it.

    >>> entity_path("component:default/shop", "history")
    '/entities/by-name/component/default/shop/history'
    """
    parsed = EntityRef.parse(ref)
    return "/entities/by-name" + path_of(parsed.kind, parsed.namespace, parsed.name, *more)


def _query(parameters: Mapping[str, Parameter]) -> bytes:
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, list):
            pairs += [(name, each) for each in value]
        elif value is not None:
            pairs.append((name, str(value)))
    return urlencode(pairs).encode("ascii")


def _refused(status: int, content: JsonValue) -> Refused:
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return Refused(
            status, "NotFoundError" if status == 404 else "Error", f"The catalog answered {status}", {}, content
        )
    return Refused(status, str(error.get("name", "Error")), str(error.get("message", "")), error)


class _Told:
    """Takes an answer in."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


def _receiving(body: bytes, receive: Receive) -> Receive:
    """What hands *body* over at once; then it says when whoever looks at the page has gone."""
    pending = [body]

    async def handed_over() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return handed_over

"""Bulk: several operations in one request, one after the other (RFC 7644, section 3.7)."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from callboard.api import errors
from callboard.api.context import MOUNT
from callboard.api.parameters import body_of
from callboard.api.scim import endpoints, refusals
from callboard.api.scim.refusals import MEDIA_TYPE, Refused
from callboard.api.scim.schemas import MOST_OPERATIONS, TYPES
from callboard.errors import CallboardError, NotFound
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue

_ANSWER = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_REFERENCE = re.compile(r"bulkId:([^/\s]+)")
_METHODS = ("POST", "PUT", "PATCH", "DELETE")

_Call = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class _Operation:
    """One of the operations, as it was said."""

    method: str
    path: str
    bulk_id: str | None
    version: str | None
    data: JsonValue
    told: JsonObject | None = None
    """What became of it."""

    @property
    def references(self) -> set[str]:
        """The operations whose resources it names by their bulk ids."""
        return {match for text in (self.path, *_texts(self.data)) for match in _REFERENCE.findall(text)}

    @property
    def has_failed(self) -> bool:
        """Whether it was refused."""
        return self.told is not None and not str(self.told["status"]).startswith("2")


@dataclass(slots=True)
class _Work:
    """Operations, and the resources that they have made."""

    request: Request
    operations: list[_Operation]
    most_errors: int | None
    ids: dict[str, str] = field(default_factory=dict)
    """By bulk id."""
    errors: int = 0

    @property
    def is_stopped(self) -> bool:
        """Whether there were as many errors as the client wants to bear."""
        return self.most_errors is not None and self.errors >= self.most_errors

    async def run(self) -> None:
        """Do all, in their order as far as none names a resource that is made behind it."""
        left = list(self.operations)
        while left and not self.is_stopped:
            ready = [each for each in left if each.references <= self.ids.keys()]
            for each in ready:
                if not self.is_stopped:
                    await self._do(each)
            left = [each for each in left if each.told is None]
            if not ready:
                for each in left:
                    names = ", ".join(sorted(each.references - self.ids.keys()))
                    self._note(
                        each, _refusal(409, f"there is no resource for bulkId {names}, or each waits for another")
                    )
                return

    async def _do(self, operation: _Operation) -> None:
        inner = self._request(operation)
        try:
            endpoint, inner.scope["path_params"] = _endpoint(operation, self._known(operation.path), inner)
            answer = await endpoint(inner)
        except CallboardError as error:
            answer = errors.answer(inner, error, mount=MOUNT)
        self._note(operation, answer)

    def _note(self, operation: _Operation, answer: Response) -> None:
        told: JsonObject = {"method": operation.method, "status": str(answer.status_code)}
        if operation.bulk_id is not None:
            told["bulkId"] = operation.bulk_id
        for name, header in (("location", "location"), ("version", "etag")):
            if header in answer.headers:
                told[name] = answer.headers[header]
        operation.told = told
        if operation.has_failed:
            told["response"] = json.decode(bytes(answer.body))
            self.errors += 1
        elif operation.method == "POST" and operation.bulk_id is not None:
            self.ids[operation.bulk_id] = str(told["location"]).rpartition("/")[2]

    def _known(self, text: str) -> str:
        return _REFERENCE.sub(lambda match: self.ids.get(match[1], match[0]), text)

    def _filled(self, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self._known(value)
            case list():
                return [self._filled(each) for each in value]
            case dict():
                return {name: self._filled(each) for name, each in value.items()}
            case _:
                return value

    def _request(self, operation: _Operation) -> Request:
        """The request that the operation would be by itself."""
        body = b"" if operation.data is None else json.encode(self._filled(operation.data))
        left_out = (b"content-length", b"content-type", b"content-encoding", b"if-match", b"transfer-encoding")
        headers = [(name, value) for name, value in self.request.scope["headers"] if name not in left_out]
        headers.append((b"content-type", MEDIA_TYPE.encode()))
        if operation.version is not None:
            headers.append((b"if-match", operation.version.encode("latin-1", "replace")))

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        path = self.request.scope["path"].removesuffix("/Bulk") + self._known(operation.path)
        own = {"method": operation.method, "path": path, "raw_path": path.encode(), "query_string": b""}
        return Request({**self.request.scope, **own, "headers": headers}, receive)


async def bulk(request: Request) -> Response:
    """`POST /Bulk`. Each operation is stored for itself; one that fails says so, and the others go on."""
    await endpoints.admitted(request)
    body = (await body_of(request, also=MEDIA_TYPE)).content
    listed = body.get("Operations")
    if not isinstance(listed, list):
        raise Refused("invalidSyntax", "Operations must be a list")
    if len(listed) > MOST_OPERATIONS:
        return _refusal(413, f"a request may have {MOST_OPERATIONS} operations, and this one has {len(listed)}")
    most = body.get("failOnErrors")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise Refused("invalidValue", "failOnErrors must be a whole number from 1 on")
    work = _Work(request, [_read(each, at) for at, each in enumerate(listed)], most)
    await work.run()
    told: list[JsonValue] = [each.told for each in work.operations if each.told is not None]
    return Response(json.encode({"schemas": [_ANSWER], "Operations": told}), media_type=MEDIA_TYPE)


def _read(value: JsonValue, at: int) -> _Operation:
    """An operation of the list. Raises Refused."""
    said = value if isinstance(value, dict) else {}
    method, path, bulk_id, version = (said.get(name) for name in ("method", "path", "bulkId", "version"))
    where = f"Operations[{at}]"
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise Refused("invalidSyntax", f"{where}.method must be one of {', '.join(_METHODS)}")
    if not isinstance(path, str) or not path.startswith("/"):
        raise Refused("invalidSyntax", f"{where}.path must be a path as /Users")
    for name, text in (("bulkId", bulk_id), ("version", version)):
        if text is not None and not isinstance(text, str):
            raise Refused("invalidSyntax", f"{where}.{name} must be a text")
    return _Operation(method.upper(), path, _text(bulk_id), _text(version), said.get("data"))


def _endpoint(operation: _Operation, path: str, request: Request) -> tuple[_Call, Mapping[str, str]]:
    """What answers the operation, and what it finds in its path. Raises NotFound."""
    place, _, id_ = path.removeprefix("/").partition("/")
    kind = next((each for each in TYPES.values() if each.endpoint == f"/{place}"), None)
    if kind is None or (operation.method == "POST") == bool(id_) or "/" in id_:
        raise NotFound(f"There is nothing to {operation.method} at {operation.path}")
    of_path = {**request.path_params, "id": id_} if id_ else dict(request.path_params)
    return endpoints.of_kind(kind, operation.method), of_path


def _texts(value: JsonValue) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for each in value.values():
                yield from _texts(each)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _refusal(status: int, detail: str) -> Response:
    return refusals.answer(Exception(), status, detail)

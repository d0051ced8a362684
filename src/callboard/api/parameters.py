"""Query strings and bodies, checked as Backstage's request validator checks them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import Predicate, parse_query

_MEANINGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]*)?")


LARGEST_BODY = 10 * 2**20
"""Bytes. Room for a hundred thousand refs, and a limit for what one request can fill the memory with."""

DEEPEST_BODY = 200
"""Levels of nesting. Room for the deepest predicate, and below what JSON can be written with and schemas can check."""


@dataclass(frozen=True, slots=True)
class Text:
    """A parameter that is a text, once or repeated."""

    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter that is a number."""

    minimum: float = 0
    whole: bool = True


Known = Mapping[str, Text | Number]
"""The parameters of an endpoint by name."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The query string of a request, checked against what its endpoint knows."""

    values: Mapping[str, list[str]]

    def texts(self, name: str) -> list[str]:
        """All values of a repeated parameter; the empty ones don't count."""
        return [value for value in self.values.get(name, ()) if value]

    def text(self, name: str) -> str | None:
        """The last value of a parameter."""
        values = self.texts(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        """Whether a parameter says yes; no without it."""
        text = (self.text(name) or "false").lower()
        if text not in _MEANINGS:
            # To take it for a no, as Backstage does, would do what was to be tried out.
            raise InvalidInput(f"request/query/{name} must be true or false")
        return _MEANINGS[text]

    def integer(self, name: str) -> int | None:
        """The value of a whole number."""
        value = self.text(name)
        return None if value is None else int(value)

    def number(self, name: str) -> float | None:
        """The value of a number."""
        value = self.text(name)
        return None if value is None else float(value)


def query_of(request: Request, known: Known) -> Parameters:
    """The query string of *request*. Raises InvalidInput for what is not known or has another type."""
    return parsed(request.scope["query_string"], known)


def parsed(raw: bytes, known: Known) -> Parameters:
    """As `query_of`, for a query string."""
    if not raw:
        return Parameters({})
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        values.setdefault(name.removesuffix("[]"), []).append(value)
    for name, found in values.items():
        expected = known.get(name)
        if expected is None:
            raise InvalidInput(f"Unknown query parameter '{name}'")
        if not any(found):
            raise InvalidInput(f"Empty value found for query parameter '{name}'")
        _check(name, found, expected)
    return Parameters(values)


def _check(name: str, found: list[str], expected: Text | Number) -> None:
    match expected:
        case Text(choices) if choices and found[-1] not in choices:
            allowed = ", ".join(choices)
            raise InvalidInput(f"request/query/{name} must be equal to one of the allowed values: {allowed}")
        case Number(minimum, whole):
            kind = "integer" if whole else "number"
            # Python reads more than the caller can mean: 1_000, nan, digits of other scripts.
            if not (_WHOLE if whole else _DECIMAL).fullmatch(found[-1]):
                raise InvalidInput(f"request/query/{name} must be {kind}")
            value = float(found[-1])
            if len(found) > 1:
                raise InvalidInput(f"request/query/{name} must be {kind}, but is there {len(found)} times")
            if value < minimum:
                raise InvalidInput(f"request/query/{name} must be >= {minimum:g}")
        case _:
            pass


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON object that a request carries. Each look at it names what is wrong there."""

    content: JsonObject

    def text(self, name: str) -> str | None:
        """An optional text."""
        value = self.content.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"request/body/{name} must be string")
        return value

    def required_text(self, name: str, *, of: str = "") -> str:
        """A text that must be there. *of* says where the object stands in the body."""
        value = self._required(name, of)
        if not isinstance(value, str):
            raise InvalidInput(f"request/body/{of}{name} must be string")
        return value

    def required_object(self, name: str, *, of: str = "") -> JsonObject:
        """An object that must be there. *of* says where the object that holds it stands in the body."""
        value = self._required(name, of)
        if not isinstance(value, dict):
            raise InvalidInput(f"request/body/{of}{name} must be object")
        return value

    def _required(self, name: str, of: str) -> JsonValue:
        if name not in self.content:
            where = f"request/body/{of}".rstrip("/")
            raise InvalidInput(f"{where} must have required property '{name}'")
        return self.content[name]

    def texts(self, name: str, *, required: bool = False, of: str = "") -> list[str]:
        """A list of texts; empty when it is missing. *of* says where the object stands in the body."""
        value = self.content.get(name)
        if value is None:
            if required:
                raise InvalidInput(f"request/body must have required property '{name}'")
            return []
        if not isinstance(value, list):
            raise InvalidInput(f"request/body/{of}{name} must be array")
        found = [item for item in value if isinstance(item, str)]
        if len(found) < len(value):
            index = next(index for index, item in enumerate(value) if not isinstance(item, str))
            raise InvalidInput(f"request/body/{of}{name}/{index} must be string")
        return found

    def integer(self, name: str) -> int | None:
        """An optional whole number that is not negative."""
        value = self.content.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(f"request/body/{name} must be number")
        if value < 0 or value != int(value):
            raise InvalidInput(f"request/body/{name} must be a whole number >= 0")
        return int(value)

    def predicate(self) -> Predicate | None:
        """The predicate that `query` states; None when there is none."""
        if "query" not in self.content:
            return None
        value = self.content["query"]
        if not isinstance(value, dict):
            raise InvalidInput("request/body/query must be object")
        return parse_query(value)


async def body_of(request: Request, *, optional: bool = False, also: str | None = None) -> Body:
    """The JSON object that the request carries; if it is *optional*, no body at all is an empty one.

    *also* is another media type that will do. Raises InvalidInput.
    """
    data = await _content(request)
    return Body({}) if not data and optional else _parsed(request, data, also)


async def verified_body_of(request: Request, verify: Callable[[bytes], None]) -> Body:
    """The JSON object that the request carries. *verify* sees the bytes before anything is made of them, and may raise.

    Raises InvalidInput.
    """
    data = await _content(request)
    verify(data)
    return _parsed(request, data)


def _parsed(request: Request, data: bytes, also: str | None = None) -> Body:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if data and kind not in ("application/json", also):
        raise InvalidInput(f"unsupported media type {kind or '(none)'}, expected application/json")
    try:
        value = json.decode(data) if data else None
    except ValueError as error:
        raise InvalidInput(f"request/body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput("request/body must be object")
    if data.count(b"{") + data.count(b"[") > DEEPEST_BODY and json.is_deeper(value, DEEPEST_BODY):
        raise InvalidInput(f"request/body is nested deeper than {DEEPEST_BODY} levels")
    return Body(value)


async def _content(request: Request) -> bytes:
    data = bytearray()
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > LARGEST_BODY:
                raise InvalidInput(f"request entity too large: a body may have {LARGEST_BODY // 2**20} MiB")
    except ClientDisconnect:
        # Nobody reads the answer, but the metrics and the log should not take it for a failure of the server.
        raise InvalidInput("request/body ended before it was complete") from None
    return bytes(data)

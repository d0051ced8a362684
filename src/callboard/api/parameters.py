"""Query strings and bodies, checked as Backstage's request validator checks them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.model.predicates import Predicate, parse_query

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]*)?")


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
    raw = request.scope["query_string"]
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


async def body_of(request: Request, *, optional: bool = False) -> Body:
    """The JSON object that the request carries; if it is *optional*, no body at all is an empty one.

    Raises InvalidInput.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await request.body()
    if not data and optional:
        return Body({})
    if data and kind != "application/json":
        raise InvalidInput(f"unsupported media type {kind or '(none)'}, expected application/json")
    try:
        value = json.decode(data) if data else None
    except ValueError as error:
        raise InvalidInput(f"request/body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput("request/body must be object")
    return Body(value)

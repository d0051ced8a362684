"""Query strings and bodies, checked as Backstage's request validator checks them."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.json import JsonObject


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

    def flag(self, name: str) -> bool:
        """Whether the parameter says true, in any of the usual ways."""
        return (self.text(name) or "").lower() in ("true", "yes", "1")


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
            try:
                value = int(found[-1]) if whole else float(found[-1])
            except ValueError:
                raise InvalidInput(f"request/query/{name} must be {kind}") from None
            if len(found) > 1:
                raise InvalidInput(f"request/query/{name} must be {kind}, but is there {len(found)} times")
            if not value >= minimum:
                raise InvalidInput(f"request/query/{name} must be >= {minimum:g}")
        case _:
            pass


async def body_of(request: Request) -> JsonObject:
    """The JSON object that the request carries. Raises InvalidInput."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await request.body()
    if data and kind != "application/json":
        raise InvalidInput(f"unsupported media type {kind or '(none)'}, expected application/json")
    try:
        value = json.decode(data) if data else None
    except ValueError as error:
        raise InvalidInput(f"request/body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput("request/body must be object")
    return value

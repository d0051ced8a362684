"""How a setting may be written in the file, and what it becomes.

A field of a section says its form in its type: `bool`, `str`, an enum, another section, a tuple or a mapping of these,
or `Annotated[…, form]` for everything with a notation of its own.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from callboard.settings import durations
from callboard.settings.values import JsonValue, Value

_TRUE = ("true", "yes", "y", "on", "1")
_FALSE = ("false", "no", "n", "off", "0")
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:\.\d{1,15})?")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?i?b)", re.IGNORECASE)
_SIZE_UNITS = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4} | {
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
_HOST = re.compile(r"(?:\*\.)?(?:[^*/@?#\s:\[\]]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5})(?:-(\d{1,5}))?)?")
LARGEST_PORT = 65_535


class Refused(ValueError):
    """A value is not of the form that is expected; the text, if any, says what instead of the form's words."""


@dataclass(frozen=True, slots=True)
class Form:
    """One notation. *parse* raises ValueError for anything else; a *secret* is never shown in messages."""

    expected: str
    parse: Callable[[Value], object]
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a field in the file, where it is not the field's own name in camel case."""

    name: str


@dataclass(frozen=True, slots=True)
class Computed:
    """Marks a field that no file says."""


@dataclass(frozen=True, slots=True)
class Shorthand:
    """A second notation of a section, for values that are no objects."""

    form: Form


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A last step for a section that has been read: it may look at the written value, warn, and raise Refused."""

    adjust: Callable[[Any, Value, Callable[[Value, str], None]], object]


def number_of(value: Value) -> float:
    """The finite number that *value* is, or says as a text, as a substituted variable does."""
    content = value.content
    if isinstance(content, str) and _NUMBER.fullmatch(content.strip()):
        content = float(content)
    if isinstance(content, bool) or not isinstance(content, int | float) or not math.isfinite(content):
        raise Refused
    return content


def whole_number_of(value: Value) -> int:
    """As number_of, without a fraction."""
    number = number_of(value)
    if number != int(number):
        raise Refused
    return int(number)


def text_of(value: Value) -> str:
    """The text that *value* is; an empty one counts as a mistake."""
    if not isinstance(value.content, str) or not value.content:
        raise Refused
    return value.content


def at_least(smallest: int, what: str = "a whole number") -> Form:
    """The form of whole numbers from *smallest* on."""

    def parse(value: Value) -> int:
        number = whole_number_of(value)
        if number < smallest:
            raise Refused
        return number

    return Form(f"{what}, at least {smallest}", parse)


def choice(kind: type[StrEnum]) -> Form:
    """The form of the words of an enum."""
    words = [member.value for member in kind]
    expected = ", ".join(words[:-1]) + f" or {words[-1]}"
    return Form(expected, lambda value: kind(text_of(value)))


def port_of(value: Value) -> int:
    """A TCP port; 0 lets the system choose."""
    port = whole_number_of(value)
    if not 0 <= port <= LARGEST_PORT:
        raise Refused
    return port


def absolute(path: str, folder: Path) -> str:
    """*path* seen from *folder*, without `..` in it. Symbolic links stay: what they point to may be swapped."""
    return os.path.normpath((folder / path).absolute())


def _percentage(value: Value) -> float:
    share = number_of(value)
    if not 0 <= share <= 100:
        raise Refused
    return share


def _flag(value: Value) -> bool:
    match value.content:
        case bool() as flag:
            return flag
        # `${READONLY}` is always a text.
        case str() as text if text.strip().lower() in _TRUE:
            return True
        case str() as text if text.strip().lower() in _FALSE:
            return False
        case _:
            raise Refused


def _positive_duration(value: Value) -> float:
    seconds = durations.parse(value)
    if seconds <= 0:
        raise Refused
    return seconds


def _size(value: Value) -> int:
    if isinstance(value.content, str) and (size := _SIZE.fullmatch(value.content.strip())):
        amount = int(float(size[1]) * _SIZE_UNITS[size[2].lower()])
    else:
        amount = whole_number_of(value)
    if amount < 1:
        raise Refused
    return amount


def _web_address(value: Value) -> str:
    address = urlsplit(text_of(value))
    if address.scheme not in ("http", "https") or not address.hostname:
        raise Refused
    return text_of(value).rstrip("/")


def _host(value: Value) -> str:
    host = _HOST.fullmatch(text_of(value))
    if host is None:
        raise Refused
    first, last = int(host[1] or 1), int(host[2] or host[1] or 1)
    if not 0 < first <= last <= LARGEST_PORT:
        raise Refused
    return host[0].lower()


def _raw(value: Value) -> dict[str, JsonValue]:
    if not isinstance(value.content, dict):
        raise Refused
    return {key: entry.plain() for key, entry in value.content.items()}


FLAG = Form("true or false", _flag)
TEXT = Form("a text", text_of)
NUMBER = Form("a number", number_of)
WHOLE_NUMBER = Form("a whole number", whole_number_of)
PERCENTAGE = Form("a number from 0 to 100", _percentage)
PATH = Form("a path", lambda value: Path(absolute(text_of(value), value.position.folder)))
DURATION = Form(durations.EXPECTED, _positive_duration)
PORT = Form(f"a port from 0 to {LARGEST_PORT}", port_of)
SIZE = Form('a number of bytes, or a size such as "10 MiB"', _size)
WEB_ADDRESS = Form("an http or https URL", _web_address)
HOST = Form('a host such as "example.com", "example.com:8080" or "*.example.com"', _host)
RAW = Form("an object", _raw)

PLAIN: Mapping[object, Form] = {bool: FLAG, str: TEXT, float: NUMBER, int: WHOLE_NUMBER, Path: PATH}
"""The forms of types that need no Annotated."""

Seconds: TypeAlias = Annotated[float, DURATION]
Bytes: TypeAlias = Annotated[int, SIZE]
Percentage: TypeAlias = Annotated[float, PERCENTAGE]
Count: TypeAlias = Annotated[int, at_least(1)]
Raw: TypeAlias = Annotated[Mapping[str, JsonValue], RAW]

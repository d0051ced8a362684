"""Configuration of plugins: what `app-config.yaml` says, read into typed values, with errors that name the key.

The sections `integrations`, `catalog.providers` and `catalog.processors` reach a plugin as they were written. A plugin
declares what it expects as a `Options` class and reads it from there:

    class OrganizationOptions(Options):
        organization: str
        schedule: Schedule = Schedule(every=3600)
        max_depth: int = 3          # `maxDepth` in the file
"""

import importlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import msgspec

from callboard import durations
from callboard.errors import InvalidConfiguration
from callboard.extend.schedules import Schedule
from callboard.model.json import JsonValue

_PLACE = re.compile(r"(?P<reason>.*?)(?: - at `(?P<place>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_WRONG = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


class Options(msgspec.Struct, kw_only=True, rename="camel"):
    """Base of typed options: the field `max_depth` is written `maxDepth`. What a class does not know is left alone.

    Fields that hold secrets should be of the type `Secret`.
    """


class Secret(str):
    """A text that is not shown when somebody prints what holds it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"


class Duration(float):
    """Seconds, which the configuration says as in `{minutes: 3}`, `3m` or `PT3M`."""

    __slots__ = ()


O = TypeVar("O")  # noqa: E741 - the type of the options


def read(kind: type[O], value: JsonValue, at: str) -> O:
    """The options of the type *kind* that *value* says, which stands at the key *at*.

    Texts of numbers and truth values will do, since environment variables hold nothing else. Raises
    InvalidConfiguration, which names the key of what can't be used.
    """
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _explained(str(error), at) from None


def read_by_id(kind: type[O], value: JsonValue, at: str, *, flat: Collection[str]) -> dict[str, O]:
    """The options by the ids under which they stand at *at*.

    An object that has one of the keys *flat* is no table of ids: it stands for the id `default`, as in Backstage.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidConfiguration(f"{at}: expected an object with entries by id, got {_shown(value)}")
    if not value.keys().isdisjoint(flat):
        return {"default": read(kind, value, at)}
    return {str(key): read(kind, entry, f"{at}.{key}") for key, entry in value.items()}


def read_list(kind: type[O], value: JsonValue, at: str) -> list[O]:
    """The options of each entry of the list at *at*; an object alone stands for a list of one."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return [read(kind, entry, f"{at}[{index}]") for index, entry in enumerate(entries)]


def function_named(name: str, at: str) -> Callable[..., Any]:
    """The function that *name*, `module:function`, stands for.

    Raises InvalidConfiguration, which names the key *at*.
    """
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise InvalidConfiguration(f"{at}: expected a function as module:function, got {name!r}")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidConfiguration(f"{at}: expected a module {module_name} that can be imported, got {told}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise InvalidConfiguration(f"{at}: expected a function {path} in the module {module_name}, found none")
    return found


def pattern(text: str, at: str) -> "re.Pattern[str]":
    """The regular expression *text*. Raises InvalidConfiguration, which names the key *at*."""
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidConfiguration(f"{at}: expected a regular expression, got {text!r}: {error}") from error


def _decode(kind: type[Any], value: Any) -> Any:
    if kind is Schedule:
        return Schedule.parse(value)
    if kind is Duration:
        return Duration(durations.parse(value))
    if kind is Secret:
        if not isinstance(value, str):
            # Not what was there: a secret that is a number is a secret.
            raise ValueError("expected a text")
        return Secret(value)
    raise NotImplementedError(kind)


def _explained(told: str, at: str) -> InvalidConfiguration:
    match = _PLACE.fullmatch(told)
    assert match is not None
    place, reason = f"{at}{(match['place'] or '$').removeprefix('$')}", match["reason"]
    if missing := _MISSING.fullmatch(reason):
        return InvalidConfiguration(f"{place}.{missing['name']}: expected a value, got none")
    if wrong := _WRONG.fullmatch(reason):
        wanted = " or ".join(_WORDS.get(word.strip(), word.strip()) for word in wrong["wanted"].split("|"))
        return InvalidConfiguration(f"{place}: expected {wanted}, got {_WORDS.get(wrong['got'], wrong['got'])}")
    return InvalidConfiguration(f"{place}: {reason}")


def _shown(value: object) -> str:
    return "a list" if isinstance(value, list) else repr(value) if isinstance(value, int | float) else "a text"

"""The layers of a configuration: files in their order, then the environment.

A later layer wins: objects merge key by key, lists and scalars are replaced, and `null` takes back what an earlier
layer said.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callboard.errors import InvalidConfiguration
from callboard.settings import values
from callboard.settings.substitution import Expansion
from callboard.settings.values import JsonValue, Position, Value

DATABASE_URL = "CALLBOARD_DATABASE_URL"

_PREFIX = "APP_CONFIG_"
_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z][a-zA-Z0-9]*)*")
_HERE = Path()


@dataclass(frozen=True, slots=True)
class Configuration:
    """All layers as one object, and what was noticed while they were read."""

    root: Value
    warnings: tuple[str, ...] = ()


def load(files: Sequence[Path], environ: Mapping[str, str]) -> Configuration:
    """Read *files* and *environ* as layers of one configuration.

    Raises InvalidConfiguration that names everything that is wrong, each with its file and line.
    """
    expansion = Expansion(environ)
    root = Value({}, Position("defaults", None, _HERE))
    for path in files:
        written = expansion.read(path)
        layer = None if written is None else expansion.expand(written)
        if layer is None:
            continue
        if not isinstance(layer.content, dict):
            expansion.problems.append(f"{layer.position}: expected an object of sections, got {layer.shown()}")
            continue
        root = values.merged(root, layer)
    for layer in _environment_layers(environ, expansion.problems):
        root = values.merged(root, layer)
    if expansion.problems:
        raise InvalidConfiguration("\n".join(expansion.problems))
    return Configuration(root, tuple(expansion.warnings))


def _environment_layers(environ: Mapping[str, str], problems: list[str]) -> list[Value]:
    layers = []
    said: dict[tuple[str, ...], str] = {}
    for name in sorted(environ):
        text = environ[name]
        if not name.startswith(_PREFIX) or not text:
            continue
        keys = tuple(name.removeprefix(_PREFIX).split("_"))
        if not all(_KEY.fullmatch(key) for key in keys):
            problems.append(f"{name}: expected {_PREFIX} and the keys of a setting, joined by underscores")
            continue
        above = next((said[keys[:end]] for end in range(1, len(keys)) if keys[:end] in said), None)
        if above is not None:
            problems.append(f"{name}: says something inside of what {above} says as a whole")
            continue
        said[keys] = name
        layers.append(_layer(keys, _json_or_text(text), name))
    if url := environ.get(DATABASE_URL, "").strip():
        layers.append(_layer(("backend", "database", "client"), "pg", DATABASE_URL))
        layers.append(_layer(("backend", "database", "connection"), url, DATABASE_URL))
    return layers


def _layer(keys: Sequence[str], content: JsonValue, name: str) -> Value:
    position = Position(name, None, _HERE)
    value = values.from_plain(content, position)
    for key in reversed(keys):
        value = Value({key: value}, position)
    return value


def _json_or_text(text: str) -> JsonValue:
    try:
        content: JsonValue = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
    return content


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(name)  # NaN and Infinity are Python's idea of JSON; here they are texts

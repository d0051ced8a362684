"""Projections: the parts of an entity that `fields` asks for (reference, section 1.5).

A field is a dotted path, compared with its case, and selects everything below it. Keys may themselves contain dots:
at each step the shortest key that exists is taken. A list is taken whole or not at all; it can't be entered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Projection:
    """The paths to keep, each split at its dots.

    >>> parse_fields(["kind,metadata.name"]).apply({"kind": "API", "metadata": {"name": "x", "uid": "1"}})
    {'kind': 'API', 'metadata': {'name': 'x'}}
    """

    paths: tuple[tuple[str, ...], ...]

    def apply(self, entity: JsonObject) -> JsonObject:
        """A new object with the selected parts of *entity*, which are shared with it."""
        result: JsonObject = {}
        for path in self.paths:
            keys = _resolve(entity, path)
            if keys:
                _copy(entity, result, keys)
        return result


def parse_fields(texts: Sequence[str]) -> Projection | None:
    """The projection that *texts* say, each a list separated by commas. None: keep everything."""
    fields = [field for text in texts for part in text.split(",") if (field := part.strip())]
    for field in fields:
        if "[" in field:
            raise InvalidInput(f'Invalid field "{field}", array type fields are not supported')
    return Projection(tuple(tuple(field.split(".")) for field in fields)) if fields else None


def reduced(body: bytes, projection: Projection | None) -> bytes:
    """An entity that is written as JSON, reduced to what the projection asks for, if there is one."""
    if projection is None:
        return body
    entity = json.decode(body)
    assert isinstance(entity, dict)
    return json.encode(projection.apply(entity))


def _resolve(entity: JsonObject, path: tuple[str, ...]) -> list[str]:
    """The keys that lead to what *path* selects; none when nothing is there."""
    keys: list[str] = []
    node: JsonValue = entity
    pending: str | None = None
    for part in path:
        key = part if pending is None else f"{pending}.{part}"
        if isinstance(node, dict) and key in node:
            keys.append(key)
            node = node[key]
            pending = None
        else:
            pending = key
    return keys if pending is None else []


def _copy(source: JsonObject, target: JsonObject, keys: list[str]) -> None:
    for key in keys[:-1]:
        inner = source[key]
        if target.get(key) is inner:
            return  # an earlier field has taken all of it
        copied = target.setdefault(key, {})
        assert isinstance(inner, dict)
        assert isinstance(copied, dict)
        source, target = inner, copied
    target[keys[-1]] = source[keys[-1]]

"""Differences: what is other in one JSON document than in another, as people would tell it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from callboard.model import json
from callboard.model.json import JsonValue

Kind = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is other. Of what was added or removed there is one value only."""

    path: str
    kind: Kind
    before: JsonValue = None
    after: JsonValue = None


def changes(before: JsonValue, after: JsonValue, path: str = "") -> Iterator[Change]:
    """What is other in *after* than in *before*, as deep as it can be told."""
    if json.encode_sorted(before) == json.encode_sorted(after):
        # Python takes true for 1; JSON does not.
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            inner = _joined(path, key)
            if key not in after:
                yield Change(path=inner, kind="removed", before=before[key])
            elif key not in before:
                yield Change(path=inner, kind="added", after=after[key])
            else:
                yield from changes(before[key], after[key], inner)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_changes(before, after, path)
    else:
        yield Change(path=path, kind="changed", before=before, after=after)


def _list_changes(before: list[JsonValue], after: list[JsonValue], path: str) -> Iterator[Change]:
    if all(not isinstance(value, dict | list) for value in (*before, *after)):
        gone = [value for value in before if value not in after]
        new = [value for value in after if value not in before]
        if gone or new:
            yield from (Change(path=path, kind="removed", before=value) for value in gone)
            yield from (Change(path=path, kind="added", after=value) for value in new)
            return
    elif len(before) == len(after):
        for index, (old, new_value) in enumerate(zip(before, after, strict=True)):
            yield from changes(old, new_value, f"{path}[{index}]")
        return
    yield Change(path=path, kind="changed", before=before, after=after)


def _joined(path: str, key: str) -> str:
    if not key or "." in key or not key.isprintable():
        return f"{path}[{json.encode(key).decode()}]"
    return f"{path}.{key}" if path else key

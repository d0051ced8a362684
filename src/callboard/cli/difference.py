"""Difference: what is other in one version of an entity than in another, for people to read."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import click

from callboard.model import json
from callboard.model.json import JsonValue

_LONGEST_VALUE = 80
_MOST_LINES = 20
_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}

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
        return f"{path}[{_json(key)}]"
    return f"{path}.{key}" if path else key


def line(kind: Kind, ref: str) -> str:
    """The line that says what becomes of an entity."""
    sign, colour = _SIGNS[kind]
    return click.style(f"{sign} {ref}", fg=colour)


def lines(found: Sequence[Change]) -> Iterator[str]:
    """The lines that tell *found*."""
    for change in found:
        if change.kind == "changed" and _is_long(change.before) and _is_long(change.after):
            yield f"{change.path}:"
            yield from _text_lines(str(change.before), str(change.after))
        elif change.kind == "changed":
            old, new = click.style(_shown(change.before), fg="red"), click.style(_shown(change.after), fg="green")
            yield f"{change.path}: {old} → {new}"
        else:
            sign, colour = _SIGNS[change.kind]
            value = change.after if change.kind == "added" else change.before
            yield f"{change.path}: " + click.style(f"{sign} {_shown(value)}", fg=colour)


def _is_long(value: JsonValue) -> bool:
    return isinstance(value, str) and "\n" in value


def _text_lines(before: str, after: str) -> Iterator[str]:
    """The lines of a text that are other, with those around them."""
    found = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]
    for text in found[:_MOST_LINES]:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(text[:1])
        yield "  " + click.style(_printable(text), fg=colour)
    if len(found) > _MOST_LINES:
        yield f"  … and {len(found) - _MOST_LINES} more lines"


def _shown(value: JsonValue) -> str:
    text = _printable(value) if isinstance(value, str) and value else _json(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _printable(text: str) -> str:
    # A text from a file must not be able to command the terminal.
    return text if text.isprintable() else _json(text)


def _json(value: JsonValue) -> str:
    return json.encode(value).decode()

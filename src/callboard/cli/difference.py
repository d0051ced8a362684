"""Difference: what is other in one version of an entity than in another, for people to read."""

import difflib
from collections.abc import Iterator, Sequence

import click

from callboard.model import json
from callboard.model.differences import Change, Kind
from callboard.model.json import JsonValue

_LONGEST_VALUE = 80
_MOST_LINES = 20
_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


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

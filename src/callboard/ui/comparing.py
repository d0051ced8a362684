"""Comparing: what is other in one version of an entity than in another, for a page."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from callboard.model import json
from callboard.model.differences import Change, changes
from callboard.model.json import JsonObject, JsonValue
from callboard.model.notation import value_as_yaml

_MOST_CHANGES: Final = 100
_LONGEST_VALUE: Final = 300
_MOST_LINES: Final = 80
_MOST_COMPARED: Final = 1_000
"""Lines that are compared with others. What is the same at both ends of two texts does not count."""

_WITHOUT_CONTENT: Final = ("etag", "uid")
"""What the catalog makes of an entity anew, and that says nothing of it."""

Sign = Literal["+", "-", " ", "@"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text: new, gone, or one of those around them; or `@`, what stands between two places."""

    sign: Sign
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One change: a value and another one, or lines where one of them is long."""

    path: str
    kind: Literal["added", "changed", "removed"]
    before: str = ""
    after: str = ""
    lines: Sequence[Line] = ()
    left_out: int = 0
    """How many lines are not shown."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is other, as far as a page has room for it."""

    changes: Sequence[Shown]
    left_out: int

    @property
    def paths(self) -> list[str]:
        """What is other, each once."""
        return list(dict.fromkeys(change.path for change in self.changes))


def compare(before: JsonObject | None, after: JsonObject | None) -> Comparison:
    """What is other in *after*; None is an entity that is not there."""
    found = list(changes(*_contents(before, after)))
    return Comparison([_shown(change) for change in found[:_MOST_CHANGES]], max(0, len(found) - _MOST_CHANGES))


def _contents(before: JsonObject | None, after: JsonObject | None) -> tuple[JsonObject, JsonObject]:
    if before is not None and after is not None and before.get("relations") == after.get("relations"):
        # A hub has thousands, and most changes are about something else.
        before, after = ({key: each[key] for key in each if key != "relations"} for each in (before, after))
    return _content(before), _content(after)


def _content(entity: JsonObject | None) -> JsonObject:
    """The entity, with relations as the texts that people would write for them."""
    if entity is None:
        return {}
    shown = dict(entity)
    match shown.get("metadata"):
        case dict() as metadata:
            shown["metadata"] = {key: value for key, value in metadata.items() if key not in _WITHOUT_CONTENT}
    match shown.get("relations"):
        case list() as relations:
            shown["relations"] = [_relation(each) for each in relations]
    return shown


def _relation(relation: JsonValue) -> JsonValue:
    match relation:
        case {"type": str(kind), "targetRef": str(target)}:
            return f"{kind} {target}"
        case _:
            return relation


def _shown(change: Change) -> Shown:
    before = "" if change.kind == "added" else _text(change.before)
    after = "" if change.kind == "removed" else _text(change.after)
    if "\n" not in before and "\n" not in after:
        return Shown(path=change.path, kind=change.kind, before=_cut(before), after=_cut(after))
    lines, left_out = _lines(before.splitlines(), after.splitlines())
    return Shown(path=change.path, kind=change.kind, lines=lines, left_out=left_out)


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, dict | list) and value:
        return value_as_yaml(value)
    return json.encode(value).decode()


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _lines(before: list[str], after: list[str]) -> tuple[list[Line], int]:
    """The lines that are other, with those around them, and how many of them are left out."""
    same = _same_at_the_beginning(before, after)
    same_at_the_end = _same_at_the_beginning(before[same:][::-1], after[same:][::-1])
    # What is the same at both ends is not compared, but for the two lines that are shown around what is other.
    first, last = max(0, same - 2), max(0, same_at_the_end - 2)
    old, new = before[first : len(before) - last], after[first : len(after) - last]
    if len(old) + len(new) > _MOST_COMPARED:
        told = [*(Line("-", text) for text in old), *(Line("+", text) for text in new)]
        some = [*told[: _MOST_LINES // 2], *told[len(old) : len(old) + _MOST_LINES // 2]]
        return [Line(each.sign, _cut(each.text)) for each in some], len(told) - len(some)
    found = list(_unified(old, new, first))
    return found[:_MOST_LINES], max(0, len(found) - _MOST_LINES)


def _same_at_the_beginning(before: Sequence[str], after: Sequence[str]) -> int:
    return next(
        (at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
        min(len(before), len(after)),
    )


def _unified(before: list[str], after: list[str], skipped: int) -> Iterator[Line]:
    if not before or not after:
        yield from (Line("-", _cut(text)) for text in before)
        yield from (Line("+", _cut(text)) for text in after)
        return
    groups = difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(2)
    for number, group in enumerate(groups):
        if number or skipped or group[0][1]:
            yield Line("@", f"line {group[0][3] + skipped + 1}")
        for kind, first, last, new_first, new_last in group:
            if kind == "equal":
                yield from (Line(" ", _cut(text)) for text in islice(before, first, last))
            else:
                yield from (Line("-", _cut(text)) for text in islice(before, first, last))
                yield from (Line("+", _cut(text)) for text in islice(after, new_first, new_last))

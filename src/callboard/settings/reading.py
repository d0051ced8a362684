"""From positioned values to typed sections, by the types of their fields.

Everything that is wrong is collected, each line with its file, line, key and value, so that a configuration is
repaired in one go.
"""

import dataclasses
import difflib
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from callboard.settings import forms, known
from callboard.settings.forms import Adjusted, Computed, Form, Key, Shorthand
from callboard.settings.substitution import joined
from callboard.settings.values import Value

S = TypeVar("S")


class _Reported(Exception):
    """The value is unusable, and a problem about it has been written down."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a section as the configuration file sees it."""

    name: str
    key: str
    hint: object
    default: object
    required: bool


def fields_of(section: type[Any]) -> list[Field]:
    """The fields of a section that can be written in the file."""
    hints = get_type_hints(section, include_extras=True)
    fields = (_field(field, hints[field.name]) for field in dataclasses.fields(section))
    return [field for field in fields if Computed() not in taken_apart(field.hint)[1]]


def taken_apart(hint: object) -> tuple[object, tuple[object, ...]]:
    """The type that *hint* is about, without `Annotated` and `| None`, and the annotations."""
    notes: tuple[object, ...] = ()
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            notes += tuple(more)
        elif get_origin(hint) in (Union, types.UnionType):
            (hint,) = (member for member in get_args(hint) if member is not types.NoneType)
        else:
            return hint, notes


def form_of(hint: object, notes: tuple[object, ...]) -> Form | None:
    """The notation of a scalar; None for sections, lists and mappings."""
    for note in notes:
        if isinstance(note, Form):
            return note
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return forms.choice(hint)
    return forms.PLAIN.get(hint)


class Reader:
    """Reads one configuration and collects what is wrong with it."""

    def __init__(self, root: Value) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._noticed: set[str] = set()
        self._root = root
        for path, value, words in known.notices(root):
            self._noticed.add(path)
            self._warn(value, path, words)

    def read(self, kind: type[S]) -> S | None:
        """The whole configuration as a section of type *kind*, or None when there are problems."""
        try:
            return self._section(kind, self._root, "")
        except _Reported:
            return None

    def _section(self, kind: type[S], value: Value, path: str) -> S:
        if not isinstance(value.content, dict):
            raise self._refusal(value, path, f"expected an object, got {value.shown()}")
        known_fields = fields_of(kind)
        self._look_for_strangers(value.content, [field.key for field in known_fields], path)
        broken = False
        found: dict[str, object] = {}
        for field in known_fields:
            entry = value.content.get(field.key)
            try:
                if entry is not None and entry.content is not None:
                    found[field.name] = self._read(field.hint, entry, joined(path, field.key))
                elif field.required:
                    raise self._refusal(value, joined(path, field.key), "is missing")
            except _Reported:
                broken = True
        if broken:
            raise _Reported
        make: Callable[..., S] = kind
        try:
            return make(**found)
        except ValueError as error:
            raise self._refusal(value, path, str(error)) from error

    def _read(self, hint: object, value: Value, path: str) -> object:
        target, notes = taken_apart(hint)
        form = form_of(target, notes)
        if form is not None:
            return self._parse(form, value, path)
        if get_origin(target) is tuple:
            return self._items(get_args(target)[0], value, path)
        if get_origin(target) is Mapping:
            return self._named(get_args(target)[1], value, path)
        assert isinstance(target, type)
        for note in notes:
            if isinstance(note, Shorthand) and not isinstance(value.content, dict):
                return self._parse(note.form, value, path)
        section: object = self._section(target, value, path)
        for note in notes:
            if isinstance(note, Adjusted):
                try:
                    section = note.adjust(section, value, lambda at, words: self._warn(at, path, words))
                except forms.Refused as error:
                    raise self._refusal(value, path, str(error)) from error
        return section

    def _parse(self, form: Form, value: Value, path: str) -> object:
        try:
            return form.parse(value)
        except forms.Refused as error:
            reason = str(error)
        except ValueError:
            reason = ""
        got = "something else" if form.secret else value.shown()
        raise self._refusal(value, path, reason or f"expected {form.expected}, got {got}")

    def _items(self, hint: object, value: Value, path: str) -> tuple[object, ...]:
        if not isinstance(value.content, list):
            raise self._refusal(value, path, f"expected a list, got {value.shown()}")
        entries = {f"{path}[{index}]": item for index, item in enumerate(value.content)}
        return tuple(self._all(hint, entries).values())

    def _named(self, hint: object, value: Value, path: str) -> dict[str, object]:
        if not isinstance(value.content, dict):
            raise self._refusal(value, path, f"expected an object, got {value.shown()}")
        given = {key: entry for key, entry in value.content.items() if entry.content is not None}
        found = self._all(hint, {joined(path, key): entry for key, entry in given.items()})
        return dict(zip(given, found.values(), strict=True))

    def _all(self, hint: object, entries: Mapping[str, Value]) -> dict[str, object]:
        found: dict[str, object] = {}
        for path, entry in entries.items():
            try:
                found[path] = self._read(hint, entry, path)
            except _Reported:
                continue
        if len(found) < len(entries):
            raise _Reported
        return found

    def _look_for_strangers(self, entries: Mapping[str, Value], keys: list[str], path: str) -> None:
        for key, entry in entries.items():
            full = joined(path, key)
            if key in keys or full in self._noticed or not known.is_ours(full):
                continue
            similar = difflib.get_close_matches(key, keys, n=1)
            self._warn(entry, full, f"unknown key (did you mean {similar[0]}?)" if similar else "unknown key")

    def _warn(self, value: Value, path: str, words: str) -> None:
        self.warnings.append(f"{value.position}: {path}: {words}")

    def _refusal(self, value: Value, path: str, words: str) -> _Reported:
        self.problems.append(f"{value.position}: {path}: {words}")
        return _Reported()


def _field(field: "dataclasses.Field[Any]", hint: object) -> Field:
    _, notes = taken_apart(hint)
    key = next((note.name for note in notes if isinstance(note, Key)), None)
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    return Field(field.name, key or _camel_case(field.name), hint, default, default is dataclasses.MISSING)


def _camel_case(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)

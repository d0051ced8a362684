"""What a configuration file borrows from elsewhere: `${VAR}`, `$env`, `$file` and `$include`.

Backstage's rules: a text that names a variable which is not set is absent as a whole, an environment variable counts
without the blanks around it, and the files that are named count from the folder of the file that names them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from callboard.errors import InvalidDocument
from callboard.settings import documents
from callboard.settings.values import Value

_REFERENCE = re.compile(r"\$?\$\{[^{}]*\}")
_DOCUMENTS = (".yaml", ".yml", ".json")
_DEEPEST = 20
"""Includes within includes; nobody nests them, so more of them means a circle."""


class _Unusable(Exception):
    """The words for something borrowed that can't be had."""


class Expansion:
    """The expansion of one configuration, which collects everything that is wrong on the way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._environ = environ
        self._borrow: dict[str, Callable[[str, Value, str, int], Value | None]] = {
            "$env": self._env,
            "$file": self._file,
            "$include": self._include,
        }

    def expand(self, value: Value, path: str = "", depth: int = 0) -> Value | None:
        """The *value* at *path* with everything borrowed put in; None when it is absent."""
        match value.content:
            case str() as text:
                return self._substitute(text, value, path)
            case list() as items:
                expanded = [self.expand(item, f"{path}[{index}]", depth) for index, item in enumerate(items)]
                return replace(value, content=[item for item in expanded if item is not None])
            case dict() as entries if not self._borrow.keys().isdisjoint(entries):
                try:
                    return self._borrowed(entries, path, depth)
                except _Unusable as error:
                    self.problems.append(f"{value.position}: {path + ': ' if path else ''}{error}")
                    return None
            case dict() as entries:
                found = {key: self.expand(entry, joined(path, key), depth) for key, entry in entries.items()}
                return replace(value, content={key: entry for key, entry in found.items() if entry is not None})
            case _:
                return value

    def read(self, path: Path) -> Value | None:
        """The document at *path* as it is written; None, and a problem, when it can't be read."""
        try:
            return documents.parse(path.read_text("utf-8-sig"), path)
        except OSError as error:
            self.problems.append(f"{path}: can't be read: {error.strerror or error}")
        except UnicodeDecodeError as error:
            self.problems.append(f"{path}: is not UTF-8 text: {error.reason}")
        except InvalidDocument as error:
            where = str(path) if error.line is None else f"{path}:{error.line}"
            self.problems.append(f"{where}: {error.reason}")
        return None

    def _substitute(self, text: str, value: Value, path: str) -> Value | None:
        if "${" not in text:
            return value
        missing: list[str] = []

        def put(match: re.Match[str]) -> str:
            reference = match[0]
            if reference.startswith("$$"):
                return reference[1:]
            found = self._look_up(reference[2:-1])
            if found is None:
                missing.append(reference)
            return found or ""

        result = _REFERENCE.sub(put, text)
        if not missing:
            return replace(value, content=result)
        # An optional `${TOKEN}` alone is a usual way to say "if there is one"; a gap inside a text rarely is meant.
        if text.strip() != missing[0]:
            self.warnings.append(
                f"{value.position}: {path}: counts as not given, since {', '.join(missing)} is not set"
            )
        return None

    def _look_up(self, reference: str) -> str | None:
        name, colon, default = reference.partition(":-")
        found = self._environ.get(name.strip())
        if colon:
            return (found or "").strip() or default.strip()
        return None if found is None else found.strip()

    def _borrowed(self, entries: dict[str, Value], path: str, depth: int) -> Value | None:
        key = next(key for key in entries if key in self._borrow)
        if len(entries) > 1:
            raise _Unusable(f"{key} must stand alone, without other keys beside it")
        if not isinstance(entries[key].content, str):
            raise _Unusable(f"{key}: expected a text, got {entries[key].shown()}")
        argument = self.expand(entries[key], path, depth)
        if argument is None or not isinstance(argument.content, str):
            raise _Unusable(f"{key}: a variable in {entries[key].shown()} is not set")
        if depth >= _DEEPEST:
            raise _Unusable(f"{key} is nested more than {_DEEPEST} times; is there a circle?")
        return self._borrow[key](argument.content, argument, path, depth)

    def _env(self, name: str, value: Value, _path: str, _depth: int) -> Value | None:
        found = self._environ.get(name.strip())
        return None if found is None else replace(value, content=found.strip())

    def _file(self, name: str, value: Value, _path: str, _depth: int) -> Value | None:
        return replace(value, content=_text("$file", value.position.folder / name).rstrip())

    def _include(self, name: str, value: Value, path: str, depth: int) -> Value | None:
        file_name, _, inner = name.partition("#")
        file = value.position.folder / file_name
        text = _text("$include", file)
        if file.suffix.lower() not in _DOCUMENTS and not inner:
            return replace(value, content=text.rstrip())
        try:
            part = _part(documents.parse(text, file), inner.split(".") if inner else [])
        except InvalidDocument as error:
            raise _Unusable(f"$include: {file}:{error.line}: {error.reason}") from error
        if part is None:
            raise _Unusable(f"$include: {file} has no {inner!r}")
        return self.expand(part, path, depth + 1)


def joined(path: str, key: str) -> str:
    """The path of the entry *key* of the object at *path*."""
    return f"{path}.{key}" if path else key


def _text(key: str, file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise _Unusable(f"{key}: {file} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _Unusable(f"{key}: {file} is not UTF-8 text") from error


def _part(value: Value, keys: list[str]) -> Value | None:
    for key in keys:
        entry = value.entries().get(key)
        if entry is None:
            return None
        value = entry
    return value

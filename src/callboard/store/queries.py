"""Named SQL: finds the statements in `sql/*.sql` and gives their `:named` values numbers.

A file holds statements, each under a line `-- name: <name>`. A value is written `:name`; casts are written `::type`.

Arrays of text, `:name::text[]`, travel as one text with separators, which the database takes apart again: the driver
looks at each element of an array by itself, and at a hundred elements per entity that was a tenth of the engine's work
(measured: 0.74 µs against 0.07 µs per element).
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from callboard.errors import InvalidInput

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_VALUE = re.compile(r"(?<![:\w]):([a-z_]+)")
_TEXTS = re.compile(r":([a-z_]+)::text\[\]")
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)


# PostgreSQL's text has every character but NUL. These two are in no ref, and JSON writes them as escapes.
_END = "\x1f"
_NULL = "\x1e"
_TAKEN_APART = "coalesce(trim_array(string_to_array({value}::text, E'\\x1f', E'\\x1e'), 1), '{{}}')"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement: its text with numbered values, and the names of these values in order."""

    text: str
    names: tuple[str, ...]
    texts: frozenset[str] = frozenset()
    """The names of those values that are arrays of text."""

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """*values* in the order of the statement. Raises KeyError for one that is missing."""
        return [joined(values[name]) if name in self.texts else values[name] for name in self.names]


def joined(elements: object) -> str | None:
    """An array of text as one text; None when it is empty. Raises InvalidInput for a text with a separator in it."""
    assert isinstance(elements, list)
    if not elements:
        return None
    text = _END.join([_NULL if element is None else element for element in elements]) + _END
    if text.count(_END) != len(elements) or text.count(_NULL) != elements.count(None):
        raise InvalidInput("a text has one of the control characters U+001E and U+001F, which can't be stored")
    return text


def beginning_with(prefix: str) -> tuple[str, str]:
    """The first text that begins with *prefix*, and one that is beyond all that do, in the order of code points."""
    return prefix, prefix + "\U0010ffff"


def parse(text: str) -> dict[str, Query]:
    """All statements of an SQL file by name."""
    parts = _NAME.split(text)
    return {name: _compile(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@functools.cache
def load(file: str) -> Mapping[str, Query]:
    """The statements of `sql/<file>.sql`."""
    return parse(resources.files("callboard.store").joinpath("sql", f"{file}.sql").read_text("utf-8"))


def _compile(body: str) -> Query:
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    body = _COMMENT.sub("", body).strip().rstrip(";")
    texts = frozenset(_TEXTS.findall(body))
    body = _TEXTS.sub(lambda match: _TAKEN_APART.format(value=f":{match[1]}"), body)
    return Query(_VALUE.sub(number, body), tuple(names), texts)

"""Named SQL: finds the statements in `sql/*.sql` and gives their `:named` values numbers.

A file holds statements, each under a line `-- name: <name>`. A value is written `:name`; casts are written `::type`.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_VALUE = re.compile(r"(?<![:\w]):([a-z_]+)")
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement: its text with numbered values, and the names of these values in order."""

    text: str
    names: tuple[str, ...]

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """*values* in the order of the statement. Raises KeyError for one that is missing."""
        return [values[name] for name in self.names]


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

    text = _VALUE.sub(number, _COMMENT.sub("", body)).strip().rstrip(";")
    return Query(text, tuple(names))

"""Steps: what a migration does, read from its file. docs/contributing/migrations.md tells how to write one."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TypeAlias

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_STEP = re.compile(r"^-- step: (.*)$", re.MULTILINE)
_WORKS_WITH = re.compile(r"^-- works with: (\d{4})$", re.MULTILINE)
_WAS = re.compile(r"^-- was: ([0-9a-f]{64})$", re.MULTILINE)
_BATCHES = re.compile(r"(\d+) rows at a time of (\w+) by (\w+(?:, \w+)*)")
_COMMENT = re.compile(r"--.*")
_INDEX = re.compile(r"\bcreate\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InTransaction:
    """Statements that take their locks at once or not at all, and keep them until the end of the step."""

    sql: str


@dataclass(frozen=True, slots=True)
class Concurrently:
    """One statement that PostgreSQL runs while others read and write, and that can't be in a transaction."""

    sql: str

    @property
    def index(self) -> str | None:
        """The index that it makes, if it makes one."""
        match = _INDEX.search(self.sql)
        return match[1] if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """A statement that is run for some rows of a table after the other: those of the relation `batch`."""

    sql: str
    table: str
    key: tuple[str, ...]
    size: int

    def next_batch(self, types: Sequence[str], *, first: bool) -> str:
        """Asks how many rows the next batch has, and for its last key; the parameters are the key before it."""
        columns, texts = self._columns, ", ".join(f'"{column}"::text' for column in self.key)
        # By the columns, and not by the texts of the same names.
        descending = ", ".join(f'found."{column}" desc' for column in self.key)
        beyond = "" if first else f"where ({columns}) > ({_parameters(types, 1)})"
        rows = f"select {columns} from {self.table} {beyond} order by {columns} limit {self.size}"  # noqa: S608 - ours
        return f"select count(*) over (), {texts} from ({rows}) found order by {descending} limit 1"  # noqa: S608

    def for_batch(self, types: Sequence[str], *, first: bool) -> str:
        """The statement for a batch; the parameters are the key before it, unless it is the *first*, and its last."""
        columns = self._columns
        bounds = f"({columns}) <= ({_parameters(types, 1 if first else len(types) + 1)})"
        if not first:
            bounds += f" and ({columns}) > ({_parameters(types, 1)})"
        # In the order of the keys, as everybody locks them.
        rows = f"select {columns} from {self.table} where {bounds} order by {columns} for update"  # noqa: S608 - ours
        return f"with batch as ({rows}) {self.sql}"

    @property
    def _columns(self) -> str:
        # Some names are words of SQL.
        return ", ".join(f'"{column}"' for column in self.key)


def _parameters(types: Sequence[str], start: int) -> str:
    return ", ".join(f"${number}::text::{type_}" for number, type_ in enumerate(types, start))


Step: TypeAlias = InTransaction | Concurrently | Batches


@dataclass(frozen=True, slots=True)
class Migration:
    """One move of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tells an edited migration from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def earlier(self) -> frozenset[str]:
        """Checksums of texts that it had before, and that have left the same schema."""
        return frozenset(_WAS.findall(self.sql))

    @property
    def works_with(self) -> int:
        """Releases whose last migration is this one, or a later one, work with the schema that it leaves."""
        match = _WORKS_WITH.search(self.sql)
        return int(match[1]) if match else self.version

    @property
    def steps(self) -> list[Step]:
        """What it does, in order; a file that does not tell steps apart is one transaction."""
        _, *marked = _STEP.split(self.sql)
        return [_step(said, sql) for said, sql in zip(marked[::2], marked[1::2], strict=True)] or [
            InTransaction(self.sql)
        ]

    def __str__(self) -> str:
        return f"{self.version:04} {self.name}"


def available() -> list[Migration]:
    """All migrations of this release, oldest first."""
    files = resources.files("callboard.store").joinpath("migrations").iterdir()
    found = [
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in files
        if (match := _FILE.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def summary(step: Step) -> str:
    """A step in one line, for people."""
    first = next((line for line in _COMMENT.sub("", step.sql).splitlines() if line.strip()), "").strip().rstrip(";")
    match step:
        case InTransaction():
            return f"in a transaction: {first} …"
        case Concurrently():
            return f"while others go on: {first}"
        case Batches():
            return f"{step.size} rows of {step.table} at a time: {first} …"


def _step(said: str, sql: str) -> Step:
    if said == "transaction":
        return InTransaction(sql)
    if said == "concurrently":
        return Concurrently(sql)
    match = _BATCHES.fullmatch(said)
    if match is None:
        raise ValueError(
            f"-- step: {said}: expected transaction, concurrently, or N rows at a time of TABLE by KEY[, KEY …]"
        )
    return Batches(sql=sql, table=match[2], key=tuple(match[3].split(", ")), size=int(match[1]))

"""Every migration keeps the rules of docs/contributing/migrations.md, as far as can be told."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.store.steps import Batches, Concurrently, InTransaction, Migration, Step, available
from tests.store.earlier_texts import before_the_rules

LARGE = (
    *("claims", "entities", "schedule", "relations", "refresh_keys", "stitch_queue"),
    *("final_entities", "history", "kept_versions", "ingestion_seen", "staged"),
)
"""Tables that have about as many rows as the catalog has entities, or more."""

_BEGINNINGS = re.compile(
    r"^(update|delete|insert|truncate|with|vacuum|cluster|reindex)\b", re.MULTILINE | re.IGNORECASE
)
_LARGE = re.compile(rf"\b({'|'.join(LARGE)})\b")
_CREATED = re.compile(r"\bcreate (?:unlogged )?table (\w+) \(")
_ALTERED = re.compile(r"\balter table (?:only )?(\w+)")
# By its name: functions that make a partition and attach it, empty as it is, put the name together.
_ATTACHED = re.compile(r"\battach partition (\w+) for")
_COMMENT = re.compile(r"--.*")
# What the runner sets for every step, and what is a matter of taste.
_NOT_OURS = (
    "require-lock-timeout,require-statement-timeout,prefer-bigint-over-int,prefer-bigint-over-smallint"
    ",prefer-robust-stmts,prefer-text-field"
)
_FOR_OLDER_RELEASES = {"renaming-table", "renaming-column", "renaming-object", "ban-drop-table", "ban-drop-column"}
"""What locks nothing for long, and is wrong while processes go on that know the tables as they were."""


def broken(migration: Migration) -> list[str]:
    """The rules that a migration breaks."""
    found: list[str] = []
    if "-- works with: " not in migration.sql:
        found.append("says which older releases work with it: -- works with: NNNN")
    if "-- step: " not in migration.sql:
        found.append("tells its steps apart: -- step: …")
    for number, step in enumerate(migration.steps):
        looked_at = any("validate constraint" in earlier.sql for earlier in migration.steps[:number])
        if _ATTACHED.search(step.sql) and not looked_at:
            found.append("attaches a partition of which a constraint says that all rows belong there, valid by then")
    allowed = _FOR_OLDER_RELEASES if migration.works_with == migration.version else set[str]()
    return [*found, *(rule for step in migration.steps for rule in _broken_by(step) if rule not in allowed)]


def _broken_by(step: Step) -> Iterator[str]:
    said = _COMMENT.sub("", step.sql)
    match step:
        case InTransaction():
            # Nobody waits for a table that is made in the same step.
            new, locked = set[str](), set[str]()
            for statement in said.split(";"):
                if _BEGINNINGS.search(statement.strip()) and (tables := set(_LARGE.findall(statement)) - new):
                    yield f"changes rows of {', '.join(sorted(tables))} in batches"
                locked |= set(_ALTERED.findall(statement)) & set(LARGE) - new
                new |= set(_CREATED.findall(statement))
            if len(locked) > 1:
                yield f"locks one large table at a time, and not {', '.join(sorted(locked))}"
            if "not valid" not in said and re.search(r"\badd constraint\b", said) and locked:
                yield "adds a constraint as not valid, and validates it in a step of its own"
            yield from _squawk(step.sql, in_transaction=True)
        case Concurrently():
            if said.strip().rstrip(";").count(";"):
                yield "has one statement in a step that is concurrent"
            if not re.search(r"\bconcurrently\b|\bvalidate constraint\b", said, re.IGNORECASE):
                yield "does nothing outside a transaction but what must be there"
            yield from _squawk(step.sql, in_transaction=False)
        case Batches():
            if not re.search(r"\bbatch\b", said):
                yield "changes the rows of `batch` and no others"


def _squawk(sql: str, *, in_transaction: bool) -> Iterator[str]:
    """What the linter of PostgreSQL migrations says."""
    flags = ["--reporter", "json", "--pg-version", "15.0", "--exclude", _NOT_OURS, "--stdin-filepath", "step.sql"]
    if in_transaction:
        flags.append("--assume-in-transaction")
    program = Path(sys.executable).parent / "squawk"
    said = subprocess.run([program, *flags], input=sql, capture_output=True, text=True, check=False)
    for each in json.loads(said.stdout):
        yield each["rule_name"]


GOOD = """-- works with: 0007
-- Claims know how large they are.

-- step: transaction
alter table claims add column size bigint;

-- step: 1000 rows at a time of claims by source, target_ref, location_key
update claims c set size = length(c.content) from batch b
where (c.source, c.target_ref, c.location_key) = (b.source, b.target_ref, b.location_key);

-- step: concurrently
create index concurrently if not exists claims_size on claims (size);

-- step: transaction
alter table claims add constraint claims_size_known check (size is not null) not valid;

-- step: concurrently
alter table claims validate constraint claims_size_known;
"""


def test_each_migration_keeps_the_rules() -> None:
    migrations = available()

    assert {str(migration): found for migration in migrations if (found := broken(migration))} == {}


@pytest.mark.parametrize(
    ("version", "rule"),
    [
        (2, "changes rows of claims in batches"),
        (2, "require-concurrent-index-creation"),
        (2, "require-concurrent-index-deletion"),
        (3, "require-concurrent-index-creation"),
        (5, "changes rows of history in batches"),
        (6, "changes rows of history in batches"),
        (6, "attaches a partition of which a constraint says that all rows belong there, valid by then"),
    ],
)
def test_what_was_written_before_the_rules_is_found(version: int, rule: str) -> None:
    assert rule in broken(before_the_rules(available()[version - 1]))


def test_what_is_written_by_the_rules_breaks_none() -> None:
    assert broken(Migration(8, "size", GOOD)) == []


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("transaction\ndo $$ begin\nupdate claims set line = 1;\nend $$;", "changes rows of claims in batches"),
        (
            "transaction\ncreate table staged (ref text);\nupdate claims set line = 1;",
            "changes rows of claims in batches",
        ),
        ("transaction\nalter table claims rename to claims_1;", "renaming-table"),
        ("transaction\nupdate claims set line = 1;", "changes rows of claims in batches"),
        ("transaction\nwith x as (select 1) delete from history;", "changes rows of history in batches"),
        ("transaction\ncreate index claims_line on claims (line);", "require-concurrent-index-creation"),
        ("transaction\nalter table claims alter column line type bigint;", "changing-column-type"),
        ("transaction\nalter table claims rename column line to row;", "renaming-column"),
        ("transaction\nalter table claims drop column line;", "ban-drop-column"),
        ("transaction\nalter table claims add column x uuid default gen_random_uuid();", "adding-field-with-default"),
        ("transaction\nalter table claims alter column line set not null;", "adding-not-nullable-field"),
        (
            "transaction\nalter table claims add column x text;\nalter table entities add column x text;",
            "locks one large table at a time, and not claims, entities",
        ),
        (
            "transaction\nalter table claims add constraint c check (line > 0);",
            "adds a constraint as not valid, and validates it in a step of its own",
        ),
        (
            "concurrently\ncreate index concurrently a on claims (line);\ndrop index concurrently b;",
            "has one statement in a step that is concurrent",
        ),
        (
            "concurrently\nalter table claims add column x text;",
            "does nothing outside a transaction but what must be there",
        ),
        (
            "100 rows at a time of history by offset\nupdate history set cause = null;",
            "changes the rows of `batch` and no others",
        ),
    ],
)
def test_what_would_lock_a_large_table_for_long_is_found(step: str, rule: str) -> None:
    assert rule in broken(Migration(8, "bad", f"-- works with: 0007\n-- step: {step}\n"))


def test_what_older_processes_do_not_live_to_see_may_be_renamed() -> None:
    closed = Migration(8, "closed", "-- works with: 0008\n-- step: transaction\nalter table claims rename to claims_1;")

    assert broken(closed) == []


def test_what_a_step_has_made_itself_may_be_filled_and_altered_by_it() -> None:
    step = """-- step: transaction
    create table claims (source text);
    create table entities (ref text);
    insert into claims select ref from entities;
    alter table claims add column line integer;
    alter table entities add column line integer;
    """

    assert broken(Migration(8, "new", f"-- works with: 0007\n{step}")) == []


def test_a_file_without_a_word_about_older_releases_and_steps_is_found() -> None:
    found = broken(Migration(8, "bad", "alter table leases add column x text;"))

    assert [rule.partition(":")[0] for rule in found] == [
        "says which older releases work with it",
        "tells its steps apart",
    ]

"""Migrations as they were before the rules: databases that were made by them are brought up to date as well."""

import re
from pathlib import Path

import asyncpg

from callboard.store.steps import Migration, available

_TEXTS = Path(__file__).parent / "earlier"
_HEADINGS = re.compile(r"^-- (?:works with|was|step): .*\n", re.MULTILINE)


def before_the_rules(migration: Migration) -> Migration:
    """The migration with the text that it had: another one, or the same without headings."""
    if not migration.earlier:
        return migration
    file = _TEXTS / f"{migration.version:04}_{migration.name}.sql"
    text = file.read_text("utf-8") if file.exists() else _HEADINGS.sub("", migration.sql)
    return Migration(migration.version, migration.name, text)


async def migrate_as_before(url: str, upto: int) -> None:
    """Bring the database to where it was when this was the last version, as it was done then."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "create table migrations (version integer primary key, name text not null, checksum text not null,"
        " applied_at timestamptz not null default now())"
    )
    for migration in map(before_the_rules, available()[:upto]):
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into migrations (version, name, checksum) values ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
    await connection.close()

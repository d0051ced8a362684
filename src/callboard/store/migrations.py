"""Migrations: numbered SQL files that only go forward, each applied once and remembered with its checksum."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import asyncpg

from callboard.errors import DatabaseUnavailable

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
# Any number will do, as long as nobody else who shares the database takes the same one.
_LOCK = 7_007_001


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tells an edited migration from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def available() -> list[Migration]:
    """All migrations of this release, oldest first."""
    files = resources.files("callboard.store").joinpath("migrations").iterdir()
    found = [
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in files
        if (match := _FILE.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


async def apply(url: str) -> list[Migration]:
    """Bring the database to this release's schema and return what was applied.

    Safe to run from many processes at once: they wait for one another.
    Raises DatabaseUnavailable when the database is newer than this release, or when a migration was edited.
    """
    try:
        # A transaction pooler may answer: nothing is prepared under a name, and all is one transaction.
        connection = await asyncpg.connect(url, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error
    try:
        async with connection.transaction():
            await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
            return await _apply_missing(connection)
    finally:
        await connection.close()


async def _apply_missing(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Migration]:
    await connection.execute(
        "create table if not exists migrations (version integer primary key, name text not null,"
        " checksum text not null, applied_at timestamptz not null default now())"
    )
    rows = await connection.fetch("select version, name, checksum from migrations order by version")
    known = {migration.version: migration for migration in available()}
    for row in rows:
        migration = known.pop(row["version"], None)
        if migration is None:
            raise DatabaseUnavailable(
                f"the database has migration {row['version']:04} ({row['name']}), which this release does not know;"
                " run the newer release, or restore an older backup"
            )
        if migration.checksum != row["checksum"]:
            raise DatabaseUnavailable(f"migration {migration.version:04} ({migration.name}) was changed after it ran")
    for migration in known.values():
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into migrations (version, name, checksum) values ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
    return list(known.values())

"""Migrations: they only go forward, each is applied once, and others read and write meanwhile.

A step waits a moment for its locks, lets everybody through who has queued behind it, and tries again. What has been
done is remembered step by step, so that a migration that was killed goes on where it was.
"""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from callboard.clock import Clock, SystemClock
from callboard.errors import DatabaseUnavailable, WrongSchema
from callboard.store import schema
from callboard.store.steps import Batches, Concurrently, InTransaction, Migration, available, summary

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

__all__ = ["Migration", "Progress", "apply", "available", "pending"]

# Any number will do, as long as nobody else who shares the database takes the same one.
LOCK = 7_007_001
_LOOK = 0.2

_LOCK_WAIT = "250ms"
"""Whoever comes behind a step that waits for a lock waits as well. So it gives up soon, and comes back."""
_ROW_WAIT = "5s"
"""Rows of a batch are waited for by nobody."""
_ATTEMPTS = 200
_LONGEST_PAUSE = 3.0
_IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

_LEAVING = 15.0
"""Seconds in which processes of an older release may end, before what they can't work with is done."""

_TABLES = """
create table if not exists migrations (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
-- The oldest last migration of a release that can work with this schema.
alter table migrations add column if not exists works_with integer;
-- Migrations that have begun: how many steps are done, and how far a back-fill has come (a JSON array, the last key).
create table if not exists migration_steps (
    version integer primary key,
    name text not null,
    checksum text not null,
    works_with integer not null,
    done integer not null,
    after text
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a migration has come."""

    migration: Migration
    step: int
    """Counted from 1."""
    what: str
    waits: bool = False
    """Somebody holds a lock that it needs; it tries again."""
    done: int = 0
    """Rows, of a step in batches."""
    total: int = 0
    """About how many there are."""


Told = Callable[[Progress], None]


def _nobody(_progress: Progress) -> None:
    pass


async def apply(
    url: str, *, release: Sequence[Migration] | None = None, clock: Clock | None = None, told: Told = _nobody
) -> list[Migration]:
    """Bring the database to the schema of a *release*, this one unless told, and return what was applied.

    Safe to run from many processes at once: they wait for one another. Raises WrongSchema when the database is newer
    than the release, or a migration was edited; DatabaseUnavailable when its locks were not to be had.
    """
    clock = clock or SystemClock()
    release = release or available()
    async with _connected(url) as connection:
        if not (await schema.find(connection)).missing(release):
            return []
        async with _alone(url, clock):
            await connection.execute(_TABLES)
            missing = (await schema.find(connection)).missing(release)
            for migration in missing:
                await _Run(connection, clock, told, migration).go()
            return missing


async def pending(url: str) -> list[Migration]:
    """What `apply` would do."""
    async with _connected(url) as connection:
        return (await schema.find(connection)).missing(available())


@contextlib.asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[_Connection]":
    try:
        # A transaction pooler may answer: nothing is prepared under a name.
        connection = await asyncpg.connect(
            url, server_settings={"application_name": "callboard-migrate"}, statement_cache_size=0
        )
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailable(f"PostgreSQL can't be reached: {error}") from error
    try:
        yield connection
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostgreSQL went away: {error}. Run the migration again: it goes on") from error
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _alone(url: str, clock: Clock) -> AsyncIterator[None]:
    """Nobody else migrates meanwhile.

    The lock is that of a transaction without a snapshot: an index that is made concurrently waits for the end of
    everybody who had one when it looked. So those who wait ask again and again, each time in a transaction of its own.
    """
    async with _connected(url) as connection:
        while True:
            transaction = connection.transaction()
            await transaction.start()
            if await _locked(connection):
                break
            await transaction.rollback()
            await clock.sleep(_LOOK)
        try:
            yield
        finally:
            await transaction.rollback()


async def _locked(connection: "_Connection") -> bool:
    found: bool = await connection.fetchval(f"select pg_try_advisory_xact_lock({LOCK})")
    # Until something else is said, the transaction keeps the snapshot of what it was asked last.
    await connection.execute("set local idle_in_transaction_session_timeout = 0")
    return found


@dataclass(slots=True)
class _Run:
    """One migration on its way."""

    connection: "_Connection"
    clock: Clock
    told: Told
    migration: Migration

    async def go(self) -> None:
        """Do the steps that have not been done."""
        done, after = await self._begun()
        if self.migration.works_with == self.migration.version:
            await self._others_left()
        await self.connection.execute("set statement_timeout = 0")
        for number, step in enumerate(self.migration.steps):
            if number < done:
                continue
            match step:
                case InTransaction(sql):
                    await self._in_transaction(number, sql)
                case Concurrently():
                    await self._concurrently(number, step)
                case Batches():
                    await self._in_batches(number, step, after)
            after = None
        async with self.connection.transaction():
            await self.connection.execute(
                "insert into migrations (version, name, checksum, works_with) values ($1, $2, $3, $4)",
                *self._identity(),
            )
            await self.connection.execute("delete from migration_steps where version = $1", self.migration.version)

    async def _begun(self) -> tuple[int, list[str] | None]:
        """How many steps are done, and how far the next one is. From here on everybody knows what is coming."""
        row = await self.connection.fetchrow(
            """insert into migration_steps (version, name, checksum, works_with, done) values ($1, $2, $3, $4, 0)
            on conflict (version) do update
            set checksum = case when migration_steps.done = 0 and migration_steps.after is null
                then excluded.checksum else migration_steps.checksum end
            returning done, after, checksum""",
            *self._identity(),
        )
        assert row is not None
        if row["checksum"] != self.migration.checksum:
            raise WrongSchema(
                f"migration {self.migration.version:04} ({self.migration.name}) was changed after it had begun,"
                " and its steps are other ones; run the release that it is from"
            )
        return row["done"], json.loads(row["after"]) if row["after"] else None

    def _identity(self) -> tuple[int, str, str, int]:
        migration = self.migration
        return migration.version, migration.name, migration.checksum, migration.works_with

    async def _others_left(self) -> None:
        """Wait a little for processes of an older release: they end when they see that this migration has begun."""
        deadline = self.clock.monotonic() + _LEAVING
        while self.clock.monotonic() < deadline and await self.connection.fetchval(
            """select exists (select from pg_stat_activity where datname = current_database()
            and application_name in ('callboard-engine', 'callboard-api'))"""
        ):
            await self.clock.sleep(_LOOK)

    async def _in_transaction(self, number: int, sql: str) -> None:
        async def work() -> None:
            await self.connection.execute(sql)
            await self._record(number + 1)

        self._tell(number)
        await self._attempt(number, _LOCK_WAIT, work)

    async def _concurrently(self, number: int, step: Concurrently) -> None:
        self._tell(number)
        await self.connection.execute("set lock_timeout = 0")
        is_there = step.index and await self.connection.fetchval(
            "select indisvalid from pg_index where indexrelid = to_regclass($1)", step.index
        )
        if is_there is False:
            # What an attempt has left that did not come to its end: it is kept up to date, and answers nothing.
            await self.connection.execute(f"drop index concurrently {step.index}")
        if not is_there:
            await self.connection.execute(step.sql)
        await self._record(number + 1)

    async def _in_batches(self, number: int, step: Batches, after: list[str] | None) -> None:
        types = await self._types(step)
        total = await self.connection.fetchval(
            "select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass($1)", step.table
        )
        done = 0

        async def work() -> list[str] | None:
            nonlocal done
            low = after or []
            row = await self.connection.fetchrow(step.next_batch(types, first=not low), *low)
            if row is None:
                await self._record(number + 1)
                return None
            found, *high = row
            await self.connection.execute(step.for_batch(types, first=not low), *low, *high)
            await self._record(number, high)
            done += found
            return high

        self._tell(number, total=total)
        started = self.clock.monotonic()
        while (after := await self._attempt(number, _ROW_WAIT, work)) is not None:
            self._tell(number, done=done, total=max(done, total))
            # It rests for as long as it has worked, so that others have half of the disk at least.
            await self.clock.sleep(self.clock.monotonic() - started)
            started = self.clock.monotonic()

    async def _types(self, step: Batches) -> list[str]:
        rows = await self.connection.fetch(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass($1)",
            step.table,
        )
        found = {row[0]: row[1] for row in rows}
        return [found[column] for column in step.key]

    async def _attempt(self, number: int, lock_wait: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do *work* in a transaction; again, when somebody is in the way."""
        for attempt in itertools.count(1):
            try:
                async with self.connection.transaction():
                    await self.connection.execute(f"set local lock_timeout = '{lock_wait}'")
                    return await work()
            except _IN_THE_WAY as error:
                if attempt == _ATTEMPTS:
                    raise DatabaseUnavailable(
                        f"migration {self.migration} did not get its locks in {attempt} attempts ({error}):"
                        " end what holds them, and run it again"
                    ) from error
                self._tell(number, waits=True)
                await self.clock.sleep(min(_LONGEST_PAUSE, 0.05 * 1.5**attempt))
        raise AssertionError

    async def _record(self, done: int, after: list[str] | None = None) -> None:
        await self.connection.execute(
            "update migration_steps set done = $2, after = $3 where version = $1",
            self.migration.version,
            done,
            None if after is None else json.dumps(after),
        )

    def _tell(self, number: int, *, waits: bool = False, done: int = 0, total: int = 0) -> None:
        what = summary(self.migration.steps[number])
        self.told(Progress(migration=self.migration, step=number + 1, what=what, waits=waits, done=done, total=total))

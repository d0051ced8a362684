"""A migration goes step by step, keeps nobody waiting for long, and goes on where it was."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from callboard.clock import SystemClock
from callboard.errors import DatabaseUnavailable, WrongSchema
from callboard.store import migrations, schema
from callboard.store.migrations import Progress
from callboard.store.steps import Batches, Concurrently, InTransaction, Migration, available, summary
from tests.conftest import execute

ROWS = 25


class Told(SystemClock):
    """A clock that lets time pass at once, after it has told somebody."""

    def __init__(self, told: Callable[[], Awaitable[object]]) -> None:
        self._told = told

    async def sleep(self, seconds: float) -> None:
        await self._told()
        await super().sleep(0)


@pytest.fixture
async def database(blank_database_url: str) -> str:
    """The URL of a database with one table, `things`, of some rows."""
    await execute(
        blank_database_url,
        f"""create table things (kind text, number bigint, doubled bigint, primary key (kind, number));
        insert into things select 'k' || n % 2, n from generate_series(1, {ROWS}) n""",
    )
    return blank_database_url


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    found: object = await connection.fetchval(query)
    await connection.close()
    return found


def migration(sql: str, version: int = 1, works_with: int = 0) -> Migration:
    return Migration(version, "things", f"-- works with: {works_with:04}\n{sql}")


DOUBLED = """
-- step: 4 rows at a time of things by kind, number
update things t set doubled = t.number * 2 from batch b where (t.kind, t.number) = (b.kind, b.number);
"""


def test_the_steps_of_a_file_are_told_apart() -> None:
    found = migration(f"-- step: transaction\nselect 1;\n-- step: concurrently\nselect 2;\n{DOUBLED}").steps

    assert [type(step) for step in found] == [InTransaction, Concurrently, Batches]
    assert summary(found[1]) == "while others go on: select 2"
    assert isinstance(found[2], Batches)
    assert (found[2].table, found[2].key, found[2].size) == ("things", ("kind", "number"), 4)


def test_a_file_without_steps_is_one_transaction_that_older_releases_do_not_survive() -> None:
    plain = Migration(3, "plain", "select 1")

    assert plain.steps == [InTransaction("select 1")]
    assert plain.works_with == 3


def test_a_step_that_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match="-- step: at once: expected transaction, concurrently, or N rows"):
        _ = migration("-- step: at once\nselect 1").steps


async def test_a_back_fill_goes_through_all_rows_in_batches_and_tells_how_far_it_is(database: str) -> None:
    told: list[Progress] = []

    await migrations.apply(database, release=[migration(DOUBLED)], told=told.append)

    assert await value(database, "select count(*) from things where doubled = number * 2") == ROWS
    assert [progress.done for progress in told] == [0, 4, 8, 12, 16, 20, 24, 25]
    assert await value(database, "select count(*) from migration_steps") == 0


async def test_a_back_fill_that_was_killed_goes_on_where_it_was(database: str) -> None:
    class Killed(Exception):
        pass

    def killed(progress: Progress) -> None:
        if progress.done == 12:
            raise Killed

    told: list[Progress] = []
    with pytest.raises(Killed):
        await migrations.apply(database, release=[migration(DOUBLED)], told=killed)
    await execute(database, "update things set doubled = -1 where doubled is not null")

    await migrations.apply(database, release=[migration(DOUBLED)], told=told.append)

    assert await value(database, "select count(*) from things where doubled = -1") == 12
    assert await value(database, "select count(*) from things where doubled = number * 2") == ROWS - 12


async def test_a_step_that_does_not_get_its_lock_gives_up_and_tries_again(database: str) -> None:
    holder, other = await asyncpg.connect(database), await asyncpg.connect(database)
    held = holder.transaction()
    await held.start()
    await holder.execute("select from things limit 1")
    told: list[Progress] = []

    async def while_it_pauses() -> None:
        # The step waits for the lock no more, so nobody waits behind it.
        await other.fetch("select from things")
        if sum(progress.waits for progress in told) == 2:
            await held.commit()
            await other.fetch("select 1")

    await migrations.apply(
        database,
        release=[migration("-- step: transaction\nalter table things add column more text;")],
        clock=Told(while_it_pauses),
        told=told.append,
    )

    assert [progress.waits for progress in told] == [False, True, True]
    assert await value(database, "select count(more) from things") == 0
    await holder.close()
    await other.close()


async def test_a_lock_that_is_never_to_be_had_is_an_error_that_says_what_to_do(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The patience of minutes, shortened.
    monkeypatch.setattr(migrations, "_ATTEMPTS", 1)
    holder = await asyncpg.connect(database)
    await holder.execute("begin; select from things limit 1")

    with pytest.raises(DatabaseUnavailable, match=r"0001 things did not get its locks in 1 attempts.* run it again"):
        await migrations.apply(
            database, release=[migration("-- step: transaction\nalter table things add column more text;")]
        )

    await holder.close()


async def test_an_index_that_an_attempt_has_left_invalid_is_made_anew(database: str) -> None:
    index = migration("-- step: concurrently\ncreate unique index concurrently things_doubled on things (doubled);")
    await execute(database, "update things set doubled = 1")
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrations.apply(database, release=[index])
    assert (
        await value(database, "select indisvalid from pg_index where indexrelid = 'things_doubled'::regclass") is False
    )
    await execute(database, "update things set doubled = number")

    await migrations.apply(database, release=[index])

    assert (
        await value(database, "select indisvalid from pg_index where indexrelid = 'things_doubled'::regclass") is True
    )


async def test_an_index_is_made_while_another_process_waits_to_migrate(database: str) -> None:
    index = migration("-- step: concurrently\ncreate index concurrently things_doubled on things (doubled);")

    applied = await asyncio.gather(*(migrations.apply(database, release=[index]) for _ in range(3)))

    assert sorted(map(len, applied)) == [0, 0, 1]


async def test_who_waits_to_migrate_holds_no_transaction_that_an_index_would_wait_for(database: str) -> None:
    first = await asyncpg.connect(database)
    await first.execute(f"select pg_advisory_lock({migrations.LOCK})")
    seen: list[object] = []

    async def while_it_waits() -> None:
        if not seen:
            seen.append(
                await first.fetchval(
                    """select count(*) from pg_stat_activity where datname = current_database()
                    and application_name = 'callboard-migrate' and xact_start is not null"""
                )
            )
            await first.execute(f"select pg_advisory_unlock({migrations.LOCK})")

    await migrations.apply(database, release=[migration(DOUBLED)], clock=Told(while_it_waits))

    assert seen == [0]
    await first.close()


async def test_what_older_releases_can_not_work_with_waits_for_them_to_end(database: str) -> None:
    engine = await asyncpg.connect(database, server_settings={"application_name": "callboard-engine"})
    seen: list[object] = []

    async def while_it_waits() -> None:
        if not engine.is_closed():
            seen.append(await engine.fetchval("select works_with from migration_steps"))
            await engine.close()

    await migrations.apply(database, release=[Migration(1, "closing", "select 1")], clock=Told(while_it_waits))

    # It had been told before anything was done.
    assert seen == [1]


async def test_a_migration_that_was_edited_after_it_had_begun_is_refused(database: str) -> None:
    def killed(progress: Progress) -> None:
        if progress.done:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await migrations.apply(database, release=[migration(DOUBLED)], told=killed)

    with pytest.raises(WrongSchema, match=r"0001 \(things\) was changed after it had run, or had begun"):
        await migrations.apply(database, release=[migration(DOUBLED.replace("2;", "3;") + "-- edited")])


def found(*, version: int, works_with: int | None, begun: bool = False) -> schema.Found:
    """A database with all that this release has, and one migration more."""
    applied = [{"version": each.version, "name": each.name, "checksum": each.checksum} for each in available()]
    more = {"version": version, "name": "from_the_future", "checksum": "x", "works_with": works_with}
    return schema.Found(applied=applied if begun else [*applied, more], begun=[more] if begun else [])


HEAD = available()[-1].version


@pytest.mark.parametrize("begun", [False, True])
def test_a_newer_schema_that_older_releases_work_with_is_worked_with(begun: bool) -> None:
    found(version=9999, works_with=HEAD, begun=begun).check()


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("works_with", [None, HEAD + 1])
def test_any_other_newer_schema_is_refused_with_both_versions_and_what_to_do(
    works_with: int | None, begun: bool
) -> None:
    with pytest.raises(WrongSchema) as refused:
        found(version=9999, works_with=works_with, begun=begun).check()

    said = str(refused.value)
    assert "schema 9999 (from_the_future)" in said
    assert f"works with {HEAD:04} at most" in said
    assert "run the newer release, or restore a backup" in said
    assert "\n" not in said


def test_an_older_schema_is_refused_with_both_versions_and_what_to_do() -> None:
    with pytest.raises(WrongSchema, match=rf"has schema 0000, and Callboard \S+ needs {HEAD:04} .*`callboard migrate`"):
        schema.Found(applied=[], begun=[]).check()

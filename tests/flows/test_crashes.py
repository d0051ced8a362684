"""An engine may be killed at any moment: nothing is lost, nothing happens twice, nothing happens by halves.

The database is the brake. A test takes a lock that the engine needs at a certain stage, kills the engine when it stands
there, and lets another one take over.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audit import audit, visible
from tests.flows.engines import Installation, until
from tests.harness import component_yaml

pytestmark = pytest.mark.slow

_FILES = {
    f"{letter}.yaml": "---\n".join(component_yaml(f"{letter}{n}", owner=f"team-{n}") for n in range(10))
    for letter in "abc"
}
_REFS = {f"component:default/{letter}{n}" for letter in "abc" for n in range(10)}

NEXT_OFFSET = (
    "insert into history (\"offset\", type, ref, uid, at) select head + 1, '', '', gen_random_uuid(), now() from stream"
)
"""Whoever wants to write the next event waits for what becomes of this one, with the counter in its hands."""

ROOM = "select extend_history(head + 1, 65536) from stream"
"""Makes room for it."""

_COUNTER = ("select from stream for update", "from stream cross join this_line")


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Installation:
    """Three files with ten components each, configured as locations, and an empty database."""
    installation = Installation(tmp_path, database_url)
    installation.write(_FILES)
    return installation


@contextlib.asynccontextmanager
async def braking(installation: Installation, lock: str) -> AsyncIterator[None]:
    """Hold a lock until the end of the block."""
    async with installation.connection() as connection:
        if lock == NEXT_OFFSET:
            await connection.execute(ROOM)
        await connection.execute("begin")
        await connection.execute(lock)
        yield
        await connection.execute("rollback")


async def until_stopped(installation: Installation, statement: str) -> None:
    """Wait until an engine stands at the brake with *statement*."""
    async with installation.connection() as connection:

        async def stopped() -> bool:
            found = await connection.fetch(
                "select from pg_stat_activity where application_name = 'callboard-engine'"
                " and datname = current_database() and wait_event_type = 'Lock' and query like $1",
                f"%{statement}%",
            )
            return bool(found)

        await until(stopped, f"an engine to stop at {statement}")


async def kill_an_engine_at(installation: Installation, lock: str, statement: str) -> None:
    """Start an engine, and kill it where it needs *lock*."""
    async with braking(installation, lock), installation.process() as process:
        await until_stopped(installation, statement)
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("lock", "statement"),
    [
        pytest.param("lock table claims in share mode", "insert into claims", id="ingesting"),
        pytest.param("lock table schedule in exclusive mode", "update schedule", id="claiming-due-entities"),
        pytest.param("lock table relations in share mode", "insert into relations", id="settling-results"),
        pytest.param("lock table stitch_queue in share mode", "insert into stitch_queue", id="marking-for-stitching"),
        pytest.param(*_COUNTER, id="holding-tickets-and-waiting-for-offsets"),
        pytest.param(NEXT_OFFSET, "with published", id="publishing"),
    ],
)
async def test_what_a_killed_engine_had_begun_is_done_once_by_the_next(
    installation: Installation, lock: str, statement: str
) -> None:
    await kill_an_engine_at(installation, lock, statement)

    async with installation.engine():
        await installation.until_settled(_REFS)

    await audit(installation.database_url)
    bodies = await visible(installation.database_url)
    assert {ref: body["relations"] for ref, body in bodies.items() if ref.startswith("component:")} == {
        ref: [{"type": "ownedBy", "targetRef": f"group:default/team-{ref[-1]}"}] for ref in _REFS
    }


async def test_a_full_mutation_that_is_cut_off_has_done_nothing(installation: Installation) -> None:
    async with installation.engine():
        await installation.until_settled(_REFS)
    before = await visible(installation.database_url)
    installation.write({"d.yaml": component_yaml("d0")}, locations=["a.yaml", "d.yaml"])

    # Removals are published last: claims, entities and the schedule are all written when it stands there.
    await kill_an_engine_at(installation, *_COUNTER)
    await installation.until_nobody_is_left()

    assert await visible(installation.database_url) == before
    async with installation.connection() as connection:
        assert await connection.fetchval("select count(*) from claims where source like 'provider:%'") == 3
        assert await connection.fetchval("select count(*) from entities where ref like 'component:%'") == len(_REFS)
    await audit(installation.database_url)


async def test_a_full_mutation_that_was_cut_off_is_done_as_a_whole_by_the_next_engine(
    installation: Installation,
) -> None:
    async with installation.engine():
        await installation.until_settled(_REFS)
    installation.write({"d.yaml": component_yaml("d0")}, locations=["a.yaml", "d.yaml"])
    await kill_an_engine_at(installation, *_COUNTER)

    async with installation.engine():
        await installation.until_settled({ref for ref in _REFS if "/a" in ref} | {"component:default/d0"})

    await audit(installation.database_url)


async def test_an_engine_that_is_told_to_stop_settles_or_gives_back_what_it_holds(installation: Installation) -> None:
    async with installation.process() as process:
        async with braking(installation, "lock table relations in share mode"):
            await until_stopped(installation, "insert into relations")
            process.terminate()
        code = await process.wait()

    async with installation.connection() as connection:
        leased = await connection.fetchval("select count(*) from schedule where lease is not null")
    assert (code, leased) == (0, 0)

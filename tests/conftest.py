"""Fixtures that many tests share: a database of their own, a clock that stands still, a catalog to drive by hand."""

import contextlib
import os
import subprocess
import tempfile
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx2
import pytest

from benchmarks import brokers, poolers
from benchmarks.launch import free_port
from benchmarks.poolers import Bouncer
from benchmarks.programs import Missing, Program
from callboard.settings import Settings, defaults
from callboard.store import migrations, publication
from callboard.store.database import Database
from callboard.store.embedded import Embedded
from callboard.testing import FakeClock, FakeHost
from tests import directories
from tests.directories import Slapd
from tests.harness import Catalog
from tests.stream.publishing import drop_partitions


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server: the one that CALLBOARD_TEST_DATABASE_URL names, or the embedded one."""
    given = os.environ.get("CALLBOARD_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="callboard-tests-") as folder:
        server = Embedded(Path(folder), durable=False)
        yield server.ensure_running()
        server.stop()


@pytest.fixture(scope="session")
def template(postgres: str, spare_databases: list[str]) -> Iterator[str]:
    """The name of a database with the schema, made once and copied for each test that needs one of its own."""
    import asyncio

    name = f"callboard_template_{uuid.uuid4().hex[:8]}"

    async def make() -> None:
        await execute(postgres, f'create database "{name}"')
        await migrations.apply(with_database(postgres, name))

    asyncio.run(make())
    yield name
    for left in [name, *spare_databases]:
        asyncio.run(execute(postgres, f'drop database "{left}" with (force)'))


@pytest.fixture(scope="session")
def spare_databases() -> list[str]:
    """Databases that a test has left and that are empty again: emptying one takes 3 ms, making one 500."""
    return []


@pytest.fixture
async def database_url(postgres: str, template: str, spare_databases: list[str]) -> AsyncIterator[str]:
    """The URL of an empty database for one test."""
    async with _borrowed(postgres, template, spare_databases) as url:
        yield url


@pytest.fixture
def pooled_url(bouncer: Bouncer, database_url: str) -> str:
    """The URL of the same database, behind a transaction pooler."""
    return bouncer.url(urllib.parse.urlsplit(database_url).path.strip("/"))


@pytest.fixture
async def blank_database_url(postgres: str) -> AsyncIterator[str]:
    """The URL of a database without a schema, which is gone afterwards."""
    async with _made(postgres) as url:
        yield url


@pytest.fixture
async def untouched_database_url(postgres: str, template: str) -> AsyncIterator[str]:
    """The URL of a new database with the tables of the release, in which no test before has left anything."""
    async with _made(postgres, f'template "{template}"') as url:
        yield url


@pytest.fixture
async def second_database_url(postgres: str, template: str, spare_databases: list[str]) -> AsyncIterator[str]:
    """The URL of another one, to compare with."""
    async with _borrowed(postgres, template, spare_databases) as url:
        yield url


@contextlib.asynccontextmanager
async def _made(postgres: str, how: str = "") -> AsyncIterator[str]:
    name = f"callboard_made_{uuid.uuid4().hex[:8]}"
    await execute(postgres, f'create database "{name}" {how}')
    yield with_database(postgres, name)
    await execute(postgres, f'drop database "{name}" with (force)')


@contextlib.asynccontextmanager
async def _borrowed(postgres: str, template: str, spare: list[str]) -> AsyncIterator[str]:
    name = await _taken(postgres, template, spare)
    yield with_database(postgres, name)
    await _empty(with_database(postgres, name))
    spare.append(name)


Lend = Callable[[], contextlib.AbstractContextManager[str]]


@pytest.fixture(scope="session")
def lend_database(postgres: str, template: str, spare_databases: list[str]) -> Lend:
    """Lends an empty database, as its URL, to a fixture that lives longer than one test."""
    import asyncio

    @contextlib.contextmanager
    def lend() -> Iterator[str]:
        name = asyncio.run(_taken(postgres, template, spare_databases))
        yield with_database(postgres, name)
        asyncio.run(_empty(with_database(postgres, name)))
        spare_databases.append(name)

    return lend


async def _taken(postgres: str, template: str, spare: list[str]) -> str:
    if spare:
        return spare.pop()
    name = f"callboard_test_{uuid.uuid4().hex[:8]}"
    await execute(postgres, f'create database "{name}" template "{template}"')
    return name


@pytest.fixture(scope="session")
def nats_server() -> Iterator[Program]:
    """A NATS server with JetStream."""
    yield from _started(brokers.nats())


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[Program]:
    """A broker that speaks Kafka's protocol. It sends its clients to a port where a relay is to listen."""
    yield from _started(brokers.kafka(advertised=free_port()))


@pytest.fixture(scope="session")
def rabbit_server() -> Iterator[Program]:
    """A RabbitMQ broker."""
    yield from _started(brokers.rabbit())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Program]:
    """A Redis server."""
    yield from _started(brokers.redis())


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Program]:
    """What behaves like SQS and SNS."""
    yield from _started(brokers.aws())


@pytest.fixture(scope="session")
def directory() -> Iterator[Slapd]:
    """An LDAP directory with an organisation in it."""
    yield from _started(directories.slapd(), required="CALLBOARD_REQUIRE_SLAPD")


@pytest.fixture(scope="session")
def bouncer(postgres: str) -> Iterator[Bouncer]:
    """PgBouncer, which lends its few connections to the server to one transaction after the other."""
    yield from _started(poolers.pgbouncer(postgres, size=12), required="CALLBOARD_REQUIRE_POOLER")


T = TypeVar("T")


def _started(
    starting: contextlib.AbstractContextManager[T], required: str = "CALLBOARD_REQUIRE_BROKERS"
) -> Iterator[T]:
    with contextlib.ExitStack() as stack:
        try:
            program = stack.enter_context(starting)
        except Missing as error:
            if os.environ.get(required):
                raise
            pytest.skip(str(error))
        yield program


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until a test advances it."""
    return FakeClock()


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    """An empty database."""
    opened = await Database.open(database_url, clock=clock, connections=4)
    yield opened
    await opened.close()


@pytest.fixture
def host() -> FakeHost:
    """A host that serves what a test puts there."""
    return FakeHost()


@pytest.fixture
def settings() -> Settings:
    """Settings with all kinds allowed and https://host/ readable."""
    return Catalog.settings(defaults())


@pytest.fixture
async def catalog(database: Database, clock: FakeClock, host: FakeHost, settings: Settings) -> AsyncIterator[Catalog]:
    """A whole catalog whose stages run when the test says so."""
    async with httpx2.AsyncClient(transport=host.transport) as client:
        yield Catalog(database, clock, host, settings, client)


def with_database(url: str, name: str) -> str:
    """*url*, with another database in it."""
    start, _, query = url.partition("?")
    return f"{start.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")


async def execute(url: str, statement: str) -> None:
    """Run a statement in a database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _empty(url: str) -> None:
    """Bring a database back to where its template is, and end whatever a test has left running on it."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        names = {row["tablename"] for row in tables} - {"migrations", "stream", "history_partitions"}
        await connection.execute("; ".join(f"delete from {name}" for name in sorted(names)))
        await connection.execute(
            "update stream set head = 0, history_floor = 0, tombstone_floor = 0,"
            " epoch = replace(gen_random_uuid()::text, '-', ''), epoch_because = 'made'"
        )
        await _have_the_first_partition(connection)
    finally:
        await connection.close()


async def _have_the_first_partition(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Begin the partitions anew if the test has dropped or made some."""
    found = await connection.fetch("select starts_at, ends_before from history_partitions order by starts_at")
    if [tuple(row) for row in found] == [(1, 1 + publication.PARTITION)]:
        return
    await drop_partitions(connection)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system that is soon full")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import asyncpg
import pytest

from callboard.client import CatalogClient, Entity
from callboard.client.replicas.catalogs import as_written
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject
from tests.cli.conftest import CALLBOARD, ENTITIES, Run, Server, ended_after
from tests.client.replicas.crashing import read_folder, read_sqlite
from tests.harness import plain

Mirror = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mirror(server: Server, callboard: Run) -> Mirror:
    """Mirrors the example to somewhere, once."""

    def run(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return callboard("mirror", "--to", target, "--server", server.url, "--once", *arguments)

    return run


def contents(url: str, kind: str | None = None) -> dict[str, Entity]:
    """What a catalog has."""
    with CatalogClient(url) as catalog:
        return {ref_of(entity): entity for entity in catalog.get_entities(filters={"kind": kind} if kind else ())}


def ref_of(entity: Entity) -> str:
    return str(entity_ref(cast("JsonObject", entity)))


def test_a_mirror_in_sqlite_is_equal_to_the_catalog(server: Server, mirror: Mirror, tmp_path: Path) -> None:
    mirrored = mirror(f"sqlite:{tmp_path}/catalog.db")

    assert (mirrored.returncode, read_sqlite(tmp_path / "catalog.db")) == (0, contents(server.url))
    assert f": {ENTITIES} put, 0 removed" in mirrored.stdout


def test_a_table_has_what_is_asked_for_most(server: Server, mirror: Mirror, tmp_path: Path) -> None:
    mirror(f"sqlite:///{tmp_path}/catalog.db", "--table", "components", "--filter", "kind=component")

    reading = sqlite3.connect(tmp_path / "catalog.db")
    kinds = reading.execute("select distinct kind from components").fetchall()
    owner = reading.execute(
        "select json_extract(entity, '$.spec.owner') from components where name = 'cashier'"
    ).fetchone()
    position = reading.execute("select whole, caught_up from callboard_positions where name = 'components'").fetchone()
    reading.close()
    assert (kinds, owner, position) == ([("component",)], ("coin-counters",), (1, 1))


def test_another_filter_leaves_nothing_of_the_first_one(server: Server, mirror: Mirror, tmp_path: Path) -> None:
    mirror(f"sqlite:{tmp_path}/catalog.db", "--filter", "kind=component")

    mirrored = mirror(f"sqlite:{tmp_path}/catalog.db", "--query", '{"kind": "group"}')

    assert mirrored.returncode == 0
    assert read_sqlite(tmp_path / "catalog.db") == contents(server.url, kind="group")


async def test_a_mirror_in_postgresql_is_equal_to_the_catalog(
    server: Server, mirror: Mirror, postgres: str, database_url: str
) -> None:
    mirrored = mirror(database_url, "--table", "mirrored_entities")

    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("select ref, entity from mirrored_entities")
    await connection.execute("drop table mirrored_entities, callboard_positions")
    await connection.close()
    assert (mirrored.returncode, mirrored.stderr) == (0, "reading the catalog\n")
    assert {row["ref"]: json.decode(row["entity"]) for row in rows} == contents(server.url)


def test_a_mirror_in_a_folder_has_a_file_for_each_entity(server: Server, mirror: Mirror, tmp_path: Path) -> None:
    first = mirror(f"dir:{tmp_path}/backup")
    (tmp_path / "backup/component/default/cashier.yaml").unlink()

    second = mirror(f"dir:{tmp_path}/backup", "--anew")

    assert (first.returncode, second.returncode) == (0, 0)
    assert read_folder(tmp_path / "backup") == contents(server.url)


def test_a_folder_with_something_else_in_it_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    refused = mirror(f"dir:{tmp_path}")

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"callboard: {tmp_path} has something else in it; expected an empty folder, or one of a mirror"
    )


def test_a_mirror_in_another_catalog_says_what_sources_say(server: Server, writable: Server, mirror: Mirror) -> None:
    mirrored = mirror(writable.url, "--provider", "acme", "--filter", "kind=group", "--filter", "kind=location")

    with CatalogClient(writable.url) as catalog:
        held = {ref_of(entity): as_written(entity) for entity in catalog.iterate_provider_entities("acme")}
        status = catalog.provider_status("acme", wait=30)
        catalog.forget_provider("acme")
    assert (mirrored.returncode, mirrored.stderr) == (0, "reading the catalog\n")
    assert held == {ref: as_written(entity) for ref, entity in contents(server.url, "group").items()}
    assert (status.state, status.failed) == ("settled", 0)


def test_what_the_provider_of_a_mirror_had_otherwise_is_put_right(
    server: Server, writable: Server, mirror: Mirror
) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.push_entities("wrong", [plain("left-over"), {**plain("cashier"), "spec": {"type": "other"}}])

        mirror(writable.url, "--provider", "wrong", "--filter", "metadata.name=cashier")

        held = {ref_of(entity): as_written(entity) for entity in catalog.iterate_provider_entities("wrong")}
        catalog.forget_provider("wrong")
    cashier = contents(server.url, "component")["component:default/cashier"]
    assert held == {"component:default/cashier": as_written(cashier)}


def test_a_mirror_in_another_catalog_is_exact_although_the_one_before_was_killed(
    server: Server, writable: Server, mirror: Mirror, environment: dict[str, str]
) -> None:
    command = [*CALLBOARD, "mirror", "--to", writable.url, "--provider", "killed", "--server", server.url]
    with CatalogClient(writable.url) as catalog:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        with ended_after(60, process):
            # As soon as something has arrived, and maybe not all of it.
            next(news for news in catalog.follow(catalog.events(0, limit=1).last_event_offset, mode="log", wait=5))
            process.kill()
            process.wait()
        catalog.push_delta("killed", [plain("left-over")], ["component:default/cashier"])

        mirrored = mirror(writable.url, "--provider", "killed")

        held = {ref_of(entity): as_written(entity) for entity in catalog.iterate_provider_entities("killed")}
        catalog.forget_provider("killed")
    sources = {ref: entity for ref, entity in contents(server.url).items() if not ref.startswith("location:")}
    assert (mirrored.returncode, held) == (0, {ref: as_written(entity) for ref, entity in sources.items()})


def test_a_catalog_is_not_mirrored_to_itself(server: Server, mirror: Mirror) -> None:
    refused = mirror(server.url)

    assert (refused.returncode, "is the catalog itself" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "ftp://host"], "'ftp://host' can't be mirrored to; expected postgresql://"),
        (["--to", "dir:backup", "--lease", "5"], "--table and --lease are for databases"),
        (["--to", "sqlite:a.db", "--provider", "p"], "--provider and --to-token are for another catalog"),
        (["--to", "sqlite:a.db", "--query", "{"], "is not JSON"),
        (["--to", "sqlite:a.db", "--query", "[]"], "expected a JSON object"),
    ],
)
def test_flags_that_make_no_sense_are_refused(callboard: Run, arguments: list[str], complaint: str) -> None:
    refused = callboard("mirror", *arguments)

    assert (refused.returncode, complaint in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("sqlite:{folder}/no/such/folder/a.db", "can't write to sqlite:"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "the database of the copy can't be used"),
        ("sqlite:", "names no file"),
    ],
)
def test_a_target_that_can_not_be_written_is_named(mirror: Mirror, tmp_path: Path, target: str, complaint: str) -> None:
    refused = mirror(target.format(folder=tmp_path))

    assert (refused.returncode, complaint in refused.stderr) == (1, True)
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr


def test_a_catalog_that_is_not_there_ends_a_mirror_that_is_made_once(callboard: Run, tmp_path: Path) -> None:
    refused = callboard("mirror", "--to", f"sqlite:{tmp_path}/a.db", "--server", "http://127.0.0.1:1", "--once")

    assert (refused.returncode, "can't reach http://127.0.0.1:1" in refused.stderr) == (1, True)


@pytest.fixture
def live(writable: Server, environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A mirror of the writable catalog in a folder, that has caught up once."""
    command = [*CALLBOARD, "mirror", "--to", f"dir:{tmp_path}/live", "--server", writable.url]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, preexec_fn=listen_to_ctrl_c
    )
    with ended_after(60, process):
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()
        process.wait()
        process.stdout.close()


def listen_to_ctrl_c() -> None:
    # Whoever runs the tests in the background of a shell has taught them to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_mirror_follows_what_changes(live: subprocess.Popen[str], writable: Server, tmp_path: Path) -> None:
    file = tmp_path / "live/component/default/fresh.yaml"
    assert live.stdout is not None

    with CatalogClient(writable.url) as catalog:
        catalog.push_entities("fresh", [plain("fresh")], wait=30)
        said = live.stdout.readline()
        there = file.exists()
        catalog.forget_provider("fresh")
        live.stdout.readline()

    assert (there, file.exists()) == (True, False)
    assert said.startswith("equal to the catalog at offset ")
    assert said.endswith(": 1 put, 0 removed\n")


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_mirror_ends_when_it_is_told_to(live: subprocess.Popen[str], told: signal.Signals, code: int) -> None:
    live.send_signal(told)

    assert live.wait(30) == code

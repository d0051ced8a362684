"""`callboard migrate`, and what the other commands say to a schema that is not theirs."""

from pathlib import Path

import pytest

from callboard import __version__
from callboard.store.steps import available
from tests.cli.conftest import Run
from tests.conftest import execute

HEAD = f"{available()[-1].version:04}"


@pytest.fixture
def config(blank_database_url: str, tmp_path: Path) -> Path:
    """A configuration with that database."""
    file = tmp_path / "app-config.yaml"
    file.write_text(f"backend:\n  database:\n    client: pg\n    connection: {blank_database_url}\n")
    return file


async def from_the_future(url: str) -> None:
    """Let a newer release have been there."""
    await execute(url, "insert into migrations values (9999, 'from_the_future', 'x')")


@pytest.mark.slow
def test_a_dry_run_tells_each_step_and_does_nothing(callboard: Run, config: Path) -> None:
    first = callboard("migrate", "--config", config, "--dry-run")
    again = callboard("migrate", "--config", config, "--dry-run")

    assert first.returncode == 0, first.stderr
    assert "would apply 0001 initial; processes of older releases end\n  in a transaction: create table" in first.stdout
    assert again.stdout == first.stdout


@pytest.mark.slow
def test_a_migration_tells_what_it_does_and_a_second_one_has_nothing_to_do(callboard: Run, config: Path) -> None:
    first = callboard("migrate", "--config", config)
    again = callboard("migrate", "--config", config)

    assert [line.split()[:2] for line in first.stdout.splitlines()] == [
        ["applied", f"{each.version:04}"] for each in available()
    ]
    assert "0001 initial, step 1: in a transaction: create table locations (" in first.stderr
    assert again.stdout == "the database is up to date\n"


@pytest.mark.slow
async def test_an_older_release_refuses_a_newer_schema_in_one_line(
    callboard: Run, config: Path, blank_database_url: str, tmp_path: Path
) -> None:
    callboard("migrate", "--config", config)
    await from_the_future(blank_database_url)

    for command in ("engine", "api", "migrate", "serve"):
        flags = ["--data-dir", tmp_path / "data"] if command == "serve" else []
        refused = callboard(command, "--config", config, "--port", "0", *flags)

        [line] = refused.stderr.splitlines()
        assert refused.returncode == 3
        assert line == (
            f"callboard: the database has schema 9999 (from_the_future), and Callboard {__version__} works with {HEAD}"
            " at most: run the newer release, or restore a backup from before its migration"
        )


@pytest.mark.slow
def test_a_role_on_a_database_that_was_not_migrated_says_so_in_one_line(callboard: Run, config: Path) -> None:
    refused = callboard("api", "--config", config, "--port", "0")

    [line] = refused.stderr.splitlines()
    assert refused.returncode == 3
    assert f"the database has schema 0000, and Callboard {__version__} needs {HEAD}" in line
    assert "run `callboard migrate` of this release" in line

import sys
from pathlib import Path

import pytest

from callboard.client import CatalogClient, Event
from tests.cli.conftest import ACME, ENTITIES, Run, Server, live_processes, serve_flags


def test_serve_brings_the_example_into_the_catalog(server: Server) -> None:
    with CatalogClient(server.url) as catalog:
        refs = {news.ref for news in catalog.follow(until_caught_up=True) if isinstance(news, Event)}

    assert len(refs) == ENTITIES
    assert "component:default/cashier" in refs


def test_a_second_serve_on_the_same_folder_says_so_and_ends(server: Server, callboard: Run) -> None:
    second = callboard(*serve_flags(ACME, server.data_dir, 0))

    assert second.returncode == 1
    assert second.stderr.startswith("callboard: ")
    assert str(server.data_dir) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_second_serve_on_the_same_port_says_so_and_ends(server: Server, callboard: Run, tmp_path: Path) -> None:
    port = int(server.url.rpartition(":")[2])

    second = callboard(*serve_flags(ACME, tmp_path / "data", port))

    assert second.returncode == 1
    assert f"callboard: can't listen on 127.0.0.1:{port}" in second.stderr


def test_a_wrong_configuration_names_its_file_and_line(callboard: Run, tmp_path: Path) -> None:
    file = tmp_path / "app-config.yaml"
    file.write_text("catalog:\n  readonly: false\n  orphanStrategy: remove\n")

    refused = callboard("serve", "--config", file, "--data-dir", tmp_path / "data")

    assert refused.returncode == 1
    assert "app-config.yaml:3: catalog.orphanStrategy" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_plugin_that_is_not_there_is_named_once_and_nothing_is_started(callboard: Run, tmp_path: Path) -> None:
    file = tmp_path / "app-config.yaml"
    file.write_text("callboard:\n  plugins:\n    - acme.nowhere:Provider\n")

    refused = callboard("serve", "--config", file, "--data-dir", tmp_path / "data")

    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "app-config.yaml:3: callboard.plugins[0]: expected a module acme.nowhere that can be imported" in line
    assert not (tmp_path / "data").exists()


def test_a_role_without_a_database_says_how_to_get_one(callboard: Run, tmp_path: Path) -> None:
    refused = callboard("engine", "--config", ACME / "app-config.yaml", "--data-dir", tmp_path / "nothing")

    assert refused.returncode == 1
    assert "CALLBOARD_DATABASE_URL" in refused.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_serve_stops_when_told_and_leaves_no_process_behind(mortal: Server) -> None:
    before = mortal.processes()

    mortal.process.terminate()
    code = mortal.process.wait(10)

    assert code == 0, mortal.log.read_text()
    # The server itself, PostgreSQL, an engine and an API at least.
    assert len(before) >= 4
    assert not before & dict(live_processes()).keys()

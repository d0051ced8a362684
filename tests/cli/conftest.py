"""One running `callboard serve` for all tests of the commands, and a way to run these."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callboard.client import CatalogClient, Event

ACME = Path(__file__).parents[2] / "examples/acme"
ENTITIES = 91
CALLBOARD = [sys.executable, "-m", "callboard"]

GUARDS = """\
backend:
  reading:
    allow: [{host: "127.0.0.1:1-65535"}]
catalog:
  providerOptions:
    guarded: {maxRemovalPercent: 50}
    kept: {refuseEmpty: true}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(slots=True)
class Server:
    """`callboard serve` with the Acme example."""

    process: subprocess.Popen[bytes]
    url: str
    data_dir: Path
    log: Path
    example: Path
    """The server's own copy of the example, to be edited."""

    def processes(self) -> set[int]:
        """All live processes that were given its folder, and their descendants."""
        parents = dict(live_processes())
        found = {pid for pid in parents if os.fsencode(self.data_dir) in _command_line(pid)} | {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found & parents.keys()

    def wait_until_loaded(self) -> None:
        """Follow the stream until the whole example has come, or the server has died."""
        seen: set[str] = set()
        with CatalogClient(self.url) as catalog, ended_after(60, self.process):
            for news in catalog.follow(wait=5, on_retry=self._must_live):
                if isinstance(news, Event):
                    seen.add(news.ref)
                if len(seen) >= ENTITIES:
                    return

    def wait_until_ready(self) -> None:
        """Follow the stream until the server has answered once, or has died."""
        with CatalogClient(self.url) as catalog, ended_after(60, self.process):
            for _ in catalog.follow(until_caught_up=True, on_retry=self._must_live):
                return

    def _must_live(self, error: Exception, pause: float) -> None:
        assert self.process.poll() is None, self.log.read_text()


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of all commands: nothing of the tester's own settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "APP_CONFIG_"))}
    return own | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture(scope="session")
def callboard(environment: dict[str, str]) -> Run:
    """Runs a command to its end."""

    def run(
        *arguments: str | Path, stdin: str | None = None, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CALLBOARD, *map(str, arguments)],
            input=stdin,
            cwd=cwd,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture(scope="session")
def server(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server with everything in it, for whoever only reads."""
    folder = tmp_path_factory.mktemp("serve")
    shutil.copytree(ACME, folder / "acme")
    with _served(folder, environment) as started:
        started.wait_until_loaded()
        yield started


@pytest.fixture(scope="session")
def writable(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty server for those who write; the providers `guarded` and `kept` have a removal guard."""
    folder = tmp_path_factory.mktemp("writable")
    (folder / "acme").mkdir()
    (folder / "acme/app-config.yaml").write_text(GUARDS)
    with _served(folder, environment) as started:
        started.wait_until_ready()
        yield started


@pytest.fixture
def mortal(environment: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """An empty server for one test, which may stop it."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/app-config.yaml").write_text(GUARDS)
    with _served(tmp_path, environment) as started:
        started.wait_until_ready()
        yield started


@contextlib.contextmanager
def _served(folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    example, log = folder / "acme", folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*CALLBOARD, *serve_flags(example, folder / "data", port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        yield Server(process, f"http://127.0.0.1:{port}", folder / "data", log, example)
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def ended_after(seconds: float, process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill a process that keeps a test waiting, so that the test fails rather than hangs."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def live_processes() -> Iterator[tuple[int, int]]:
    """Pid and parent of all processes of this machine that have not ended."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, NotADirectoryError):
            if entry.name.isdecimal():
                # The name of the program stands in brackets and may hold anything.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    yield int(entry.name), int(parent)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def serve_flags(example: Path, data_dir: Path, port: int) -> list[str]:
    """The arguments that serve the example."""
    return ["serve", "--config", str(example / "app-config.yaml"), "--data-dir", str(data_dir), "--port", str(port)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that stops the server goes last."""
    items.sort(key=lambda item: item.name == "test_serve_stops_when_told_and_leaves_no_process_behind")

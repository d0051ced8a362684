"""Programs of this machine, started for a benchmark or a test, and stopped again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

_PATIENCE = 120.0


class Missing(Exception):
    """The program is not there."""


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


@dataclass(slots=True)
class Program:
    """A server that can be killed, and started again with what it has stored."""

    command: Sequence[str]
    port: int
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: Callable[[int], bool] = _listens
    """Whether it is ready, at its port."""
    advertised: int = 0
    """The port that it sends its clients to, if that is another one."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env={**os.environ, **self.environment}, start_new_session=True
            )
        begun = time.monotonic()
        while not self.answers(self.port):
            gone = self._process.poll() is not None
            if gone or time.monotonic() - begun > _PATIENCE:
                self.kill()
                raise RuntimeError(
                    f"{self.command[0]} did not start:\n{self.log.read_text('utf-8', 'replace')[-2000:]}"
                )
            time.sleep(0.01)

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def program(name: str, *places: Path) -> str:
    """Where a program is. Raises Missing."""
    for place in places:
        if place.exists():
            return str(place)
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own."""
    with TemporaryDirectory(prefix="callboard-program-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def running(started: Program) -> Iterator[Program]:
    """Start it, and end it when nobody needs it any more."""
    try:
        started.start()
        yield started
    finally:
        started.kill()

"""Consumers as processes: what they say, line by line, and their end."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]

_PATIENCE = 60


@dataclass(slots=True)
class Consumer:
    """A process, and what it has said."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def listen(self) -> None:
        """Take in all that it says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def until(self, condition: Callable[[str], bool], since: int = 0) -> str:
        """Wait until it says a line for which the *condition* holds, after its first *since* ones."""

        def found() -> list[str]:
            return [line for line in self.lines[since:] if condition(line)]

        with self._news:
            self._news.wait_for(lambda: self._ended or found(), _PATIENCE)
            assert found(), f"waited in vain; it said {self.lines}"
            return found()[0]

    def until_stored(self, offset: int) -> None:
        """Wait until it says that it has come so far, in the first word of a line."""
        self.until(lambda line: int(line.split()[0]) >= offset)

    def kill(self) -> None:
        """Kill it as the kernel does when memory is short."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def consumer(
    arguments: Sequence[str], *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Iterator[Consumer]:
    """`python` with these arguments, killed at the end."""
    own = {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | own | dict(environment or {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    found = Consumer(process)
    listening = threading.Thread(target=found.listen, daemon=True)
    listening.start()
    try:
        yield found
    finally:
        found.kill()
        listening.join(10)
        assert process.stdout is not None
        process.stdout.close()

"""Started servers: `callboard serve` with two engines, as real processes, in front of a database of a test."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeAlias

from benchmarks.launch import free_port
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.server import DATABASE_URL
from tests.harness import ALL_KINDS

Record: TypeAlias = Mapping[str, JsonValue]

_PATIENCE = 30.0

_USUAL: JsonObject = {
    "catalog": {
        "rules": [{"allow": [*ALL_KINDS]}],
        # Nothing is read but what a story asks for, so that stories can count the requests.
        "processingInterval": "1h",
    },
    "backend": {"reading": {"allow": [{"host": "127.0.0.1:1-65535"}]}},
    "callboard": {"processing": {"lease": "2s", "batchSize": 50}},
}

_UNEXPECTED = ("loop.failed", "transaction.retried", "process.killed")


class Log:
    """What the processes of a server say, record by record, as soon as they say it."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._ended = False
        self._news = threading.Condition()

    def read(self, stream: IO[bytes]) -> None:
        """Take in everything from *stream*."""
        for line in stream:
            with self._news:
                self._records.append(_parsed(line))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def records(self) -> Sequence[Record]:
        """All records so far."""
        with self._news:
            return list(self._records)

    def wait_for(self, condition: Callable[[Sequence[Record]], bool], what: str) -> None:
        """Wait until the *condition* holds for the records."""
        with self._news:
            self._news.wait_for(lambda: self._ended or condition(self._records), _PATIENCE)
            assert condition(self._records), f"waited in vain for {what}; the log says:\n{self.tail()}"

    def tail(self) -> str:
        """The end of it, for whoever looks for a mistake."""
        return "\n".join(json.encode(dict(record)).decode() for record in self._records[-30:])


def _parsed(line: bytes) -> Record:
    try:
        record = json.decode(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"event": "", "text": line.decode(errors="replace").rstrip()}


@dataclass(frozen=True, slots=True)
class Server:
    """`callboard serve` with two engines."""

    url: str
    database_url: str
    process: subprocess.Popen[bytes]
    wanted: int = 2
    """How many engines there are to be."""
    log: Log = field(default_factory=Log)

    def engines(self) -> dict[str, int]:
        """The pids of the engines that run, by role."""
        running = _running(self.log.records)
        return {role: pid for role, pid in running.items() if role.startswith("engine-")}

    def api(self) -> int:
        """The pid of the API."""
        return _running(self.log.records)["api-1"]

    def kill_engine(self, role: str = "engine-1") -> None:
        """Kill an engine as the kernel does when memory is short. The supervisor starts it again."""
        pid = self.engines()[role]
        os.kill(pid, signal.SIGKILL)
        # Until that has been noticed the log says that both engines run.
        self.log.wait_for(lambda records: _has_ended(records, pid), f"the end of {role}")

    def kill_api(self) -> None:
        """Kill the API in the same way, and wait until its successor knows the catalog."""
        pid = self.api()
        os.kill(pid, signal.SIGKILL)
        self.log.wait_for(lambda records: _has_ended(records, pid), "the end of the API")
        ended = next(number for number, record in enumerate(self.log.records) if _is_end(record, pid))
        self.log.wait_for(
            lambda records: any(record["event"] == "view.loaded" for record in records[ended:]), "another API"
        )

    def wait_until_whole(self) -> None:
        """Wait until the catalog can be read and all engines work, also after one was killed."""
        self.log.wait_for(lambda records: _is_whole(records, self.wanted), "all engines and an API")

    def complaints(self, since: int = 0) -> list[Record]:
        """Records about what should not happen to any server, after the first *since*."""
        return [record for record in self.log.records[since:] if record["event"] in ("", *_UNEXPECTED)]


def _running(records: Sequence[Record]) -> dict[str, int]:
    running: dict[str, int] = {}
    for record in records:
        role, pid = str(record.get("role", "")), record.get("pid")
        if role and isinstance(pid, int):
            if record["event"] == "process.started":
                running[role] = pid
            elif record["event"] == "process.ended":
                del running[role]
    return running


def _has_ended(records: Sequence[Record], pid: int) -> bool:
    return any(_is_end(record, pid) for record in records)


def _is_end(record: Record, pid: int) -> bool:
    return record["event"] == "process.ended" and record.get("pid") == pid


def _is_whole(records: Sequence[Record], engines: int) -> bool:
    ready = {record.get("pid") for record in records if record["event"] == "engine.started"}
    running = {pid for role, pid in _running(records).items() if role.startswith("engine-")}
    return len(running) == engines and running <= ready and any(record["event"] == "server.ready" for record in records)


@contextlib.contextmanager
def started(
    folder: Path,
    database_url: str,
    configuration: Mapping[str, JsonValue] | None = None,
    *,
    engines: int = 2,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    example: Path | None = None,
) -> Iterator[Server]:
    """A server on that database, stopped in order at the end; on a free *port*, if none is given.

    *configuration* is laid over the file of an *example*, and this over the usual one, as with several files of
    `--config`, and *environment* over this one.
    """
    files = [folder / "usual.yaml", folder / "other.yaml"]
    for file, content in zip(files, (_USUAL, dict(configuration or {})), strict=True):
        # JSON is YAML as well.
        file.write_bytes(json.encode(content))
    if example is not None:
        files.insert(1, example)
    port = port or free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "callboard", "serve", "--engines", str(engines), "--port", str(port)),
            *("--data-dir", str(folder / "data"), "--log-format", "json"),
            *(text for file in files for text in ("--config", str(file))),
        ],
        env={**_environment(database_url), **(environment or {})},
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    server = Server(f"http://127.0.0.1:{port}", database_url, process, wanted=engines)
    listening = threading.Thread(target=server.log.read, args=[process.stderr], daemon=True)
    listening.start()
    try:
        server.wait_until_whole()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            listening.join(10)
            process.stderr.close()


def _environment(database_url: str) -> dict[str, str]:
    """Nothing of the tester's own settings, and no proxy between here and here."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "APP_CONFIG_"))}
    return own | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", DATABASE_URL: database_url}

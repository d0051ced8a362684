"""A running Backstage: the unmodified backend of `tests/compat/backend`, in front of a database server of a test."""

import asyncio
import contextlib
import os
import subprocess
import threading
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import asyncpg

from benchmarks.launch import free_port
from callboard.model import json
from callboard.model.json import JsonObject
from tests.moving.backstages import shown

TOKEN = "a-token-of-a-test"
_READY = "Plugin initialization complete"
_PATIENCE = 120.0
_TAIL = 20


@dataclass(frozen=True, slots=True)
class Running:
    """A Backstage that answers."""

    url: str
    pid: int


@contextlib.contextmanager
def running(folder: Path, postgres: str, *, app: Path, entities: Sequence[JsonObject] = ()) -> Iterator[Running]:
    """The Backstage that is installed in *app*, whose provider `directory` has *entities*; gone afterwards.

    Whoever has TOKEN may do everything, and so may everybody but call tools. Its databases are made in *postgres*.
    """
    prefix, port = f"backstage_{uuid.uuid4().hex[:8]}_", free_port()
    (folder / "directory.json").write_bytes(json.encode([_placed(entity) for entity in entities]))
    # JSON is YAML as well.
    (folder / "own.yaml").write_bytes(json.encode(_configuration(folder, postgres, prefix, port)))
    process = subprocess.Popen(
        ["node", "index.mjs", "--config", "app-config.yaml", "--config", str(folder / "own.yaml")],
        cwd=app,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "NO_COLOR": "1", "NODE_ENV": "production"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    log, ready = list[str](), threading.Event()
    reading = threading.Thread(target=_read, args=[process.stdout, log, ready], daemon=True)
    reading.start()
    try:
        assert ready.wait(_PATIENCE), "\n".join(log[-_TAIL:])
        assert process.poll() is None, "\n".join(log[-_TAIL:])
        yield Running(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(30)
        reading.join(10)
        process.stdout.close()
        asyncio.run(_drop(postgres, prefix))


def _read(stream: IO[bytes], log: list[str], ready: threading.Event) -> None:
    for line in stream:
        log.append(line.decode(errors="replace").rstrip())
        if _READY in log[-1]:
            ready.set()
    # Nothing more will come: whoever waits looks whether the process lives.
    ready.set()


def _placed(entity: JsonObject) -> JsonObject:
    """*entity* with where it comes from, which Backstage wants of what a provider has."""
    places = {f"backstage.io/managed-by-{name}": "directory:people" for name in ("location", "origin-location")}
    placed = shown(entity, **places)
    metadata = placed["metadata"]
    assert isinstance(metadata, dict)
    return {**entity, "metadata": {key: value for key, value in metadata.items() if key not in ("uid", "etag")}}


def _configuration(folder: Path, postgres: str, prefix: str, port: int) -> JsonObject:
    """What is laid over the configuration that stands beside the app."""
    url = f"http://127.0.0.1:{port}"
    return {
        "app": {"baseUrl": url},
        "backend": {
            "baseUrl": url,
            "listen": f"127.0.0.1:{port}",
            "database": {"prefix": prefix, "connection": _connection(postgres)},
        },
        "compat": {"entities": str(folder / "directory.json")},
    }


def _connection(postgres: str) -> JsonObject:
    parts = urllib.parse.urlsplit(postgres)
    asked = dict(urllib.parse.parse_qsl(parts.query))
    return {
        "host": asked.get("host", parts.hostname or "127.0.0.1"),
        "port": int(asked.get("port", parts.port or 5432)),
        "user": parts.username or "postgres",
        "password": urllib.parse.unquote(parts.password or ""),
    }


async def _drop(postgres: str, prefix: str) -> None:
    connection = await asyncpg.connect(postgres)
    try:
        made = await connection.fetch("select datname from pg_database where starts_with(datname, $1)", prefix)
        for (name,) in made:
            await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()

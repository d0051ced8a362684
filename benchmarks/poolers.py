"""PgBouncer of this machine, in front of a PostgreSQL, started for a benchmark or a test."""

import contextlib
import os
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.launch import free_port
from benchmarks.programs import Program, folder, program, running
from callboard.store import _unprivileged

_NOBODY = 65534

_CONFIGURATION = """\
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 1000
max_db_connections = {size}
log_connections = 0
log_disconnections = 0
{more}
"""


@dataclass(frozen=True, slots=True)
class Bouncer:
    """A running PgBouncer."""

    program: Program
    server: urllib.parse.SplitResult

    def url(self, database: str | None = None) -> str:
        """The URL of a database behind it, by default of the one that the server's URL names."""
        return f"postgresql://anybody@127.0.0.1:{self.program.port}/{database or self.server.path.strip('/')}"


@contextlib.contextmanager
def pgbouncer(
    url: str, *, mode: str = "transaction", size: int = 20, more: Mapping[str, str] | None = None
) -> Iterator[Bouncer]:
    """PgBouncer in front of the server at *url*, to which it opens *size* connections at most.

    Raises Missing when it is not installed.
    """
    installed = program("pgbouncer", Path("/usr/sbin/pgbouncer"))
    parts = urllib.parse.urlsplit(url)
    with folder() as own:
        port = free_port()
        configuration = own / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                server=_server(parts),
                port=port,
                mode=mode,
                size=size,
                more="\n".join(f"{key} = {value}" for key, value in (more or {}).items()),
            )
        )
        command = [installed, str(configuration)]
        if os.getuid() == 0:
            # It refuses to be root; what it must reach may be root's alone.
            launcher = str(Path(_unprivileged.__file__))
            command = [sys.executable, "-S", launcher, str(_NOBODY), str(_NOBODY), "all", *command]
        for started in running(Program(command, port, own / "log")):
            yield Bouncer(started, parts)


def _server(parts: urllib.parse.SplitResult) -> str:
    asked = dict(urllib.parse.parse_qsl(parts.query))
    found = {
        "host": asked.get("host") or parts.hostname or "127.0.0.1",
        "port": asked.get("port") or parts.port or 5432,
        "user": urllib.parse.unquote(parts.username or "") or asked.get("user") or "postgres",
        "password": urllib.parse.unquote(parts.password or ""),
    }
    return " ".join(f"{key}={value}" for key, value in found.items() if value)

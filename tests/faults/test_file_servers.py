"""File servers that lie, hang and lead astray, spoken to over real connections."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.readers.http import HttpReader
from callboard.clock import SystemClock
from callboard.errors import NotAllowed, Unreadable

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]

_MAX_BYTES = 100_000
_FOREVER = 30.0
_SOON = 0.3


@contextlib.asynccontextmanager
async def serving(answer: Answering, *, timeout_seconds: float = _FOREVER) -> AsyncIterator[tuple[str, HttpReader]]:
    """The URL of a server that takes any request and then does what it likes, and a reader that may read there."""

    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A reader that has had enough hangs up while the server still talks.
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(talk(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx2.AsyncClient(trust_env=False) as client:
        yield (
            f"http://127.0.0.1:{port}/catalog-info.yaml",
            HttpReader(
                client,
                allow=[AllowedHost(f"127.0.0.1:{port}")],
                timeout_seconds=timeout_seconds,
                per_host=5,
                max_bytes=_MAX_BYTES,
            ),
        )
    # All readers have hung up by now.
    await asyncio.gather(*talks)


def saying(*parts: bytes) -> Answering:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nkind: Component", id="a body that is cut off"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\nkind: Component", id="chunks without an end"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nkind: Component", id="a length that is none"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nkind", id="gzip that is not"
        ),
        pytest.param(b"220 mail.example.net ESMTP\r\n", id="another protocol"),
        pytest.param(b"", id="nothing at all"),
    ],
)
async def test_a_broken_answer_is_never_taken_for_the_file(answer: bytes) -> None:
    async with serving(saying(answer)) as (url, reader):
        with pytest.raises(Unreadable, match=url):
            await reader.read(url)


async def test_an_endless_body_is_hung_up_on() -> None:
    hung_up = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"# more to come\n" * 1000)
                await writer.drain()
        finally:
            hung_up.set()

    async with serving(answer) as (url, reader):
        with pytest.raises(Unreadable, match=f"larger than {_MAX_BYTES} bytes"):
            await reader.read(url)

        await asyncio.wait_for(hung_up.wait(), _FOREVER)


async def test_a_gzip_bomb_is_refused() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()

    async with serving(saying(head, bomb)) as (url, reader):
        with pytest.raises(Unreadable, match=f"larger than {_MAX_BYTES} bytes"):
            await reader.read(url)


async def test_a_server_that_drips_is_given_up_on_however_steadily_it_drips() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"#")
            await writer.drain()
            await SystemClock().sleep(_SOON / 10)

    async with serving(answer, timeout_seconds=_SOON) as (url, reader):
        with pytest.raises(Unreadable, match=f"no complete answer within {_SOON:g} s"):
            await reader.read(url)


@pytest.mark.parametrize(
    "elsewhere",
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:1/", "http://[::1]:1/", "file:///etc/passwd"],
)
async def test_a_redirect_does_not_lead_where_reading_is_not_allowed(elsewhere: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()

    async with serving(saying(answer)) as (url, reader):
        with pytest.raises(NotAllowed, match="is not allowed"):
            await reader.read(url)


async def test_redirects_in_a_circle_end() -> None:
    async with serving(saying(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\n\r\n")) as (url, reader):
        with pytest.raises(Unreadable, match="more than 5 redirects"):
            await reader.read(url)

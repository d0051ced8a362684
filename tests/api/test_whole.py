"""Answers that are handed to the server's connection as a whole are, byte for byte, what the server itself writes."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from callboard.api import whole
from callboard.api.serving import Quiet, configured
from callboard.extend import Full
from callboard.server import listening
from callboard.settings import Listen
from tests.api.conftest import Api, app_of
from tests.harness import component, offered

_DATE = re.compile(rb"date: [^\r]+\r\n")

LONG = "/api/catalog/events?limit=300"
SHORT = "/api/catalog/entities/by-name/component/default/c0001"


def request(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "host: catalog", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


LAST = "connection: close"
CASES = {
    "short": request(SHORT) + request(SHORT, LAST),
    "long": request(LONG) + request(LONG, LAST),
    "pipelined": request(SHORT) * 3 + request(LONG) * 2 + request(SHORT, LAST),
    "no-body": request(SHORT, method="HEAD") + request(LONG, method="HEAD") + request(SHORT, LAST),
    "nothing-there": request("/api/catalog/entities/by-uid/none") + request("/none") + request("/none", LAST),
    "refused": request(f"{LONG}&offset=x") + request(f"{LONG}&offset=x", LAST),
    "compressed": request(LONG, "accept-encoding: gzip") * 2 + request(SHORT, "accept-encoding: gzip", LAST),
    "listed": request(LONG, "accept: application/cloudevents-batch+json") + request(SHORT, LAST),
    "streamed": request("/api/catalog/entities") + request(LONG, "accept: application/x-ndjson") + request(SHORT, LAST),
    "old": request(SHORT) + request(SHORT, "connection: keep-alive", version="1.0"),
}


@pytest.fixture
async def shop(api: Api) -> Api:
    """A catalog of which the list is streamed and a page is long."""
    await api.catalog.provide("p", Full(offered(*(component(f"c{number:04}") for number in range(600)))))
    await api.catalog.settle()
    return api


@pytest.fixture
async def address(shop: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, int]]:
    """Where a server answers, without a log of each request: pytest would listen to that."""
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "hasHandlers", lambda: False)
    app: ASGIApp = app_of(shop.catalog)
    with listening(Listen(port=0)) as listener:
        host, port = listener.getsockname()[:2]
        server = Quiet(configured(app, host=host, port=port))
        serving = asyncio.create_task(server.serve([listener]))
        yield host, port
        server.should_exit = True
        await serving


async def answered(address: tuple[str, int], asked: bytes) -> bytes:
    """All that comes until the connection is closed."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(asked)
    async with asyncio.timeout(30):
        told = await reader.read()
    writer.close()
    return _DATE.sub(b"", told)


@pytest.mark.parametrize("case", CASES)
async def test_the_answer_is_the_one_that_the_server_would_write(
    address: tuple[str, int], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[bool] = []

    def sent(*asked: Any) -> bool:
        known.append(real(*asked))
        return known[-1]

    real = whole.sent
    monkeypatch.setattr(whole, "sent", sent)
    found = await answered(address, CASES[case])
    monkeypatch.setattr(whole, "sent", lambda *_: False)
    expected = await answered(address, CASES[case])

    assert found == expected
    assert found.count(b"HTTP/1.1 ") == CASES[case].count(b"host: catalog")
    assert any(known) is (case not in ("no-body", "compressed", "streamed"))
    assert known[-1] is False, "after the last one the connection ends, which is the server's to do"


async def test_who_holds_an_answer_is_told_so_by_the_server(address: tuple[str, int]) -> None:
    [tag] = re.findall(rb"etag: ([^\r]+)", await answered(address, request(SHORT, LAST)))

    told = await answered(address, request(SHORT, f"if-none-match: {tag.decode()}") * 2 + request(SHORT, LAST))

    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"304", b"304", b"200"]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        """One system call."""
        self.written.append(data)

    def writelines(self, pieces: Any) -> None:
        """One as well."""
        self.written.append(b"".join(pieces))


@pytest.fixture
async def cycle() -> RequestResponseCycle:
    """A request that waits for its answer."""
    wire, log = Wire(), logging.getLogger()
    scope: Any = {"type": "http", "method": "GET"}
    return RequestResponseCycle(
        scope=scope,
        transport=wire,
        flow=FlowControl(wire),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )


@pytest.mark.parametrize("size", [2, 100_000])
async def test_an_answer_takes_one_system_call(cycle: RequestResponseCycle, size: int) -> None:
    headers = [(b"content-length", b"%d" % size)]

    done = whole.sent(cast("Send", cycle.send), {"status": 200, "headers": headers}, dict(headers), b"x" * size)

    assert isinstance(cycle.transport, Wire)
    head = b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: %d\r\n\r\n" % size
    assert (done, cycle.response_complete, cycle.transport.written) == (True, True, [head + b"x" * size])


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"2"), (b"location", b"/a\r\nset-cookie: b")],
        [(b"content-length", b"2"), (b"loc\nation", b"/a")],
        [(b"content-length", b"3")],
        [],
        [(b"content-length", b"2"), (b"connection", b"close")],
    ],
)
async def test_what_the_server_would_refuse_or_has_to_do_itself_is_left_to_it(
    cycle: RequestResponseCycle, headers: list[tuple[bytes, bytes]]
) -> None:
    done = whole.sent(cast("Send", cycle.send), {"status": 200, "headers": headers}, dict(headers), b"{}")

    assert isinstance(cycle.transport, Wire)
    assert (done, cycle.response_started, cycle.transport.written) == (False, False, [])


async def test_who_stands_between_here_and_the_server_sees_each_answer(cycle: RequestResponseCycle) -> None:
    headers = [(b"content-length", b"2")]

    async def between(_message: object) -> None:
        raise AssertionError("nobody has sent anything yet")

    assert not whole.sent(between, {"status": 200, "headers": headers}, dict(headers), b"{}")

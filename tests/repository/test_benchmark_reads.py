"""What the benchmarks ask a server for, and how they count what it costs."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import click
import pytest

from benchmarks import processes, query, reads, wire
from benchmarks.__main__ import Counts
from benchmarks.reads import Sample
from benchmarks.wire import Ask, Unexpected, Wire
from tests.repository.tracked import ROOT

HELD = Sample(
    total=1000,
    paths=[f"default/payments-{number}" for number in range(250)],
    uids=[f"uid-{number}" for number in range(250)],
    term="payments",
    tags=[f'W/"{number}"' for number in range(50)],
    next_cursor="abc",
    head=1234,
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server that answers a GET with 200 and two bytes, a conditional one with 304, and anything else with 404.

    After `GET /last` it closes the connection.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := (await reader.read(65536)).decode():
            if asked.startswith("GET /last "):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                break
            if not asked.startswith("GET "):
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno!")
            elif "if-none-match" in asked:
                writer.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def read_named(name: str, held: Sample = HELD) -> reads.Read:
    """One of the reads."""
    return next(read for read in reads.of(held) if read.name == name)


def test_the_page_says_what_each_read_is() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    table = text.partition("## The reads")[2].partition("| column |")[0]

    described = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)

    floor = {query.HTTP_ALONE, query.HTTP_AS_MANY_BYTES}
    assert [name for name in described if name not in floor] == [read.name for read in reads.of(HELD)]
    assert floor <= set(described)


def test_batches_are_full_ones() -> None:
    bodies = [ask.body for ask in read_named("by-refs-100").asks]

    assert [len(body["entityRefs"]) for body in bodies if body and isinstance(body["entityRefs"], list)] == [100, 100]


def test_a_conditional_read_sends_each_name_with_its_tag() -> None:
    read = read_named("by-name-304")

    asked = read.asks[7]

    assert (read.status, len(read.asks)) == (304, 50)
    assert asked == Ask(
        "/api/catalog/entities/by-name/component/default/payments-7", headers={"if-none-match": 'W/"7"'}
    )


def test_what_a_server_does_not_have_is_not_asked_for() -> None:
    little = replace(HELD, tags=[], next_cursor=None, head=None)

    without = {read.name for read in reads.of(little) if not read.asks}

    assert without == {"by-name-304", "query-page2", "events-100"}


def test_the_events_at_the_head_are_asked_for() -> None:
    assert [ask.path for ask in read_named("events-100").asks] == ["/api/catalog/events?offset=1134&limit=100"]


def test_a_young_stream_is_read_from_its_beginning() -> None:
    young = read_named("events-100", replace(HELD, head=3))

    assert [ask.path for ask in young.asks] == ["/api/catalog/events?offset=0&limit=100"]


def test_an_ask_with_a_body_is_a_post_of_that_length() -> None:
    encoded = Ask("/entities/by-refs", {"entityRefs": ["component:default/zoë"]}).encoded("localhost:7007")

    head, _, body = encoded.partition(b"\r\n\r\n")

    assert head.startswith(b"POST /entities/by-refs HTTP/1.1\r\nhost: localhost:7007\r\n")
    assert b"content-length: %d" % len(body) in head.lower().split(b"\r\n")
    assert body.decode() == '{"entityRefs":["component:default/zoë"]}'


async def test_an_answer_without_a_body_leaves_the_connection_in_use(url: str) -> None:
    async with wire.connected(url, 1, Wire) as [only]:
        conditional = Ask("/", headers={"if-none-match": '"1"'}).encoded(only.host)

        answers = [await only.send(conditional, status=304), await only.get("/"), await only.get("/")]

    assert answers == [b"", b"{}", b"{}"]


async def test_an_answer_with_another_status_is_told(url: str) -> None:
    async with wire.connected(url, 1, Wire) as [only]:
        with pytest.raises(Unexpected, match="404: no!") as told:
            await only.send(Ask("/", {}).encoded(only.host))

    assert told.value.status == 404


async def test_a_connection_that_was_closed_is_told_and_not_waited_for(url: str) -> None:
    async with asyncio.timeout(10), wire.connected(url, 1, Wire) as [only]:
        await only.get("/last")
        await only.closed.wait()

        with pytest.raises(ConnectionResetError, match="has closed the connection"):
            await only.get("/")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't tell")
def test_the_clock_of_a_process_is_the_one_that_it_sees_itself() -> None:
    before = time.process_time()

    clocks = processes.clocks([os.getpid()])

    assert before <= clocks[os.getpid()] <= time.process_time()


def test_a_process_that_began_meanwhile_counts_in_full_and_one_that_ended_not_at_all() -> None:
    used = processes.used_between({1: 2.0, 2: 5.0}, {1: 2.5, 3: 0.25})

    assert used == 0.75


@pytest.mark.parametrize(("text", "counts"), [("500", [500]), ("10000,50000", [10_000, 50_000])])
def test_counts_are_numbers_between_commas(text: str, counts: list[int]) -> None:
    assert Counts().convert(text, None, None) == counts


@pytest.mark.parametrize("text", ["99", "many", "1000,", ""])
def test_other_counts_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Counts().convert(text, None, None)


def test_memory_of_an_entity_is_what_a_process_holds_beyond_an_empty_one() -> None:
    empty = query.Weight(state="empty", entities=0, resident_bytes=50_000_000, shared_out_bytes=40_000_000)
    full = query.Weight(state="full", entities=1000, resident_bytes=54_096_000, shared_out_bytes=42_048_000)

    assert full.per_entity(empty) == (4096.0, 2048.0)

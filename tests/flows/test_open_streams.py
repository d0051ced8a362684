"""Who follows over HTTP, while the API ends and begins, and beside somebody who does not read."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from callboard.model.json import JsonObject
from tests.flows import engines, stories
from tests.flows.started import Record, Server, started
from tests.flows.stories import Story
from tests.harness import component

pytestmark = pytest.mark.slow

SLOW: JsonObject = {"callboard": {"stream": {"slowReaderTimeout": "1s", "heartbeat": "1s"}}}


@dataclass(slots=True)
class Follower:
    """Follows in one form, and comes back when the stream has ended."""

    http: httpx2.AsyncClient
    accept: str
    events: list[Any] = field(default_factory=list)
    streams: int = 0
    position: tuple[str, int] | None = None

    async def follow(self) -> None:
        """Until it is cancelled."""
        await engines.until(self._ended, "the end of all streams, which never comes")

    async def _ended(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            async with self.http.stream("GET", "/events", **self._asked()) as answer:
                self.streams += answer.status_code == 200
                # Until its view is loaded, a process that has just begun says 503.
                assert answer.status_code in (200, 503)
                if answer.status_code == 200:
                    await self._read(answer.aiter_lines())
        return False

    def _asked(self) -> dict[str, Any]:
        if self.accept == "text/event-stream":
            last = {} if self.position is None else {"last-event-id": "{}.{}".format(*self.position)}
            return {"headers": {"accept": self.accept, **last}}
        at = {} if self.position is None else dict(zip(("epoch", "offset"), self.position, strict=True))
        return {"headers": {"accept": self.accept}, "params": {"follow": "true", **at}}

    async def _read(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            if line.startswith("id: "):
                epoch, _, offset = line.removeprefix("id: ").rpartition(".")
                self.position = epoch, int(offset)
            elif line.startswith(("data: ", "{")):
                self._keep(json.loads(line.removeprefix("data: ")))

    def _keep(self, told: Any) -> None:
        if "offset" in told:
            self.events.append(told)
        elif "bookmark" in told:
            self.position = told["epoch"], told["bookmark"]


@contextlib.asynccontextmanager
async def following(story: Story) -> AsyncIterator[Sequence[Follower]]:
    """One who follows with server-sent events, and one with lines."""
    followers = [Follower(story.http, accept) for accept in ("text/event-stream", "application/x-ndjson")]
    tasks = [asyncio.create_task(follower.follow()) for follower in followers]
    try:
        yield followers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def told_up_to(head: int, followers: Sequence[Follower]) -> None:
    async def told() -> bool:
        return all(follower.events and follower.events[-1]["offset"] >= head for follower in followers)

    await engines.until(told, f"everybody to be told of the changes up to {head}")


async def push(story: Story, *names: str, **spec: str) -> int:
    """Let the provider `ci` have these, and return the head of the stream once all is done."""
    lines = "\n".join(json.dumps(component(name, **spec)) for name in names)
    headers = {"content-type": "application/x-ndjson"}
    (await story.http.put("/providers/ci/entities", content=lines, headers=headers)).raise_for_status()
    return await story.quiet()


def api_of(records: Sequence[Record]) -> int | None:
    """The pid of the API that runs."""
    found = None
    for record in records:
        if record.get("role") == "api-1" and record["event"] in ("process.started", "process.ended"):
            pid = record["pid"]
            assert isinstance(pid, int)
            found = pid if record["event"] == "process.started" else None
    return found


async def restart_api(server: Server, number: signal.Signals) -> None:
    """End the API, which the supervisor starts again."""
    before = api_of(server.log.records)
    assert before is not None
    os.kill(before, number)
    await asyncio.to_thread(
        server.log.wait_for, lambda records: api_of(records) not in (None, before), "another API process"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_who_follows_goes_on_exactly_where_it_was_when_the_api_ends(
    tmp_path: Path, database_url: str, number: signal.Signals
) -> None:
    with started(tmp_path, database_url, engines=1) as server:
        async with stories.story(server) as story, following(story) as followers:
            await told_up_to(await push(story, "a", "b"), followers)

            await restart_api(server, number)
            head = await push(story, "b", "c")
            await told_up_to(head, followers)
            counted = await figures(server)

        # Those of the process that has ended are not counted any more.
        for form in ("sse", "ndjson"):
            assert f'callboard_stream_readers{{form="{form}"}} 1.0' in counted
        assert [event["offset"] for event in followers[0].events] == list(range(1, head + 1))
        assert followers[0].events == followers[1].events
        assert all(follower.streams > 1 for follower in followers)


async def test_who_does_not_read_is_closed_and_others_go_on(tmp_path: Path, database_url: str) -> None:
    with started(tmp_path, database_url, SLOW, engines=1) as server:
        async with stories.story(server) as story, following(story) as followers:
            await told_up_to(await push(story, "a"), followers)
            with idle(server) as connection:
                head = await push(story, *(f"large-{number}" for number in range(60)), note="x" * 200_000)

                async def closed() -> bool:
                    return 'callboard_stream_readers_closed_total{reason="slow"} 1.0' in await figures(server)

                await engines.until(closed, "the slow reader to be closed")
                await asyncio.to_thread(read_to_the_end, connection)
            await told_up_to(head, followers)
            await push(story, "a", "b")

        assert [follower.streams for follower in followers] == [1, 1]


@contextlib.contextmanager
def idle(server: Server) -> Iterator[socket.socket]:
    """A reader that asks for the stream and takes nothing of it."""
    url = httpx2.URL(server.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((url.host, url.port))
        connection.sendall(b"GET /api/catalog/events HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
        yield connection


def read_to_the_end(connection: socket.socket) -> None:
    """Return when the server has closed the connection; what it has sent before may still be there."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(1 << 20):
            pass


async def figures(server: Server) -> str:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"{server.url}/metrics")).text

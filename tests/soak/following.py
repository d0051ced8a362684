"""Following: one reader, in one of four forms, who comes back whatever happens, and keeps a replica."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import httpx2

from callboard.client import AsyncCatalogClient, Event, failures
from callboard.clock import SystemClock
from callboard.errors import CallboardError, OffsetExpired, OffsetInTheFuture, Unavailable
from callboard.model import json
from tests.soak.replicas import Replica, Told

Form: TypeAlias = Literal["pages", "client", "sse", "lines"]
"""Pages that are held at the head; the same by `AsyncCatalogClient.follow`; server-sent events; a line each."""

FORMS: tuple[Form, ...] = get_args(Form)
CLOCK = SystemClock()

_WAIT = 3.0
_DEAD = 10.0
"""Seconds without a word after which a connection counts as dead; an open stream has a heartbeat every second."""
_PATIENCE_AHEAD = 100
"""So often in a row a process may not know yet what another one has told."""


class Spread(httpx2.AsyncBaseTransport):
    """Sends each request to any of several processes, as a load balancer does."""

    def __init__(self, ports: Sequence[int], chance: random.Random) -> None:
        self._inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None))
        self._ports = ports
        self._chance = chance

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it."""
        if request.url.port == 1:
            request.url = request.url.copy_with(port=self._chance.choice(self._ports))
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


Parameters: TypeAlias = list[tuple[str, str | int | float | bool | None]]

ANY = "http://127.0.0.1:1"
"""The URL of any process, for clients whose transport is a `Spread`."""


@dataclass(frozen=True, slots=True)
class Said:
    """Some events, and what a reader has to remember behind them."""

    events: Sequence[Told]
    offset: int
    epoch: str
    caught_up: bool | None
    """None where the events themselves say the position."""
    began: int | None = None


@dataclass(slots=True)
class Reader:
    """A reader with its replica."""

    replica: Replica
    form: Form
    http: httpx2.AsyncClient
    catalog: AsyncCatalogClient
    ports: Sequence[int]
    chance: random.Random
    past: Literal["log", "compacted"]
    """How it is told what it has missed."""
    nap: float | None
    """For how many seconds at most it goes away now and then; None: it never does."""
    morning: asyncio.Event
    """Set when everybody has to be there, and nobody sleeps any more."""
    counts: Counter[str] = field(default_factory=Counter)
    _ahead: int = 0

    async def follow(self) -> None:
        """Until it is cancelled: one connection after the other."""
        while True:
            self.counts["connections"] += 1
            self.replica.live = self.past == "log"
            self.replica.note(f"comes with {self.position()}")
            try:
                await self._connected()
            except OffsetExpired:
                self.counts["expired"] += 1
                self.counts["slow"] += self.nap is None
                self.replica.begin_anew()
            except OffsetInTheFuture as error:
                # A process is behind the one that told the offset, and will come to know it.
                self.counts["ahead"] += 1
                self._ahead += 1
                if self._ahead == _PATIENCE_AHEAD:
                    self.replica.complain(f"nobody knows its offset any more: {error}")
            except (httpx2.TransportError, Unavailable):
                self.counts["broken"] += 1
                self.replica.note("has lost its connection")
            except (CallboardError, AssertionError, LookupError, ValueError, TypeError) as error:
                self.replica.complain(f"{type(error).__name__}: {error}")
            await CLOCK.sleep(self.chance.uniform(0.1, 0.5))

    async def _connected(self) -> None:
        """Read until the connection ends, or this reader goes to sleep."""
        nap = None if self.morning.is_set() else self.nap
        until = None if nap is None else CLOCK.monotonic() + self.chance.uniform(0, nap)
        async with contextlib.aclosing(_FORMS[self.form](self)) as news:
            async for said in news:
                self._take(said)
                if until is not None and CLOCK.monotonic() > until:
                    break
        if nap is not None:
            self.counts["naps"] += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.chance.uniform(0, nap)):
                    await self.morning.wait()

    def _take(self, said: Said) -> None:
        """Take all or nothing: what comes without its position is not taken at all."""
        self._ahead = 0
        for told in said.events:
            self.replica.tell(told)
        if said.caught_up is None:
            self.replica.place(said.epoch, said.began)
        else:
            self.replica.mark(said.offset, said.epoch, caught_up=said.caught_up, began=said.began)

    def position(self) -> Parameters:
        """Where it stands, as parameters."""
        replica = self.replica
        found = {"offset": replica.offset, "epoch": replica.epoch, "began": replica.began}
        return [(name, str(value)) for name, value in found.items() if value is not None]

    @contextlib.asynccontextmanager
    async def stream(self, accept: str, asked: Parameters, **headers: str) -> AsyncIterator[httpx2.Response]:
        """An open stream from one of the processes."""
        parameters: Parameters = [*asked, ("mode", self.past), *self.replica.wish.parameters]
        async with self.http.stream(
            "GET",
            "/events",
            params=httpx2.QueryParams(parameters),
            headers={"accept": accept, **headers},
            timeout=_DEAD,
        ) as answer:
            if answer.status_code != 200:
                raise failures.of_answer(answer.status_code, await answer.aread())
            yield answer


async def _pages(reader: Reader) -> AsyncGenerator[Said, None]:
    """Page after page from one process, until it fails."""
    replica, url = reader.replica, f"http://127.0.0.1:{reader.chance.choice(reader.ports)}/api/catalog/events"
    while True:
        asked: Parameters = [
            *reader.position(),
            *replica.wish.parameters,
            ("mode", "log" if replica.live else "compacted"),
        ]
        asked += [("limit", "500"), ("wait", str(_WAIT if replica.live else 0))]
        answer = await reader.http.get(url, params=asked, timeout=_WAIT + _DEAD)
        if answer.status_code != 200:
            raise failures.of_answer(answer.status_code, answer.content)
        page: Any = json.decode(answer.content)
        events = [Told.read(event) for event in page["events"]]
        yield Said(events, page["nextOffset"], page["epoch"], page["caughtUp"], page.get("began"))


async def _client(reader: Reader) -> AsyncGenerator[Said, None]:
    """As the client follows, each request to any of the processes."""
    replica, wish = reader.replica, reader.replica.wish

    def note(error: CallboardError, pause: float) -> None:
        reader.counts["ahead" if isinstance(error, OffsetInTheFuture) else "broken"] += 1
        if not isinstance(error, OffsetInTheFuture | Unavailable):
            replica.complain(f"{type(error).__name__}: {error}")

    news = reader.catalog.follow(
        replica.offset,
        epoch=replica.epoch,
        began=replica.began,
        mode=reader.past,
        wait=_WAIT,
        filters=[text for name, text in wish.parameters if name == "filter"],
        query=wish.query if any(name == "query" for name, _ in wish.parameters) else None,
        fields=wish.fields,
        on_retry=note,
    )
    events: list[Told] = []
    async for each in news:
        if isinstance(each, Event):
            source: Any = json.decode(each.source)
            events.append(Told.read(source))
        else:
            yield Said(events, each.offset, each.epoch, each.caught_up, each.began)
            events = []


async def _lines(reader: Reader) -> AsyncGenerator[Said, None]:
    """A line each; positions come behind the events that belong to them."""
    events: list[Told] = []
    async with reader.stream("application/x-ndjson", [*reader.position(), ("follow", "true")]) as answer:
        async for line in answer.aiter_lines():
            told: Any = json.decode(line)
            if "offset" in told:
                events.append(Told.read(told))
            elif "bookmark" in told:
                yield Said(events, told["bookmark"], told["epoch"], told["caughtUp"], told.get("began"))
                events = []
            elif "gone" in told:
                raise _gone(told["gone"])


async def _sse(reader: Reader) -> AsyncGenerator[Said, None]:
    """Server-sent events, which say their position themselves."""
    replica = reader.replica
    last = [replica.epoch, replica.offset, replica.began]
    headers = {"last-event-id": ".".join(str(part) for part in last if part is not None)} if replica.epoch else {}
    frame: dict[str, str] = {}
    async with reader.stream("text/event-stream", [], **headers) as answer:
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                frame[name] = value
                continue
            if "data" in frame:
                yield _framed(frame)
            frame = {}


def _framed(frame: Mapping[str, str]) -> Said:
    data: Any = json.decode(frame["data"])
    if frame["event"] == "gone":
        raise _gone(data)
    epoch, offset, *began = frame["id"].split(".")
    behind = int(began[0]) if began else None
    if frame["event"] == "bookmark":
        assert (data["bookmark"], data["epoch"], data.get("began")) == (int(offset), epoch, behind), frame
        return Said([], data["bookmark"], epoch, data["caughtUp"], behind)
    assert (data["offset"], data["type"]) == (int(offset), frame["event"]), frame
    return Said([Told.read(data)], int(offset), epoch, None, behind)


def _gone(told: Mapping[str, Any]) -> CallboardError:
    known = {kind.code: kind for kind in (OffsetExpired, OffsetInTheFuture)}
    return known[told["code"]](told["message"])


_FORMS: Mapping[Form, Callable[[Reader], AsyncGenerator[Said, None]]] = {
    "pages": _pages,
    "client": _client,
    "sse": _sse,
    "lines": _lines,
}

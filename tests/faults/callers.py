"""Callers of a server that is being hurt: one writes and one reads, all the time, and both keep what they were told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import httpx2

from callboard.client import AsyncCatalogClient
from callboard.clock import SystemClock
from callboard.model import json
from callboard.model.json import JsonValue
from tests.harness import plain

CLOCK = SystemClock()

_NAMES = 20
_PAUSE = 0.02
_PATIENCE = 60.0
_STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request has led to."""

    status: int
    """0: to no answer."""
    seconds: float
    view_age: int | None = None
    retry_after: int | None = None
    error: JsonValue = None
    """The name of the error in the body."""

    @property
    def is_put_off(self) -> bool:
        """Whether it asks to come back later, in the way that clients understand."""
        return self.status == 503 and self.retry_after is not None and self.error == "ServiceUnavailableError"


@dataclass(slots=True)
class Calls:
    """What was asked and answered so far."""

    writes: list[Answer] = field(default_factory=list)
    reads: list[Answer] = field(default_factory=list)
    possible: dict[str, set[str]] = field(default_factory=dict)
    """By entity, the owners of whom one must be there at the end: the last acknowledged one, and later attempts."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acknowledged(self) -> int:
        """How many writes were."""
        return sum(200 <= answer.status < 300 for answer in self.writes)

    @property
    def put_off(self) -> list[Answer]:
        """The writes that were."""
        return [answer for answer in self.writes if answer.is_put_off]

    @property
    def odd(self) -> list[Answer]:
        """Answers that nobody should get while PostgreSQL alone is hurt."""
        return [
            *(answer for answer in self.writes if not 200 <= answer.status < 300 and not answer.is_put_off),
            *(answer for answer in self.reads if answer.status != 200),
        ]

    async def until(self, condition: Callable[[], bool], what: str, patience: float = _PATIENCE) -> None:
        """Wait until the *condition* holds, which is asked after each answer."""
        try:
            async with asyncio.timeout(patience):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}: {self.writes[-3:]}, {self.reads[-3:]}") from None

    async def until_acknowledged(self, more: int = 20) -> None:
        """Wait until so many writes more were acknowledged."""
        aim = self.acknowledged + more
        await self.until(lambda: self.acknowledged >= aim, f"{more} writes to be acknowledged")

    async def until_old(self, seconds: float) -> None:
        """Wait until answers say that they are at least so old."""
        await self.until(
            lambda: bool(self.reads) and (self.reads[-1].view_age or 0) >= seconds,
            f"reads that are {seconds} s old",
            _PATIENCE + seconds,
        )

    async def write(self, client: httpx2.AsyncClient) -> None:
        """Write without end."""
        for number in _counted():
            name, owner = f"w{number % _NAMES}", f"owner-{number}"
            self.possible.setdefault(name, set()).add(owner)
            path = f"/providers/faults/entities/component/default/{name}"
            answer = await _ask(client, "PUT", path, plain(name, owner))
            if 200 <= answer.status < 300:
                self.possible[name] = {owner}
            self.writes.append(answer)
            self._news.set()
            await CLOCK.sleep(_PAUSE)

    async def read(self, client: httpx2.AsyncClient) -> None:
        """Read without end."""
        while True:
            self.reads.append(await _ask(client, "GET", f"/entities/by-name/component/default/{_STEADY}"))
            self._news.set()
            await CLOCK.sleep(_PAUSE)


@contextlib.asynccontextmanager
async def calling(url: str) -> AsyncIterator[Calls]:
    """Callers of the server at *url*, until the end of the block."""
    calls = Calls()
    async with httpx2.AsyncClient(base_url=f"{url}/api/catalog", timeout=150, trust_env=False) as client:
        first = await _ask(client, "PUT", f"/providers/faults/entities/component/default/{_STEADY}", plain(_STEADY))
        assert 200 <= first.status < 300, first
        async with asyncio.timeout(_PATIENCE):
            while (await _ask(client, "GET", f"/entities/by-name/component/default/{_STEADY}")).status != 200:
                await CLOCK.sleep(_PAUSE)
        running = [asyncio.create_task(calls.write(client)), asyncio.create_task(calls.read(client))]
        try:
            yield calls
        finally:
            for task in running:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*running)


async def lost(calls: Calls, catalog: AsyncCatalogClient) -> dict[str, str]:
    """The entities that are neither as they were acknowledged last nor as somebody tried to have them after that."""
    found = await catalog.get_entities(fields=["metadata.name", "spec.owner"])
    owners = {entity["metadata"]["name"]: entity.get("spec", {}).get("owner") for entity in found}
    return {
        name: f"{owners.get(name)} and not one of {sorted(possible)}"
        for name, possible in calls.possible.items()
        if owners.get(name) not in possible
    }


async def _ask(client: httpx2.AsyncClient, method: str, path: str, body: JsonValue = None) -> Answer:
    began = CLOCK.monotonic()
    try:
        got = await client.request(method, path, json=body)
    except httpx2.TransportError:
        return Answer(0, CLOCK.monotonic() - began)
    seconds = CLOCK.monotonic() - began
    error = None if got.is_success else _name_of_error(got.content)
    return Answer(got.status_code, seconds, _number(got, "callboard-view-age"), _number(got, "retry-after"), error)


def _name_of_error(content: bytes) -> JsonValue:
    try:
        told = json.decode(content)
    except ValueError:
        return None
    error = told.get("error") if isinstance(told, dict) else None
    return error.get("name") if isinstance(error, dict) else None


def _number(got: httpx2.Response, header: str) -> int | None:
    text = got.headers.get(header)
    return None if text is None else int(text)


def _counted() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1

"""A process with many followers: `python -m tests.soak.followers`, told by lines of JSON what to do.

They are in processes of their own, so that what they need does not hold up who writes and kills.
"""

import asyncio
import random
import resource
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from callboard.client import AsyncCatalogClient
from callboard.errors import CallboardError
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.outgoing import AsyncClient
from tests.soak.following import ANY, CLOCK, FORMS, Reader, Spread
from tests.soak.replicas import Record, Replica, ref_of
from tests.soak.wishes import wishes

_JUDGE_EVERY = 0.5
_NAPS_EVERY = 8
_PAGE = 1_000


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Which followers a process has."""

    ports: list[int]
    """Of the API processes."""
    seed: int
    nap: float
    """The longest nap of those that go away now and then, in seconds: longer than anything is remembered."""
    of: int
    """How many followers there are altogether."""
    part: int
    parts: int
    """This process has every so-manieth of them, from *part* on."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do when nobody writes any more."""

    head: int
    """Where the stream ends."""
    patience: float
    truth: str
    """The file with all visible entities by ref, as the database has them."""
    result: str
    """The file for the result."""


class Tally(msgspec.Struct, kw_only=True):
    """Figures of a process so far."""

    events: int = 0
    left: int = 0
    connections: int = 0
    broken: int = 0
    ahead: int = 0
    expired: int = 0
    slow: int = 0
    """The part of these that had not been away, and were late all the same."""
    naps: int = 0
    excused: int = 0
    wrong: int = 0


class Result(msgspec.Struct, kw_only=True):
    """What came of it."""

    tally: Tally
    entities: int
    """In all replicas at the end."""
    seconds: float
    """Until the last follower was at the head."""
    wrong: list[str]
    past: dict[str, list[str]]
    """What had happened last to those with whom something is wrong."""
    told: dict[int, str]
    """What was told at each offset."""


@dataclass(slots=True)
class Followers:
    """The followers of one process."""

    crew: Crew
    http: httpx2.AsyncClient
    catalog: AsyncCatalogClient
    record: Record = field(default_factory=Record)
    readers: list[Reader] = field(default_factory=list)
    morning: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for number, wish in enumerate(wishes(self.crew.of, self.crew.seed)):
            if number % self.crew.parts == self.crew.part:
                self.readers.append(self._reader(number, Replica(f"follower {number}", wish, self.record)))

    def _reader(self, number: int, replica: Replica) -> Reader:
        chance = random.Random(self.crew.seed * 100_003 + number)
        form = chance.choice(FORMS)
        replica.name = f"{replica.name}, {form}"
        return Reader(
            replica=replica,
            form=form,
            http=self.http,
            catalog=self.catalog,
            ports=self.crew.ports,
            chance=chance,
            past=chance.choice(("log", "compacted")),
            nap=self.crew.nap if number % _NAPS_EVERY == 0 else None,
            morning=self.morning,
        )

    def tally(self) -> Tally:
        """All figures."""
        counts = sum((reader.counts for reader in self.readers), Counter[str]())
        replicas = [reader.replica for reader in self.readers]
        return Tally(
            events=sum(replica.events for replica in replicas),
            left=sum(replica.left for replica in replicas),
            excused=sum(replica.excused for replica in replicas),
            wrong=sum(len(replica.wrong) for replica in replicas),
            **counts,
        )

    async def judge(self) -> None:
        """Settle doubts, again and again until cancelled."""
        while True:
            await CLOCK.sleep(_JUDGE_EVERY)
            await self.judge_once()

    async def judge_once(self) -> None:
        """Settle the doubts that there are by now."""
        for reader in self.readers:
            reader.replica.draw_line()
        floor, head = await self._floor()
        for reader in self.readers:
            reader.replica.judge(floor, head)

    async def _floor(self) -> tuple[int, int]:
        while True:
            try:
                answer = await self.http.get("/events/status", timeout=5)
                if answer.status_code == 200:
                    status = answer.json()
                    return status["historyFloor"], status["head"]
            except httpx2.TransportError:
                pass
            await CLOCK.sleep(0.2)

    async def arrive(self, order: Order) -> float:
        """Wait until everybody is at the head. Returns after how many seconds."""
        began = CLOCK.monotonic()
        self.morning.set()
        while late := [each.replica for each in self.readers if not _is_at(each.replica, order.head)]:
            if CLOCK.monotonic() - began > order.patience:
                for replica in late:
                    replica.complain(f"has not come to the head of the stream, {order.head}")
                break
            await CLOCK.sleep(0.1)
        return CLOCK.monotonic() - began

    async def compare(self, truth: Mapping[str, JsonObject], head: int) -> None:
        """Compare each replica with what the database has, and with what the catalog lists under the same filter."""
        for reader in self.readers:
            replica = reader.replica
            expected = {ref: entity for ref, entity in truth.items() if replica.wish.holds(entity)}
            listed = await self._listed(replica, head)
            replica.compare(listed, "the list")
            if not replica.wish.fields:
                replica.compare(expected, "the database")
            elif expected.keys() != replica.entities.keys():
                replica.complain(f"has other refs than the database: {expected.keys() ^ replica.entities.keys()}")

    async def _listed(self, replica: Replica, head: int) -> Mapping[str, JsonObject]:
        wish = replica.wish
        filters = [text for name, text in wish.parameters if name == "filter"]
        query = None if filters else wish.query
        found: dict[str, Any] = {}
        async for page in self.catalog.stream_entities(page_size=_PAGE, filters=filters, query=query, min_offset=head):
            if page.offset != head:
                replica.complain(f"the list is of offset {page.offset}, and nobody writes after {head}")
            found |= {ref_of(_json(entity)): entity for entity in page.items}
        if wish.fields and found:
            parts = await self.catalog.get_entities_by_refs(list(found), fields=wish.fields)
            found = dict(zip(found, parts, strict=True))
        return found


def _json(entity: Any) -> JsonObject:
    assert isinstance(entity, dict)
    return entity


def _is_at(replica: Replica, head: int) -> bool:
    return replica.live and replica.offset >= head


async def _run(crew: Crew) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    chance = random.Random(crew.seed)
    async with (
        AsyncClient(base_url=f"{ANY}/api/catalog", transport=Spread(crew.ports, chance)) as http,
        AsyncCatalogClient(ANY, transport=Spread(crew.ports, chance), retries=20) as catalog,
    ):
        followers = Followers(crew, http, catalog)
        following = [asyncio.create_task(reader.follow()) for reader in followers.readers]
        judging = asyncio.create_task(followers.judge())
        orders = asyncio.create_task(_order())
        while not orders.done():
            await asyncio.wait([orders, *following, judging], timeout=1, return_when=asyncio.FIRST_COMPLETED)
            for task in [*following, judging]:
                if task.done():
                    task.result()
            _say(followers.tally())
        order = orders.result()
        seconds = await followers.arrive(order)
        for task in [*following, judging]:
            task.cancel()
        await asyncio.gather(*following, judging, return_exceptions=True)
        await followers.judge_once()
        truth: Any = json.decode(Path(order.truth).read_bytes())
        try:
            await followers.compare(truth, order.head)
        except CallboardError as error:
            followers.readers[0].replica.complain(f"nothing to compare with: {error}")
        Path(order.result).write_bytes(msgspec.json.encode(_result(followers, seconds)))


def _result(followers: Followers, seconds: float) -> Result:
    replicas = [reader.replica for reader in followers.readers]
    return Result(
        tally=followers.tally(),
        entities=sum(len(replica.entities) for replica in replicas),
        seconds=seconds,
        wrong=[what for replica in replicas for what in replica.wrong],
        past={replica.name: [*replica.past] for replica in replicas if replica.wrong},
        told=followers.record.told,
    )


async def _order() -> Order:
    # Not in a thread: that would hold up the end of a process in which something has failed.
    said = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(said), sys.stdin)
    return msgspec.json.decode(await said.readline(), type=Order)


def _say(tally: Tally) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> None:
    """Follow until the order comes, and write down the result."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(msgspec.json.decode(arguments[0], type=Crew)))


if __name__ == "__main__":
    main(sys.argv[1:])

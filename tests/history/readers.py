"""Readers: processes that follow the stream in every way, and write down all that they are told.

    python -m tests.history.readers URL FILE NAME ROLE SECONDS SEED

As `feed` they read as an API process does, from memory and from the database; as `http` from an API process at URL.
"""

import asyncio
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import httpx2

from callboard.clock import SystemClock
from callboard.errors import OffsetExpired
from callboard.model import json
from callboard.model.changes import Change
from callboard.model.json import JsonValue
from callboard.model.predicates import Equals
from callboard.store import changes
from callboard.store.database import Database, Transaction
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from tests.history.histories import End, Event, Listing, Notebook, Read, Recorder

EVEN = Equals("spec.parity", "0")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asks for."""

    offset: int
    limit: int
    wait: float
    compacted: bool
    filtered: bool
    epoch: str | None
    began: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What it is told."""

    events: Sequence[Event]
    next: int
    head: int
    epoch: str
    caught_up: bool
    began: int | None


class Source(Protocol):
    """Where a reader reads."""

    async def read(self, asked: Asked) -> Told:
        """A page. Raises OffsetExpired."""
        ...


def event_of(offset: int, ref: str, body: JsonValue, cause: JsonValue, *, left: bool) -> Event:
    """An event, with the revision and the transaction that its writer has put into it."""
    if left:
        return Event(offset, ref, 0, "", left=True)
    by = str(cause["by"]) if isinstance(cause, dict) else "#0"
    tx, _, revision = by.partition("#")
    if isinstance(body, dict):
        return Event(offset, ref, revision_of(body), tx)
    return Event(offset, ref, int(revision), tx, removed=True)


def revision_of(body: Mapping[str, JsonValue]) -> int:
    """The revision that an entity says of itself."""
    spec = body["spec"]
    assert isinstance(spec, dict)
    return int(str(spec["revision"]))


@dataclass(frozen=True, slots=True)
class FromFeed:
    """The feed of this process."""

    follower: Follower

    async def read(self, asked: Asked) -> Told:
        page = await feed.read(
            self.follower,
            offset=asked.offset,
            limit=asked.limit,
            wait=asked.wait,
            mode=Mode.COMPACTED if asked.compacted else Mode.LOG,
            epoch=asked.epoch,
            began=asked.began,
            predicate=EVEN if asked.filtered else None,
        )
        events = [told_of(change) for change in page.changes]
        return Told(events, page.next_offset, page.head, page.epoch, page.caught_up, page.began)


def told_of(change: Change) -> Event:
    """A change as an event of a history."""
    body = json.decode(change.body or b"null")
    cause = json.decode(change.cause) if change.cause else None
    return event_of(change.offset, change.ref, body, cause, left=change.left_filter)


@dataclass(frozen=True, slots=True)
class FromHttp:
    """An API process."""

    client: httpx2.AsyncClient

    async def read(self, asked: Asked) -> Told:
        query: dict[str, str | int | float] = {
            "offset": asked.offset,
            "limit": asked.limit,
            "wait": round(asked.wait),
            "mode": "compacted" if asked.compacted else "log",
        }
        query |= {"filter": "spec.parity=0"} if asked.filtered else {}
        query |= {"epoch": asked.epoch} if asked.epoch is not None else {}
        query |= {"began": asked.began} if asked.began is not None else {}
        answer = await self.client.get("/api/catalog/events", params=query)
        if answer.status_code == 410:
            raise OffsetExpired(answer.text)
        answer.raise_for_status()
        page = answer.json()
        events = [
            event_of(
                event["offset"],
                event["entityRef"],
                event.get("entity"),
                event.get("cause"),
                left=event.get("reason") == "left-filter",
            )
            for event in page["events"]
        ]
        return Told(
            events, page["nextOffset"], page["lastEventOffset"], page["epoch"], page["caughtUp"], page.get("began")
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reader stores in one go."""

    offset: int = 0
    began: int | None = None
    live: bool = False
    revisions: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Reader:
    """One reader: what it wants, and what it keeps."""

    name: str
    source: Source
    recorder: Notebook
    compacted: bool = False
    filtered: bool = False
    cold: bool = False
    limit: int = 50
    wait: float = 0.0
    epoch: str | None = None
    kept: Kept = field(default_factory=Kept)
    saved: Kept = field(default_factory=Kept)

    async def step(self) -> bool:
        """Read a page and write it down. False: the reader was sent away, and begins again."""
        compacted = self.compacted and not self.kept.live
        asked = Asked(self.kept.offset, self.limit, self.wait, compacted, self.filtered, self.epoch, self.kept.began)
        call = time.monotonic()
        try:
            told = await self.source.read(asked)
        except OffsetExpired:
            self.recorder.add(self._record(asked, call, expired=True))
            self.kept, self.epoch = Kept(), None
            return False
        revisions = dict(self.kept.revisions)
        for event in told.events:
            if event.removed or event.left:
                revisions.pop(event.ref, None)
            else:
                revisions[event.ref] = event.revision
        self.epoch = told.epoch
        self.kept = Kept(told.next, told.began, self.kept.live or told.caught_up, revisions)
        self.recorder.add(self._record(asked, call, told))
        return True

    def _record(self, asked: Asked, call: float, told: Told | None = None, *, expired: bool = False) -> Read:
        return Read(
            who=self.name,
            call=call,
            returned=time.monotonic(),
            offset=asked.offset,
            epoch=self.epoch or "",
            began=asked.began,
            compacted=asked.compacted,
            filtered=asked.filtered,
            cold=self.cold,
            events=told.events if told else (),
            next=told.next if told else 0,
            head=told.head if told else 0,
            caught_up=told.caught_up if told else False,
            expired=expired,
            kept=self.kept.revisions if told and told.caught_up and told.events else None,
        )

    def go_back(self) -> None:
        """Begin where it stood when it was saved, as after a crash."""
        self.kept = replace(self.saved, live=False)


async def read_on(readers: Sequence[Reader], chance: random.Random, until: float) -> None:
    """Let the *readers* take turns, go back and begin anew, until a moment; and then up to the head."""
    while time.monotonic() < until:
        reader = chance.choice(readers)
        await reader.step()
        match chance.randrange(40):
            case 0 if reader.compacted:
                reader.kept = Kept()
            case 1:
                reader.go_back()
            case 2:
                reader.saved = reader.kept
            case _:
                pass


def all_kinds(name: str, source: Source, recorder: Notebook, *, cold: bool) -> list[Reader]:
    """Readers of the log and of the compacted stream, with and without a filter."""
    return [
        Reader(f"{name}-{kind}", source, recorder, cold=cold, compacted=compacted, filtered=filtered, limit=limit)
        for kind, compacted, filtered, limit in (
            ("log", False, False, 50),
            ("compacted", True, False, 7),
            ("filtered", False, True, 30),
            ("filtered-compacted", True, True, 5),
        )
    ]


def _object(body: bytes) -> dict[str, JsonValue]:
    entity = json.decode(body)
    assert isinstance(entity, dict)
    return entity


async def end_of(database: Database) -> End:
    """What is there when all is over."""
    async with database.transaction(snapshot=True) as tx:
        position = await changes.position(tx)
        log = await changes.history(tx, position.history_floor, limit=10_000_000)
        state = await _revisions(tx)
    return End(
        epoch=position.epoch,
        head=position.head,
        history_floor=position.history_floor,
        tombstone_floor=position.tombstone_floor,
        log=[told_of(change) for change in log],
        state=state,
    )


async def _revisions(tx: Transaction) -> dict[str, int]:
    found = await changes.snapshot(tx)
    return {ref: revision_of(_object(body)) async for _, ref, body in found.rows}


async def follow_feed(url: str, recorder: Notebook, name: str, chance: random.Random, until: float) -> None:
    """Read as an API process does."""
    database = await Database.open(url, clock=SystemClock(), connections=4, name=f"history-{name}")
    warm, cold = Follower(database, SystemClock(), keep=500), Follower(database, SystemClock(), keep=1)
    following = asyncio.create_task(warm.loop.run())
    try:
        await cold.follow()
        while warm.position is None:
            await SystemClock().sleep(0.01)
        live = Reader(f"{name}-live", FromFeed(warm), recorder, limit=1_000, wait=0.2)
        readers = [
            *all_kinds(f"{name}-warm", FromFeed(warm), recorder, cold=False),
            *all_kinds(f"{name}-cold", _Fresh(cold), recorder, cold=True),
        ]
        await asyncio.gather(
            _stay(live, until), read_on(readers, chance, until), _list(database, recorder, name, until)
        )
    finally:
        warm.loop.stop()
        await following
        await database.close()


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A feed that has just been looked at: its pages come from the database."""

    follower: Follower

    async def read(self, asked: Asked) -> Told:
        while await self.follower.follow() == 0:
            pass
        return await FromFeed(self.follower).read(asked)


async def _stay(reader: Reader, until: float) -> None:
    while time.monotonic() < until:
        await reader.step()


async def _list(database: Database, recorder: Notebook, name: str, until: float) -> None:
    while time.monotonic() < until:
        call = time.monotonic()
        async with database.transaction(snapshot=True) as tx:
            offset, state = (await changes.position(tx)).head, await _revisions(tx)
        recorder.add(Listing(who=f"{name}-list", call=call, returned=time.monotonic(), offset=offset, state=state))
        await SystemClock().sleep(0.1)


async def follow_http(url: str, recorder: Notebook, name: str, chance: random.Random, until: float) -> None:
    """Read from an API process."""
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        readers = all_kinds(name, FromHttp(client), recorder, cold=False)
        await read_on(readers, chance, until)


ROLES = {"feed": follow_feed, "http": follow_http}


async def main(url: str, file: str, name: str, role: str, seconds: str, seed: str) -> None:
    """Run one process."""
    until = time.monotonic() + float(seconds)
    await ROLES[role](url, Recorder(Path(file)), name, random.Random(int(seed)), until)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

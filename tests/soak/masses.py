"""Masses of events: writers that publish as fast as the database can, one process each, and one that forgets.

They use what stitchers use, the functions of `callboard.store.publication`, past all that comes before it.
"""

import asyncio
import datetime as dt
import multiprocessing
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

from callboard.clock import SystemClock
from callboard.store import claims, publication
from callboard.store.database import Database, Transaction
from callboard.store.publication import FinalEntity
from callboard.stream.retention import Keep, Retention
from tests.soak.ledger import Account, Mark, cause_of

OWN = 2_000
"""Entities of each writer, of which nobody else publishes."""

KEEP = Keep(history=dt.timedelta(seconds=10), tombstones=dt.timedelta(seconds=15))
"""How long is remembered. Who reads must keep up."""

_SIZES = (1, 7, 100, *[500] * 9)
"""Of transactions."""
_AHEAD = 150_000
"""Events that a reader may be behind; the writers wait for it."""


class _RolledBack(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Crew:
    """What all processes share."""

    url: str
    seen: "Synchronized[int]"
    """Up to which offset the reader has come."""
    over: Event
    accounts: "Queue[tuple[int, Account]]"


@dataclass(slots=True)
class _Writer:
    crew: Crew
    number: int
    database: Database
    refs: Sequence[str]
    uids: Mapping[str, str]
    chance: random.Random
    account: Account = field(default_factory=Account)
    there: set[str] = field(default_factory=set)
    tx: int = 0
    acknowledged: int = 0
    head: int = 0

    async def step(self) -> None:
        """One transaction: entities that change, or that go; some of them are regretted."""
        refs = self.chance.sample(self.refs, self.chance.choice(_SIZES))
        gone = self.chance.random() < 0.05
        chosen = [ref for ref in refs if ref in self.there] if gone else refs
        self.tx += 1
        began = time.monotonic_ns()

        def mark(index: int) -> Mark:
            return Mark(self.number, self.tx, index, len(chosen), began, self.acknowledged)

        if not chosen:
            return
        try:
            async with self.database.transaction() as tx:
                await (self._retract if gone else self._publish)(tx, chosen, mark)
                if self.chance.random() < 0.03:
                    raise _RolledBack
        except _RolledBack:
            return
        self.acknowledged = time.monotonic_ns()
        self.account.add(self.tx)
        (self.there.difference_update if gone else self.there.update)(chosen)

    async def _publish(self, tx: Transaction, refs: Sequence[str], mark: Callable[[int], Mark]) -> None:
        body = f'{{"tx":{self.tx}}}'
        entities = [
            FinalEntity(ref=ref, uid=self.uids[ref], body=body, hash=b"", cause=str(cause_of(mark(index))))
            for index, ref in enumerate(refs)
        ]
        self.head = await publication.publish(tx, entities) or self.head

    async def _retract(self, tx: Transaction, refs: Sequence[str], mark: Callable[[int], Mark]) -> None:
        # Told in the order of their refs.
        gone = {ref: cause_of(mark(index)) for index, ref in enumerate(sorted(refs))}
        self.head = await publication.retract(tx, gone) or self.head


def write(crew: Crew, number: int) -> None:
    """A process that writes until all is over, and then says what it has written."""
    asyncio.run(_write(crew, number))


async def _write(crew: Crew, number: int) -> None:
    clock = SystemClock()
    database = await Database.open(crew.url, clock=clock, connections=1, name=f"masses-{number}")
    refs = [f"component:default/m{number}-{each}" for each in range(OWN)]
    try:
        async with database.transaction() as tx:
            await claims.lock_targets(tx, [], create=refs)
            rows = await tx.connection.fetch("select ref, uid::text from entities where ref = any($1)", refs)
        writer = _Writer(crew, number, database, refs, {row["ref"]: row["uid"] for row in rows}, random.Random(number))
        while not crew.over.is_set():
            if writer.head - crew.seen.value > _AHEAD:
                await clock.sleep(0.01)
            await writer.step()
    finally:
        await database.close()
    crew.accounts.put((number, writer.account))


def forget(crew: Crew) -> None:
    """A process that forgets what is old, without a pause."""
    asyncio.run(_forget(crew))


async def _forget(crew: Crew) -> None:
    clock = SystemClock()
    database = await Database.open(crew.url, clock=clock, connections=2, name="masses-forgetting")
    retention = Retention(database=database, clock=clock, keep=KEEP)
    try:
        while not crew.over.is_set():
            await retention.run()
            await clock.sleep(0.2)
    finally:
        await database.close()


class Processes:
    """The processes of a crew."""

    def __init__(self, url: str, writers: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.crew = Crew(url, spawn.Value("q", 0), spawn.Event(), spawn.Queue())
        self._writers = [spawn.Process(target=write, args=(self.crew, number)) for number in range(writers)]
        self._forgetting = spawn.Process(target=forget, args=(self.crew,))

    def start(self) -> None:
        """Start all of them."""
        for process in (*self._writers, self._forgetting):
            process.start()

    @property
    def ended(self) -> bool:
        """Whether one has ended by itself, which none should."""
        return any(process.exitcode is not None for process in (*self._writers, self._forgetting))

    def end(self) -> dict[int, Account]:
        """Let them end, and return what writers say that was acknowledged."""
        self.crew.over.set()
        accounts = dict(self.crew.accounts.get(timeout=60) for _ in self._writers)
        for process in (*self._writers, self._forgetting):
            process.join(60)
            assert process.exitcode == 0, f"{process.name} ended with {process.exitcode}"
        return accounts

    def kill(self) -> None:
        """Kill those that are left."""
        for process in (*self._writers, self._forgetting):
            if process.is_alive():
                process.kill()

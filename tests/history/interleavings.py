"""Interleavings: transactions taken apart into steps, which come in an order that a test chooses.

A step that has to wait for a lock stays where it is, and the steps of its transaction behind it; the others go on.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg

from callboard.clock import SystemClock
from callboard.store.database import Database, Transaction
from tests.history import checker
from tests.history.checker import Violation
from tests.history.clusters import connected
from tests.history.histories import Change, End, History, Notes, Outcome, Write, of
from tests.history.readers import Reader, Source
from tests.history.writers import REVISIONS

_WAITING = "select pid from pg_locks where not granted"


class Publishing(Protocol):
    """A way to publish and to read: the product's, or one that is wrong."""

    async def prepare(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Make the tables that it needs."""
        ...

    async def open(self, tx: Transaction, size: int) -> None:
        """The beginning of a transaction that will publish so many changes."""
        ...

    async def publish(self, tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
        """Publish, and return the last offset if it is known."""
        ...

    def source(self, database: Database) -> Source:
        """Where readers read."""
        ...

    async def end(self, database: Database) -> End:
        """What is there at the end."""
        ...


@dataclass(slots=True)
class Session:
    """A transaction in steps, on a connection of its own."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    name: str = ""
    refs: Sequence[str] = ()
    made: Sequence[Change] = ()
    last: int | None = None
    call: float = 0.0
    write: Write | None = None
    _task: "asyncio.Task[None] | None" = None

    @property
    def tx(self) -> Transaction:
        """The transaction as the store knows it."""
        return Transaction(self.connection, SystemClock().now())  # type: ignore[arg-type]

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._task is None or self._task.done()

    @property
    def pid(self) -> int:
        """Its process in the server."""
        return int(self.connection.get_server_pid())

    def push(self, step: Callable[["Session"], Awaitable[None]]) -> None:
        """Do *step* when those before it are done."""
        before, self._task = self._task, None
        self._task = asyncio.create_task(self._after(before, step))

    async def end(self) -> None:
        """Wait until all is done."""
        if self._task is not None:
            await self._task

    async def _after(self, before: "asyncio.Task[None] | None", step: Callable[["Session"], Awaitable[None]]) -> None:
        if before is not None:
            await before
        await step(self)


class Entities(Protocol):
    """How a transaction locks the entities that it changes, and gives them their next revisions."""

    async def __call__(self, tx: Transaction, refs: Sequence[str]) -> list[Change]: ...


@dataclass(slots=True)
class Play:
    """Transactions and a reader on one database."""

    database: Database
    publishing: Publishing
    revise: Entities
    sessions: list[Session]
    observer: "asyncpg.Connection[asyncpg.Record]"
    notes: Notes = field(default_factory=Notes)
    apart: bool = False
    """Whether no two of them change the same entity."""
    rolled_back: frozenset[int] = frozenset()
    """Those of the transactions that end like this."""
    begun: int = 0
    reader: Reader = field(init=False)

    async def play(
        self, schedule: Sequence[int], steps: Sequence[str], *, reading_at: frozenset[int] | None = None
    ) -> None:
        """Take the next step of one transaction after the other; read after each, or where *reading_at* says."""
        self.begun += 1
        for number, session in enumerate(self.sessions):
            session.name = f"{self.begun}.{number}"
            session.refs = [f"component:default/own{number}"] + ([] if self.apart else ["component:default/shared"])
        taken = [iter(steps) for _ in self.sessions]
        for position, actor in enumerate(schedule):
            name = next(taken[actor])
            is_undone = name == "commit" and actor in self.rolled_back
            self.sessions[actor].push(getattr(self, "roll_back" if is_undone else name))
            await self._settle()
            if reading_at is None or position in reading_at:
                await self.reader.step()
        for session in self.sessions:
            await session.end()
            assert session.write is not None
            self.notes.add(session.write)
        await self.reader.step()

    def __post_init__(self) -> None:
        self.reader = Reader("reader", self.publishing.source(self.database), self.notes, limit=1_000)

    async def open(self, session: Session) -> None:
        session.call = time.monotonic()
        await session.connection.execute("begin; select pg_current_xact_id()")
        await self.publishing.open(session.tx, len(session.refs))

    async def change(self, session: Session) -> None:
        session.made = await self.revise(session.tx, session.refs)

    async def publish(self, session: Session) -> None:
        session.last = await self.publishing.publish(session.tx, session.name, session.made)

    async def commit(self, session: Session) -> None:
        await session.connection.execute("commit")
        session.write = self._written(session, Outcome.ACKNOWLEDGED)

    async def roll_back(self, session: Session) -> None:
        await session.connection.execute("rollback")
        session.write = self._written(session, Outcome.ROLLED_BACK)

    async def open_and_change(self, session: Session) -> None:
        await self.open(session)
        await self.change(session)

    async def all_before_the_commit(self, session: Session) -> None:
        await self.open_and_change(session)
        await self.publish(session)

    async def history(self) -> History:
        """What has happened so far."""
        return of([*self.notes.records, await self.publishing.end(self.database)])

    async def violations(self) -> list[Violation]:
        """What is wrong with it."""
        return checker.check(await self.history())

    def _written(self, session: Session, outcome: Outcome) -> Write:
        return Write(
            who=session.name,
            tx=session.name,
            call=session.call,
            returned=time.monotonic(),
            outcome=outcome,
            changes=session.made,
            last=session.last if outcome is Outcome.ACKNOWLEDGED else None,
        )

    async def _settle(self) -> None:
        """Wait until every transaction has done what it was asked for, or waits for another one."""
        while busy := {session.pid for session in self.sessions if not session.idle}:
            waiting = {row["pid"] for row in await self.observer.fetch(_WAITING)}
            if busy <= waiting:
                return


@asynccontextmanager
async def playing(url: str, publishing: Publishing, revise: Entities, transactions: int = 2) -> AsyncIterator[Play]:
    """A play on the database at *url*."""
    database = await Database.open(url, clock=SystemClock(), connections=2)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        observer = await stack.enter_async_context(connected(url))
        await observer.execute(REVISIONS)
        stack.push_async_callback(observer.execute, "drop table revisions")
        await publishing.prepare(observer)
        sessions = [Session(await stack.enter_async_context(connected(url))) for _ in range(transactions)]
        yield Play(database, publishing, revise, sessions, observer)
        for session in sessions:
            await session.end()


def schedules(transactions: int, steps: int) -> Iterator[tuple[int, ...]]:
    """Every order in which so many transactions can take so many steps each."""
    left = [steps] * transactions

    def go_on(taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if not any(left):
            yield taken
        for actor in range(transactions):
            if left[actor]:
                left[actor] -= 1
                yield from go_on((*taken, actor))
                left[actor] += 1

    return go_on(())


def reading_moments(steps: int, reads: int) -> Iterator[frozenset[int]]:
    """Every choice of so many moments among the steps of a schedule."""
    return map(frozenset, itertools.combinations(range(steps), reads))

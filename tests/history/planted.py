"""Streams as they are often built, each with its hole, beside the product's own. All on real PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import asyncpg

from callboard.clock import SystemClock
from callboard.store import changes, claims
from callboard.store.database import Database, Transaction
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from tests.history import readers, writers
from tests.history.histories import Change, End, Event
from tests.history.readers import EVEN, Asked, Source, Told, told_of

_LOG = """
drop table if exists planted, planted_head;
create table planted (
    id bigserial, xid xid8 not null default pg_current_xact_id(),
    ref text not null, revision bigint not null, tx text not null
);
create table planted_head (n bigint not null);
insert into planted_head values (0);
"""


async def lock_and_revise(tx: Transaction, refs: Sequence[str]) -> list[Change]:
    """As the product does: all entities are locked in one go, in the order of their refs."""
    await claims.lock_targets(tx, refs, create=refs)
    return await writers.revised(tx, refs)


async def only_revise(tx: Transaction, refs: Sequence[str]) -> list[Change]:
    """Without anything of the product's tables."""
    return await writers.revised(tx, refs)


@dataclass(frozen=True, slots=True)
class Product:
    """What is built here: the counter row last, held until the commit."""

    async def prepare(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        refs = [f"component:default/{name}" for name in ("own0", "own1", "own2", "shared")]
        await connection.execute(
            "insert into entities (ref, uid, discovered_at)"
            " select ref, gen_random_uuid(), now() from unnest($1::text[]) as ref",
            refs,
        )

    async def open(self, tx: Transaction, size: int) -> None:
        """Nothing is taken before the end."""

    async def publish(self, tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
        return await writers.publish(tx, name, made)

    def source(self, database: Database) -> Source:
        return FromDatabase(Follower(database, SystemClock(), keep=1))

    async def end(self, database: Database) -> End:
        return await readers.end_of(database)


@dataclass(frozen=True, slots=True)
class FromDatabase:
    """The product's feed, without anything in memory."""

    follower: Follower

    async def read(self, asked: Asked) -> Told:
        epoch = asked.epoch or (await changes.now(self.follower.database)).epoch
        page = await feed.stored(
            self.follower,
            offset=asked.offset,
            limit=asked.limit,
            mode=Mode.COMPACTED if asked.compacted else Mode.LOG,
            epoch=epoch,
            began=asked.began,
            predicate=EVEN if asked.filtered else None,
        )
        events = [told_of(change) for change in page.changes]
        return Told(events, page.next_offset, page.head, page.epoch, page.caught_up, page.began)


@dataclass(frozen=True, slots=True)
class BookmarkOffByOne:
    """The product's feed, whose bookmark is one ahead where there is more to come."""

    right: Source

    async def read(self, asked: Asked) -> Told:
        told = await self.right.read(asked)
        return told if told.caught_up else replace(told, next=told.next + 1)


@dataclass(slots=True)
class Serial:
    """A growing id, and readers that ask for what is beyond the last one."""

    async def prepare(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute(_LOG)

    async def open(self, tx: Transaction, size: int) -> None:
        """Nothing is taken before the end."""

    async def publish(self, tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
        rows = await tx.connection.fetch(
            "insert into planted (ref, revision, tx) select * from unnest($1::text[], $2::bigint[], $3::text[])"
            " returning id",
            [change.ref for change in made],
            [change.revision for change in made],
            [name for _ in made],
        )
        return int(rows[-1]["id"])

    def source(self, database: Database) -> Source:
        return _FromLog(self, database)

    async def end(self, database: Database) -> End:
        async with database.transaction() as tx:
            log = [_event(row) for row in await tx.connection.fetch(f"select {self.columns} from planted order by id")]
            state = {row["ref"]: row["revision"] for row in await tx.connection.fetch("select * from revisions")}
        log.sort(key=lambda event: event.offset)
        return End(epoch="planted", head=log[-1].offset if log else 0, log=log, state=state)

    async def after(self, tx: Transaction, offset: int) -> list[Event]:
        """What a reader at *offset* is told now."""
        wanted = f"{self.position} > $1 and {self.settled}"
        query = f"select {self.columns} from planted where {wanted} order by {self.position}"
        return [_event(row) for row in await tx.connection.fetch(query, offset)]

    position = "id"
    settled = "true"

    @property
    def columns(self) -> str:
        return f"{self.position} as position, ref, revision, tx"


@dataclass(slots=True)
class CounterWithoutLock(Serial):
    """Numbers come from a counter that is read first, and written back with the rest. Nobody holds it."""

    read: dict[int, int] = field(default_factory=dict)
    """What each connection has found there."""

    async def open(self, tx: Transaction, size: int) -> None:
        self.read[tx.connection.get_server_pid()] = await tx.connection.fetchval("select n from planted_head")

    async def publish(self, tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
        first = self.read[tx.connection.get_server_pid()] + 1
        await tx.connection.executemany(
            "insert into planted (id, ref, revision, tx) values ($1, $2, $3, $4)",
            [(first + number, change.ref, change.revision, name) for number, change in enumerate(made)],
        )
        last = first + len(made) - 1
        await tx.connection.execute("update planted_head set n = $1", last)
        return last


@dataclass(slots=True)
class TransactionIds(Serial):
    """Ordered by transaction ids, and read up to the oldest one that is still open."""

    position = "(xid::text::bigint * 1000 + id % 1000)"
    settled = "xid < pg_snapshot_xmin(pg_current_snapshot())"

    async def publish(self, tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
        await Serial.publish(self, tx, name, made)
        return None


@dataclass(slots=True)
class PatientWithGaps(Serial):
    """Readers wait at a gap, but not for ever: it may be of a transaction that was rolled back."""

    patience: int = 2
    waited: dict[int, int] = field(default_factory=dict)

    async def after(self, tx: Transaction, offset: int) -> list[Event]:
        found = await Serial.after(self, tx, offset)
        told: list[Event] = []
        for event in found:
            expected = (told[-1].offset if told else offset) + 1
            if event.offset != expected:
                self.waited[expected] = self.waited.get(expected, 0) + 1
                if self.waited[expected] <= self.patience:
                    break
            told.append(event)
        return told


@dataclass(frozen=True, slots=True)
class _FromLog:
    log: Serial
    database: Database

    async def read(self, asked: Asked) -> Told:
        async with self.database.transaction(snapshot=True) as tx:
            found = await self.log.after(tx, asked.offset)
        last = found[-1].offset if found else asked.offset
        return Told(found, last, last, "planted", caught_up=False, began=None)


def _event(row: asyncpg.Record) -> Event:
    return Event(row["position"], row["ref"], row["revision"], row["tx"])

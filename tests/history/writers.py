"""Writers: processes that publish through the product, retract, roll back, are stitched, and forget what is old.

    python -m tests.history.writers URL FILE NAME ROLE SECONDS SEED

Each transaction is in the file before it begins, and again with what has become of it.
"""

import asyncio
import datetime as dt
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from callboard.clock import SystemClock
from callboard.errors import DatabaseUnavailable
from callboard.model import json
from callboard.model.causes import Reason
from callboard.stitching.worker import Stitcher
from callboard.store import changes, claims, publication, removal, stitch_queue
from callboard.store.database import Database, Overtaken, Transaction
from callboard.store.pools import SETTINGS
from callboard.store.publication import FinalEntity
from callboard.stream.retention import Keep, Retention
from tests.history.histories import Change, Forgetting, Notebook, Outcome, Recorder, Write

REVISIONS = (
    'create table if not exists revisions (ref text collate "C" primary key, revision bigint not null);'
    # It is filled and emptied with the others, and by nobody else.
)

_NEXT = """
with wanted as (
    insert into revisions (ref, revision) select ref, 1 from unnest($1::text[]) as ref order by ref
    on conflict (ref) do update set revision = revisions.revision + 1 returning ref, revision
) select ref, revision from wanted order by ref
"""

_ACCEPT = "update entities set processed = $2 where ref = $1"


class Regretted(Exception):
    """What was published is to be rolled back."""


def body_of(change: Change) -> str:
    """An entity at this revision."""
    name = change.ref.rpartition("/")[2]
    spec = {"revision": str(change.revision), "parity": str(change.revision % 2)}
    entity = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": name}, "spec": spec}
    return json.encode(entity).decode()


def mark_of(tx: str, change: Change) -> str:
    """What stands in the cause of the event of a change, so that it is found again."""
    return f"{tx}#{change.revision}"


async def revised(tx: Transaction, refs: Sequence[str], *, removed: bool = False) -> list[Change]:
    """The next change of each of *refs*, whose entities are locked."""
    rows = await tx.connection.fetch(_NEXT, list(refs))
    return [Change(row["ref"], row["revision"], removed) for row in rows]


async def publish(tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
    """Publish *made* as the transaction with this name."""
    refs = [change.ref for change in made]
    rows = await tx.connection.fetch("select ref, uid::text from entities where ref = any($1)", refs)
    uids = {row["ref"]: row["uid"] for row in rows}
    entities = [
        FinalEntity(
            ref=change.ref,
            uid=uids[change.ref],
            body=body_of(change),
            hash=b"",
            cause=str(Reason(by=mark_of(name, change))),
        )
        for change in made
    ]
    return await publication.publish(tx, entities)


async def retract(tx: Transaction, name: str, made: Sequence[Change]) -> int | None:
    """Remove what *made* is about."""
    await removal.remove(tx, [change.ref for change in made])
    return await publication.retract(tx, {change.ref: Reason("deleted", by=mark_of(name, change)) for change in made})


@dataclass(slots=True)
class Writer:
    """One process that writes."""

    database: Database
    recorder: Notebook
    name: str
    chance: random.Random
    names: int = 40
    _count: int = field(default=0, init=False)

    async def step(self) -> None:
        """Publish or retract a few entities, and regret it now and then."""
        refs = sorted({f"component:default/e{self.chance.randrange(self.names)}" for _ in range(self._size)})
        await self.change(refs, gone=self.chance.random() < 0.2, regretted=self.chance.random() < 0.1)

    async def change(self, refs: Sequence[str], *, gone: bool = False, regretted: bool = False) -> None:
        """Publish the next revisions of *refs*, or retract them."""

        async def work(tx: Transaction, name: str) -> tuple[list[Change], int | None]:
            there = await claims.lock_targets(tx, refs, create=() if gone else refs)
            made = await revised(tx, sorted(there), removed=gone)
            last = await (retract if gone else publish)(tx, name, made)
            if regretted:
                raise Regretted
            return made if last is not None else [], last

        await self._transaction(work, Outcome.ACKNOWLEDGED)

    async def accept(self) -> None:
        """Store new content of an entity, and leave it to the stitchers to publish it."""
        ref = f"component:default/s{self.chance.randrange(10)}"

        async def work(tx: Transaction, name: str) -> tuple[list[Change], int | None]:
            await claims.lock_targets(tx, [ref], create=[ref])
            (change,) = await revised(tx, [ref])
            await tx.connection.execute(_ACCEPT, ref, body_of(change))
            await stitch_queue.mark(tx, [ref], reason=Reason(by=mark_of(name, change)))
            return [change], None

        await self._transaction(work, Outcome.ACCEPTED)

    @property
    def _size(self) -> int:
        return self.chance.choice((1, 1, 2, 5, 20))

    async def _transaction(
        self, work: Callable[[Transaction, str], Awaitable[tuple[list[Change], int | None]]], outcome: Outcome
    ) -> None:
        self._count += 1
        name, call = f"{self.name}-{self._count}", time.monotonic()
        made: list[Change] = []
        last = None
        self.recorder.add(Write(who=self.name, tx=name, call=call))
        try:
            async with self.database.transaction() as tx:
                made, last = await work(tx, name)
        except (Regretted, Overtaken, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
            outcome = Outcome.ROLLED_BACK
        except (DatabaseUnavailable, asyncpg.PostgresError):
            # The commit may have come about.
            outcome = Outcome.UNKNOWN
        self.recorder.add(
            Write(
                who=self.name,
                tx=name,
                call=call,
                returned=time.monotonic(),
                outcome=outcome,
                changes=made if outcome in (Outcome.ACKNOWLEDGED, Outcome.ACCEPTED) else (),
                last=last,
            )
        )


async def write(writer: Writer, until: float, pause: float) -> None:
    """Publish until a moment."""
    while time.monotonic() < until:
        await writer.step()
        await SystemClock().sleep(writer.chance.random() * pause)


async def stitch(writer: Writer, until: float, pause: float) -> None:
    """Have entities stitched until a moment, and then all that is left."""
    stitcher = Stitcher(writer.database, SystemClock())
    while time.monotonic() < until:
        await writer.accept()
        await stitcher.stitch()
        await SystemClock().sleep(writer.chance.random() * pause)
    while await _is_left(writer.database):
        await SystemClock().sleep(min(await stitcher.stitch(), pause))


async def _is_left(database: Database) -> bool:
    async with database.transaction() as tx:
        return bool(await tx.connection.fetchval("select exists (select from stitch_queue)"))


async def forget(writer: Writer, until: float, pause: float) -> None:
    """Raise the floors again and again, by the product's own rules."""
    keep = Keep(history=dt.timedelta(seconds=3), tombstones=dt.timedelta(seconds=4))
    retention = Retention(database=writer.database, clock=SystemClock(), keep=keep)
    while time.monotonic() < until:
        call = time.monotonic()
        await retention.run()
        floors = await changes.now(writer.database)
        writer.recorder.add(
            Forgetting(
                who=writer.name,
                call=call,
                returned=time.monotonic(),
                history_floor=floors.history_floor,
                tombstone_floor=floors.tombstone_floor,
            )
        )
        await SystemClock().sleep(0.3)


async def insist(writer: Writer, until: float, pause: float) -> None:
    """Publish the same few entities until a moment."""
    while time.monotonic() < until:
        await writer.change(["component:default/a", "component:default/b"])
        await SystemClock().sleep(pause)


ROLES = {"write": write, "stitch": stitch, "forget": forget, "insist": insist}

IMPATIENT = "CALLBOARD_TEST_IDLE_TIMEOUT"
"""The environment variable that makes the server give up on a frozen process sooner than it usually does."""


async def main(url: str, file: str, name: str, role: str, seconds: str, seed: str) -> None:
    """Run one process."""
    if timeout := os.environ.get(IMPATIENT):
        SETTINGS["idle_in_transaction_session_timeout"] = timeout
    database = await Database.open(url, clock=SystemClock(), connections=2, name=f"history-{name}")
    try:
        writer = Writer(database, Recorder(Path(file)), name, random.Random(int(seed)))
        await ROLES[role](writer, time.monotonic() + float(seconds), pause=0.02)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

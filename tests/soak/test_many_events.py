"""As many events as the database can take, read by one who checks the invariants of each.

Short by itself; `CALLBOARD_SOAK_EVENTS=100000000` reads that many.
"""

import os
import random
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from callboard.clock import SystemClock
from callboard.model.changes import Change, ChangeType
from callboard.store import changes
from callboard.store.changes import Position
from callboard.store.database import Database, Transaction
from tests.conftest import Lend
from tests.soak.ledger import Ledger
from tests.soak.masses import Processes

pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("CALLBOARD_SOAK_EVENTS", "30000"))
WRITERS = 3

_PAGE = 5_000
_KEPT = 60
"""Pages that are read once more, later."""
_CLOCK = SystemClock()


@dataclass(slots=True)
class _Reader:
    """Reads from 0 on, now and then again what it has read, and compares the whole with the list."""

    database: Database
    ledger: Ledger = field(default_factory=Ledger)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    read_again: int = 0
    compared: int = 0
    _pages: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By the offset before it, how many changes there are in a page, and their digest."""

    async def step(self) -> int:
        """The next page. Returns how many changes there were."""
        async with self.database.transaction(snapshot=True) as tx:
            at = await changes.position(tx)
            self._keep_up(at)
            found = await changes.history(tx, self.ledger.offset, limit=_PAGE)
        self._remember(found)
        self.ledger.take(found)
        return len(found)

    def _keep_up(self, at: Position) -> None:
        assert at.history_floor <= self.ledger.offset, f"too slow: {self.ledger.offset} is forgotten"

    def _remember(self, found: Sequence[Change]) -> None:
        if found:
            self._pages[self.ledger.offset] = len(found), _digest(found)
            while len(self._pages) > _KEPT:
                del self._pages[next(iter(self._pages))]

    async def look_back(self) -> None:
        """Read a page once more that is still there."""
        after, (count, digest) = self.chance.choice(list(self._pages.items()))
        async with self.database.transaction(snapshot=True) as tx:
            at = await changes.position(tx)
            found = await changes.history(tx, after, limit=count)
        if at.history_floor <= after:
            self.read_again += len(found)
            if (len(found), _digest(found)) != (count, digest):
                self.ledger.violations.append(f"I6: what was read stays, but not what comes after {after}")

    async def compare(self) -> None:
        """Come to the head, and compare what was told with what is listed there, and with the compacted stream."""
        async with self.database.transaction(snapshot=True) as tx, tx.unhurried():
            at = await changes.position(tx)
            self._keep_up(at)
            while self.ledger.offset < at.head:
                self.ledger.take(await changes.history(tx, self.ledger.offset, limit=_PAGE))
            listed = await _listed(tx)
            compacted = await changes.compacted(tx, 0, until=at.head, limit=sys.maxsize)
        told = {change.ref: (change.offset, change.type is not ChangeType.REMOVED) for change in compacted}
        self.ledger.compare(listed, floor=at.tombstone_floor, what="the list")
        self.ledger.compare(told, floor=at.tombstone_floor, what="the compacted stream")
        self.compared += 1


async def _listed(tx: Transaction) -> dict[str, tuple[int, bool]]:
    rows = await tx.connection.fetch("select ref, last_offset, removed_at is null from final_entities")
    return {ref: (offset, there) for ref, offset, there in rows}


def _digest(found: Sequence[Change]) -> int:
    return zlib.crc32(repr([(each.offset, each.type, each.ref, each.uid, each.body) for each in found]).encode())


@pytest.fixture
def url(lend_database: Lend) -> Iterator[str]:
    with lend_database() as url:
        yield url


async def test_nothing_is_wrong_with_as_many_events_as_there_can_be(url: str) -> None:
    processes = Processes(url, WRITERS)
    database = await Database.open(url, clock=_CLOCK, connections=2)
    reader = _Reader(database)
    ledger = reader.ledger
    processes.start()
    try:
        began = told = _CLOCK.monotonic()
        while ledger.events < EVENTS and not ledger.violations:
            assert not processes.ended, "a process has ended"
            if not await reader.step():
                await _CLOCK.sleep(0.01)
                continue
            processes.crew.seen.value = ledger.offset
            if reader.chance.random() < 0.02:
                await reader.look_back()
            if (now := _CLOCK.monotonic()) - told >= 10.0:
                told = now
                await reader.compare()
                print(f"{now - began:6.0f} s  {ledger.events:,} events", file=sys.stderr, flush=True)
        seconds = _CLOCK.monotonic() - began
        accounts = processes.end()
        while await reader.step():
            pass
        await reader.look_back()
        await reader.compare()
    finally:
        processes.kill()
        await database.close()
    ledger.close(accounts)

    transactions = sum(account.transactions for account in accounts.values())
    print(
        f"{ledger.events:,} events ({ledger.removals:,} removals) in {transactions:,} transactions of"
        f" {WRITERS} writers, in {seconds:.0f} s; {reader.read_again:,} read again; compared {reader.compared} times",
        file=sys.stderr,
    )
    assert ledger.violations == []
    assert ledger.events >= EVENTS
    assert ledger.removals > 0
    assert reader.read_again > 0

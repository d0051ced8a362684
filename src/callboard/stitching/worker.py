"""The stitcher: takes tickets, assembles, publishes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.clock import Clock
from callboard.loop import Loop, pause_until
from callboard.metrics import Metrics, Stage
from callboard.stitching.assembly import assemble
from callboard.store import entities, publication, relations, stitch_queue
from callboard.store.database import Database, Transaction
from callboard.store.publication import FinalEntity
from callboard.store.stitch_queue import Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchingOptions:
    """How a stitcher works."""

    batch: int = 150
    """Entities that are published in one transaction. Their rows of the queue are locked meanwhile, and every engine
    that settles related entities waits for them: with two engines 150 make a fifth more entities a second than 500
    (`python -m benchmarks scale`), and with one they are no slower."""
    lease: dt.timedelta = dt.timedelta(seconds=15)


@dataclass(slots=True)
class Tally:
    """What the stitcher has done since it started."""

    changed: int = 0
    unchanged: int = 0
    abandoned: int = 0


@dataclass(slots=True)
class Stitcher:
    """Stitches what is marked until it is stopped."""

    database: Database
    clock: Clock
    options: StitchingOptions = field(default_factory=StitchingOptions)
    tally: Tally = field(default_factory=Tally)
    metrics: Metrics = field(default_factory=Metrics)
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name="stitching", step=self.stitch, clock=self.clock)

    async def stitch(self) -> float:
        """Stitch one batch of tickets."""
        tickets, pause = await self.database.run(self._claim)
        if not tickets:
            return pause
        self.metrics.stitching_delay.observe_all(ticket.waited for ticket in tickets)
        began = self.clock.monotonic()
        with self.metrics.stage(Stage.STITCH, len(tickets)):
            await self._work(tickets)
        self.metrics.stitching.observe(self.clock.monotonic() - began)
        return 0

    async def _work(self, tickets: Sequence[Ticket]) -> None:
        # In a snapshot: a result that is stored between the two queries would be read by halves, and published.
        async with self.database.transaction(snapshot=True) as tx:
            refs = [ticket.ref for ticket in tickets]
            parts = await entities.to_stitch(tx, refs)
            outgoing = await relations.of_sources(tx, refs)
        assembled = [assemble(part, outgoing.get(part.ref, ())) for part in parts]
        changed = [entity for entity in assembled if entity is not None]
        await self.database.run(lambda tx: self._publish(tx, tickets, changed))
        self.tally.changed += len(changed)
        self.tally.unchanged += len(parts) - len(changed)
        self.tally.abandoned += len(tickets) - len(parts)

    async def _claim(self, tx: Transaction) -> tuple[list[Ticket], float]:
        tickets = await stitch_queue.claim(tx, batch=self.options.batch, lease=self.options.lease)
        return tickets, 0 if tickets else pause_until(await stitch_queue.next_due(tx), tx.now)

    async def _publish(self, tx: Transaction, tickets: Sequence[Ticket], changed: Sequence[FinalEntity]) -> None:
        held = await stitch_queue.lock_holding(tx, tickets)
        await stitch_queue.settle(tx, tickets)
        held_still = [entity for entity in changed if entity.ref in held]
        if held_still:
            with self.metrics.stage(Stage.PUBLISH, len(held_still)):
                await publication.publish(tx, held_still)

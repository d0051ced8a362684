"""Handing over: of several sources that claim an entity, somebody says which one is to have it.

It stays so: among location keys the one that holds an entity goes first.
"""

import structlog

from callboard.errors import Conflict, NotFound
from callboard.model.causes import Because, Reason
from callboard.model.refs import EntityRef
from callboard.store import claims, entities, schedule, stitch_queue
from callboard.store.claims import ClaimKey
from callboard.store.database import Database, Transaction

_log = structlog.get_logger(__name__)


async def hand_over(database: Database, ref: EntityRef, location_key: str, *, by: str | None = None) -> ClaimKey:
    """Let the claim under *location_key* win the entity, as asked *by* somebody. Returns the claim that has it now.

    Raises NotFound when nobody claims it so, and Conflict for no key at all, which yields to every key.
    """
    if not location_key:
        raise Conflict(f"A claim of {ref} without a location key yields to those that have one")
    reason = Reason(Because.CONFLICT, by)

    async def work(tx: Transaction) -> ClaimKey:
        found = await claims.lock_targets(tx, [str(ref)])
        if not found or not await claims.hold(tx, str(ref), location_key):
            raise NotFound(f"Nobody claims {ref} under the location key {location_key}")
        decision = await claims.decide(tx, [str(ref)])
        uprooted = await claims.uprooted(tx, [str(ref)])
        await entities.forget_results(tx, uprooted)
        asked = sorted({*decision.to_process, *uprooted})
        await schedule.request(tx, asked, schedule.Priority.ASKED, reason=reason)
        await stitch_queue.mark(tx, decision.to_stitch, reasons=decision.reasons(reason))
        holders = (await claims.holders(tx, [str(ref)]))[str(ref)]
        return next(holder for holder in holders if holder.location_key == location_key)

    winner = await database.run(work)
    _log.info("ingestion.handed_over", ref=str(ref), location_key=location_key, by=by)
    return winner

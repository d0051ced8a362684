"""Settling: a batch of results is stored in one transaction.

Locks: entities in the order of their refs, then the schedule, then the stitch queue, the stream's counter row last.
"""

import datetime as dt
from collections.abc import Callable, Sequence

from callboard.model import json
from callboard.processing.results import Bad, Good, Result
from callboard.store import claims, entities, publication, refresh_keys, relations, removal, schedule, stitch_queue
from callboard.store.claims import ClaimKey
from callboard.store.database import Transaction
from callboard.store.schedule import Settled

NextDue = Callable[[Result, dt.datetime], Settled]
"""Says when the entity of a result is due again."""


async def settle(
    tx: Transaction,
    results: Sequence[Result],
    *,
    next_due: NextDue,
    fingerprint: str,
    delete_orphans: bool,
    backlog: bool,
) -> int:
    """Store *results* and return how many counted: work whose lease was lost, or whose entity went, is dropped.

    With a *backlog* the neighbours wait longer for being stitched.
    """
    held = await schedule.holding(tx, [(result.due.ref, result.due.lease) for result in results])
    results = [result for result in results if result.due.ref in held]
    good = [result for result in results if isinstance(result, Good) and result.changed]
    bad = [result for result in results if isinstance(result, Bad) and result.changed]
    offered, severed = await _children(tx, good)
    await claims.lock_targets(tx, [*held, *(key.ref for key in severed)], create=[claim.ref for claim in offered])
    if await schedule.holding(tx, [(r.due.ref, r.due.lease) for r in results], lock=True) != held:
        raise LeaseLost

    await claims.withdraw(tx, severed)
    await claims.offer(tx, offered)
    touched = sorted({claim.ref for claim in offered} | {key.ref for key in severed})
    decision = await claims.decide(tx, touched)
    gone = await _remove_unreachable(tx, [key.ref for key in severed]) if delete_orphans else []
    neighbours = await _save(tx, good, bad, fingerprint)
    await entities.save_states(tx, [(r.due.ref, r.state) for r in results if isinstance(r, Good) and r.only_remembers])
    await schedule.settle(tx, [next_due(result, tx.now) for result in results])
    await schedule.request(tx, [ref for ref in decision.to_process if ref not in gone])
    changed = {*(result.due.ref for result in good), *(result.due.ref for result in bad)}
    await stitch_queue.mark(
        tx,
        [ref for ref in changed.union(decision.to_stitch) if ref not in gone],
        neighbours=[ref for ref in neighbours if ref not in changed],
        delay=stitch_queue.LATER if backlog else stitch_queue.SOON,
    )
    await publication.retract(tx, gone, cause=json.encode({"reason": "orphaned"}).decode())
    return len(results)


class LeaseLost(Exception):
    """Between two looks somebody else took over a part of the batch."""


async def _children(tx: Transaction, good: Sequence[Good]) -> tuple[list[claims.Claim], list[ClaimKey]]:
    emitted = [child for result in good for child in result.children]
    standing = [item for result in good for item in result.standing]
    offered = await claims.differing(tx, emitted) if emitted else []
    # Only what has emitted before can have lost a child.
    parents = [claims.of_entity(result.due.ref) for result in good if result.due.state is not None]
    severed = await claims.severed(tx, parents, emitted, standing) if parents else []
    return offered, severed


async def _remove_unreachable(tx: Transaction, refs: Sequence[str]) -> list[str]:
    gone = await removal.remove(tx, await removal.unreachable(tx, refs))
    more = await claims.decide(tx, gone.offered_by_others)
    await schedule.request(tx, more.to_process)
    await stitch_queue.mark(tx, more.to_stitch)
    return gone.refs


async def _save(tx: Transaction, good: Sequence[Good], bad: Sequence[Bad], fingerprint: str) -> list[str]:
    """Store processed content, errors, relations and refresh keys; returns whose relations changed."""
    await entities.save_processed(
        tx,
        [
            entities.Processed(ref=r.due.ref, processed=r.processed, result_hash=r.result_hash, state=r.state)
            for r in good
        ],
        processors=fingerprint,
    )
    await entities.save_failed(
        tx,
        [entities.Failed(ref=r.due.ref, errors=r.errors, result_hash=r.result_hash) for r in bad],
        processors=fingerprint,
    )
    if not good:
        return []
    refs = [result.due.ref for result in good]
    await refresh_keys.replace(tx, refs, [key for result in good for key in result.refresh_keys])
    return await relations.replace(tx, refs, [relation for result in good for relation in result.relations])

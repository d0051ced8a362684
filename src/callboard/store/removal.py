"""Removal: everything that nothing keeps alive any more goes in one transaction.

What keeps an entity alive is a chain of claims that begins at a provider. The relations between entities have no part
in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import claims, entities, queries, refresh_keys, relations, schedule, stitch_queue
from callboard.store.database import Transaction

_SQL = queries.load("removal")


@dataclass(frozen=True, slots=True)
class Removed:
    """What went. The caller retracts *refs* at the end of its transaction."""

    refs: list[str]
    offered_by_others: list[str]
    """Entities that a removed parent claimed and that stay: another claim may have won."""


async def unreachable(tx: Transaction, refs: Sequence[str]) -> list[str]:
    """Those of *refs* and of all below them that no provider reaches any more; locked."""
    found = await tx.refs(_SQL["unreachable"], refs=list(refs)) if refs else []
    if not found:
        return []
    await claims.lock_targets(tx, found)
    # Somebody may have claimed one of them before the lock was ours.
    return sorted(set(found) & set(await tx.refs(_SQL["unreachable"], refs=list(refs))))


async def remove(tx: Transaction, refs: Sequence[str]) -> Removed:
    """Delete everything about *refs*, which must be locked, but for what readers see."""
    if not refs:
        return Removed([], [])
    rows = await tx.rows(_SQL["claims_by_removed"], sources=[claims.of_entity(ref) for ref in refs], refs=list(refs))
    keys = [claims.ClaimKey(*row) for row in rows]
    others = sorted({key.ref for key in keys})
    await claims.lock_targets(tx, others)
    await claims.withdraw(tx, keys)
    await tx.run(_SQL["claims_of_removed"], refs=list(refs))
    await tx.run(entities.REMOVE, refs=list(refs))
    await tx.run(schedule.REMOVE, refs=list(refs))
    neighbours = await relations.remove(tx, refs)
    await tx.run(refresh_keys.REMOVE, refs=list(refs))
    await tx.run(stitch_queue.REMOVE, refs=list(refs))
    await stitch_queue.mark(tx, [], neighbours=sorted(neighbours))
    return Removed(list(refs), others)

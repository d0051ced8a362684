"""Deleting: a user removes one entity, whatever its sources say."""

from collections.abc import Awaitable, Callable

from callboard.model import json
from callboard.store import claims, entities, publication, removal, schedule, stitch_queue
from callboard.store.database import Database, Overtaken, Transaction
from callboard.store.schedule import Because

Find = Callable[[Transaction, str], Awaitable[str | None]]
"""The ref of the entity with a uid, if it is one that may be meant."""


async def delete(database: Database, uid: str, *, find: Find = entities.find_by_uid) -> int | None:
    """Remove the entity with this uid; what hangs below it stays, as orphans if nothing else claims it.

    A parent that still emits the entity is processed again, and brings it back under a new uid; a provider does so with
    its next mutation. Returns the offset of the removal, None when nothing visible went.
    """

    async def work(tx: Transaction) -> int | None:
        ref = await find(tx, uid)
        if ref is None:
            return None
        parents, children = await claims.parents(tx, ref), await claims.children(tx, ref)
        locked = await claims.lock_targets(tx, [ref, *parents, *children])
        if await find(tx, uid) is None:
            return None
        parents = await claims.parents(tx, ref)
        if not locked.issuperset([*parents, *await claims.children(tx, ref)]):
            # It was claimed, or has emitted more, before the locks were there.
            raise Overtaken("the surroundings of an entity to be deleted have grown")
        removed = await removal.remove(tx, [ref])
        decision = await claims.decide(tx, removed.offered_by_others)
        await entities.forget_results(tx, parents)
        await schedule.request(
            tx, list({*parents, *decision.to_process}), schedule.Priority.ASKED, because=Because.REMOVED
        )
        await stitch_queue.mark(tx, decision.to_stitch, neighbours=list(removed.neighbours))
        return await publication.retract(tx, [ref], cause=json.encode({"reason": "deleted"}).decode())

    return await database.run(work)

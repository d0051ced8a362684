"""Deleting: a user removes one entity, whatever its sources say."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from callboard.errors import NotFound
from callboard.ingestion import removals
from callboard.ingestion.removals import Removal
from callboard.model.causes import Because, Reason
from callboard.store import claims, entities, publication, removal, schedule, stitch_queue
from callboard.store.database import Database, Overtaken, Transaction

Find = Callable[[Transaction, str], Awaitable[str | None]]
"""The ref of the entity with a uid, if it is one that may be meant."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion has led to."""

    offset: int | None = None
    """Where in the stream it is; None when nothing visible went."""
    offered_by: Sequence[str] = ()
    """The sources that have the entity still, and bring it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doomed:
    """An entity that is about to go, locked with its neighbours in the graph of claims."""

    ref: str
    sources: Sequence[str]
    parents: Sequence[str]
    children: Sequence[str]


async def delete(
    database: Database,
    uid: str,
    *,
    find: Find = entities.find_by_uid,
    delete_orphans: bool = False,
    by: str | None = None,
) -> Deleted:
    """Remove the entity with this uid, as asked *by* somebody.

    What hangs below it stays, as orphans if nothing else claims it; with *delete_orphans* these go as well, as they do
    when a parent emits them no more. A parent that still emits the entity is processed again, and brings it back under
    a new uid; a provider does so with its next mutation.
    """

    async def work(tx: Transaction) -> Deleted:
        doomed = await _lock(tx, uid, find, delete_orphans=delete_orphans)
        if doomed is None:
            return Deleted()
        orphans = await _remove(tx, doomed, delete_orphans=delete_orphans, by=by)
        offset = await publication.retract(tx, {doomed.ref: Reason(Because.DELETED, by)})
        below = Reason(Because.ORPHANED, by, source=claims.of_entity(doomed.ref))
        offset = await publication.retract(tx, dict.fromkeys(orphans, below)) or offset
        gone = {claims.of_entity(ref) for ref in orphans}
        return Deleted(offset, [source for source in doomed.sources if source not in gone])

    return await database.run(work)


async def preview(database: Database, uid: str, *, delete_orphans: bool) -> Removal:
    """What `delete` would do. Raises NotFound."""

    async with database.transaction(snapshot=True) as tx:
        ref = await entities.find_by_uid(tx, uid)
        if ref is None:
            raise NotFound(f"No entity with uid {uid}")
        tree = await removal.tree(tx, [ref])
    return removals.of_deletion(tree, ref, delete_orphans=delete_orphans)


async def _lock(tx: Transaction, uid: str, find: Find, *, delete_orphans: bool) -> _Doomed | None:
    ref = await find(tx, uid)
    if ref is None:
        return None
    around = [ref, *await claims.parents(tx, ref), *await claims.children(tx, ref)]
    locked = await removal.lock_trees(tx, [ref] if delete_orphans else [], others=around)
    if await find(tx, uid) is None:
        return None
    parents, children = await claims.parents(tx, ref), await claims.children(tx, ref)
    if not locked.issuperset([*parents, *children]):
        # It was claimed, or has emitted more, before the locks were there.
        raise Overtaken("the surroundings of an entity to be deleted have grown")
    held = (await claims.holders(tx, [ref])).get(ref, [])
    sources = list(dict.fromkeys(claim.source for claim in held))
    return _Doomed(ref=ref, sources=sources, parents=parents, children=children)


async def _remove(tx: Transaction, doomed: _Doomed, *, delete_orphans: bool, by: str | None = None) -> list[str]:
    """Delete the entity, but for what readers see; returns what else went."""
    removed = await removal.remove(tx, [doomed.ref])
    orphans = await removal.unreachable(tx, doomed.children) if delete_orphans else []
    with_it = await removal.remove(tx, orphans)
    offered = {*removed.offered_by_others, *with_it.offered_by_others}.difference(orphans)
    decision = await claims.decide(tx, sorted(offered))
    parents = [parent for parent in doomed.parents if parent not in orphans]
    parents += await claims.uprooted(tx, sorted(offered))
    await entities.forget_results(tx, parents)
    due = list({*parents, *decision.to_process})
    reason = Reason(Because.REMOVED, by)
    await schedule.request(tx, due, schedule.Priority.ASKED, reason=reason)
    neighbours = {**removed.neighbours, **with_it.neighbours}
    await stitch_queue.mark(tx, decision.to_stitch, reasons=decision.reasons(reason), neighbours=neighbours)
    return orphans

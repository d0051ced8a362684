"""Refreshing: a user asks for an entity to be read again now."""

from callboard.errors import NotFound
from callboard.model.causes import Because, Reason
from callboard.model.refs import EntityRef
from callboard.store import claims, entities, schedule
from callboard.store.database import Database, Transaction


async def refresh(database: Database, ref: EntityRef, *, by: str | None = None) -> list[str]:
    """Make the entity and all Locations above it due, before everything else, as asked *by* somebody.

    Returns their refs; raises NotFound.
    """

    async def work(tx: Transaction) -> list[str]:
        refs = await claims.lock_targets(tx, await entities.with_location_ancestors(tx, str(ref)))
        if str(ref) not in refs:
            raise NotFound(f"Entity {ref} not found")
        await schedule.request(tx, sorted(refs), schedule.Priority.ASKED, reason=Reason(Because.REFRESH, by))
        return sorted(refs)

    return await database.run(work)

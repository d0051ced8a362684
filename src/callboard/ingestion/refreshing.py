"""Refreshing: a user asks for an entity to be read again now."""

from callboard.errors import NotFound
from callboard.model.refs import EntityRef
from callboard.store import entities, schedule
from callboard.store.database import Database, Transaction


async def refresh(database: Database, ref: EntityRef) -> list[str]:
    """Make the entity and all Locations above it due, before everything else. Returns their refs; raises NotFound."""

    async def work(tx: Transaction) -> list[str]:
        refs = await entities.with_location_ancestors(tx, str(ref))
        if not refs:
            raise NotFound(f"Entity {ref} not found")
        await schedule.request(tx, refs, schedule.Priority.ASKED)
        return refs

    return await database.run(work)

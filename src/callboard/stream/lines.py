"""The line of the database's life that the stream is on: a process that connects looks whether it is another one."""

from callboard.store import epochs
from callboard.store.database import Database
from callboard.store.epochs import Because, Epoch


async def check(database: Database) -> None:
    """Begin another epoch if the database was restored elsewhere, or is a standby that was promoted.

    Whoever publishes looks as well. This lets readers know before the next change.
    """
    async with database.transaction(snapshot=True) as tx:
        elsewhere = await epochs.elsewhere(tx)
    if elsewhere:
        await database.run(epochs.hold_counter)


async def begin(database: Database) -> Epoch:
    """Begin another epoch because somebody knows that changes are gone, and nobody can see it."""
    return await database.run(lambda tx: epochs.begin(tx, Because.ASKED))


async def current(database: Database) -> Epoch:
    """The present epoch."""
    async with database.transaction() as tx:
        return await epochs.current(tx)

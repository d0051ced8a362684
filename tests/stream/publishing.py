"""Entities that appear, change and go without any engine."""

from typing import TYPE_CHECKING

from callboard.model import json
from callboard.model.causes import Reason
from callboard.store import claims, publication, removal, retention
from callboard.store.database import Database
from callboard.store.publication import FinalEntity

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]


def ref_of(name: str) -> str:
    """The ref of a component."""
    return f"component:default/{name}"


async def publish(database: Database, name: str, **spec: str) -> None:
    """Let a component be visible with this spec."""
    body = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": name, "etag": name + str(spec)}, "spec": spec}
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[ref_of(name)])
        uid = await tx.connection.fetchval("select uid::text from entities where ref = $1", ref_of(name))
        await publication.publish(
            tx,
            [
                FinalEntity(
                    ref=ref_of(name),
                    uid=uid,
                    body=json.encode(body).decode(),
                    hash=b"",
                    cause='{"source":"provider:p"}',
                )
            ],
        )


async def retract(database: Database, name: str) -> None:
    """Let a component be gone."""
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [ref_of(name)])
        await publication.retract(tx, dict.fromkeys((await removal.remove(tx, [ref_of(name)])).refs, Reason("deleted")))


async def forget(database: Database, until: int) -> None:
    """Raise the history floor to an offset, as far as it is not there yet."""
    await database.run(lambda tx: retention.forget_versions(tx, until))


async def bury(database: Database, until: int) -> None:
    """Raise the tombstone floor to an offset, and drop the tombstones up to there."""
    await database.run(lambda tx: retention.raise_tombstone_floor(tx, until))
    await database.run(lambda tx: retention.drop_tombstones(tx, limit=10_000))


async def drop_partitions(connection: "Connection") -> None:
    """Have no partitions, as at the very beginning."""
    for row in await connection.fetch("select starts_at from history_partitions"):
        await connection.execute(f"drop table history_{row['starts_at']}")
    await connection.execute("delete from history_partitions; update stream set history_until = 1")


async def make_partitions(database: Database, *, size: int, upto: int) -> None:
    """Have small partitions, in place of the usual ones."""
    async with database.transaction() as tx:
        await drop_partitions(tx.connection)
        await publication.extend_history(tx, upto, size=size)

"""Entities that appear, change and go without any engine."""

from callboard.model import json
from callboard.model.causes import Reason
from callboard.store import claims, publication, removal
from callboard.store.database import Database
from callboard.store.publication import FinalEntity

_FORGET = 'delete from history h where h."offset" <= $1'
_FORGET_BUT_THE_LAST = (
    f'{_FORGET} and exists (select from history n where n.ref = h.ref and n."offset" > h."offset" and n."offset" <= $1)'
)


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


async def forget(database: Database, until: int, *, but_the_last: bool = False) -> None:
    """Raise the history floor to an offset; what was current there may stay."""
    async with database.transaction() as tx:
        await tx.connection.execute("update stream set history_floor = greatest(history_floor, $1::bigint)", until)
        await tx.connection.execute(_FORGET_BUT_THE_LAST if but_the_last else _FORGET, until)

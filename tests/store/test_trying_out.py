"""Work that is tried out leaves nothing behind."""

from callboard.store import claims
from callboard.store.database import Database, Overtaken, Transaction


async def test_what_was_tried_out_has_a_result_and_no_effect(database: Database) -> None:
    async def work(tx: Transaction) -> set[str]:
        return await claims.lock_targets(tx, [], create=["component:default/a"])

    created = await database.try_out(work)

    async with database.transaction() as tx:
        left = await claims.lock_targets(tx, ["component:default/a"])
    assert (created, left) == ({"component:default/a"}, set())


async def test_what_is_tried_out_is_begun_again_like_all_work(database: Database) -> None:
    attempts = []

    async def work(tx: Transaction) -> int:
        attempts.append(tx.now)
        if len(attempts) < 3:
            raise Overtaken("not yet")
        return len(attempts)

    assert await database.try_out(work) == 3

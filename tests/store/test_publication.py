"""Every visible change gets one offset; there are no holes, and nothing that is gone comes back."""

import asyncio
import uuid
from collections.abc import Mapping

import pytest

from callboard.model.causes import Reason
from callboard.model.changes import Change, ChangeType
from callboard.store import changes, claims, publication, removal
from callboard.store.database import Database, Transaction
from callboard.store.publication import FinalEntity
from tests.audit import audit
from tests.stream.publishing import make_partitions
from tests.waiting import until_blocked

A, B, C = (f"component:default/{name}" for name in "abc")

Uids = Mapping[str, str]


async def create(database: Database, *refs: str) -> Uids:
    """Make entities; returns their uids."""
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=refs)
        rows = await tx.connection.fetch("select ref, uid::text as uid from entities where ref = any($1)", list(refs))
    return {row["ref"]: row["uid"] for row in rows}


def final(uids: Uids, ref: str, body: str = "{}", *, uid: str | None = None) -> FinalEntity:
    return FinalEntity(ref=ref, uid=uid or uids[ref], body=body, hash=body.encode(), cause=None)


async def publish(database: Database, *entities: FinalEntity) -> int | None:
    async with database.transaction() as tx:
        return await publication.publish(tx, entities)


async def remove(tx: Transaction, *refs: str) -> int | None:
    await claims.lock_targets(tx, refs)
    gone = await removal.remove(tx, refs)
    return await publication.retract(tx, dict.fromkeys(gone.refs, Reason(source="test")))


async def history(database: Database) -> list[Change]:
    async with database.transaction() as tx:
        return await changes.history(tx, 0, limit=100)


async def test_each_entity_gets_the_next_offset_in_the_order_given(database: Database) -> None:
    uids = await create(database, A, B, C)

    head = await publish(database, final(uids, B), final(uids, A))
    await publish(database, final(uids, C))

    assert head == 2
    assert [(change.offset, change.ref) for change in await history(database)] == [(1, B), (2, A), (3, C)]


async def test_an_entity_is_added_updated_removed_and_added_again(database: Database) -> None:
    uids = await create(database, A)
    await publish(database, final(uids, A, "1"))
    await publish(database, final(uids, A, "2"))
    async with database.transaction() as tx:
        await remove(tx, A)
    uids = await create(database, A)
    await publish(database, final(uids, A, "3"))

    told = await history(database)

    assert [(change.type, change.body) for change in told] == [
        (ChangeType.ADDED, b"1"),
        (ChangeType.UPDATED, b"2"),
        (ChangeType.REMOVED, None),
        (ChangeType.ADDED, b"3"),
    ]
    await audit(database.url)


async def test_an_entity_remembers_since_when_it_is_visible_this_time(database: Database) -> None:
    uids = await create(database, A)
    await publish(database, final(uids, A, "1"))
    await publish(database, final(uids, A, "2"))
    first = await first_offset(database)
    async with database.transaction() as tx:
        await remove(tx, A)
    uids = await create(database, A)
    await publish(database, final(uids, A, "3"))

    assert (first, await first_offset(database)) == (1, 4)


async def first_offset(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.connection.fetchval("select first_offset from final_entities where ref = $1", A))


async def test_a_removal_keeps_the_uid_of_what_was_there(database: Database) -> None:
    uids = await create(database, A)
    await publish(database, final(uids, A))

    async with database.transaction() as tx:
        offset = await remove(tx, A)

    assert (offset, (await history(database))[-1].uid) == (2, uids[A])


async def test_what_was_never_visible_is_removed_without_an_offset(database: Database) -> None:
    await create(database, A)

    async with database.transaction() as tx:
        offset = await remove(tx, A)

    assert (offset, await history(database)) == (None, [])


async def test_removed_entities_get_their_offsets_in_the_order_of_their_refs(database: Database) -> None:
    uids = await create(database, A, B, C)
    await publish(database, *(final(uids, ref) for ref in (C, B, A)))

    async with database.transaction() as tx:
        await remove(tx, B, C, A)

    assert [change.ref for change in await history(database)][3:] == [A, B, C]


async def test_publishing_nothing_takes_no_offset(database: Database) -> None:
    assert await publish(database) is None
    assert (await changes.now(database)).head == 0


async def test_an_entity_that_is_gone_is_left_out_and_takes_no_offset(database: Database) -> None:
    uids = await create(database, A, B)
    async with database.transaction() as tx:
        await remove(tx, A)

    head = await publish(database, final(uids, A), final(uids, B))

    assert head == 1
    assert [(change.offset, change.ref) for change in await history(database)] == [(1, B)]


async def test_an_entity_that_was_replaced_meanwhile_is_not_published_under_its_old_uid(database: Database) -> None:
    uids = await create(database, A)

    head = await publish(database, final(uids, A, uid=str(uuid.uuid4())))

    assert (head, await history(database)) == (None, [])


async def test_a_transaction_that_fails_gives_its_offsets_back(database: Database) -> None:
    uids = await create(database, A, B)

    async def work(tx: Transaction) -> None:
        await publication.publish(tx, [final(uids, A)])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.run(work)

    await publish(database, final(uids, B))

    assert [(change.offset, change.ref) for change in await history(database)] == [(1, B)]


async def test_offsets_become_visible_in_their_order(database: Database) -> None:
    uids = await create(database, A, B)
    async with database.transaction() as first:
        await publication.publish(first, [final(uids, A)])
        second = asyncio.create_task(publish(database, final(uids, B)))
        await until_blocked(database)

        assert await history(database) == []
    assert await second == 2


async def test_who_has_waited_finds_the_partition_that_was_made_meanwhile(database: Database) -> None:
    uids = await create(database, A, B)
    await make_partitions(database, size=2, upto=1)
    await publish(database, final(uids, A, "1"))

    async with database.transaction() as tx:
        await publication.publish(tx, [final(uids, A, "2"), final(uids, B, "2")])
        # On a connection of its own, which has published nothing before.
        waiting = asyncio.create_task(publish(database, final(uids, A, "3")))
        await until_blocked(database)

    assert await waiting == 4
    assert [change.offset for change in await history(database)] == [1, 2, 3, 4]


async def test_what_is_published_while_it_is_being_removed_goes_with_the_removal(database: Database) -> None:
    uids = await create(database, A)
    async with database.transaction() as publisher:
        await publication.publish(publisher, [final(uids, A)])
        removing = asyncio.create_task(database.run(lambda tx: remove(tx, A)))
        await until_blocked(database)
    await removing

    assert [change.type for change in await history(database)] == [ChangeType.ADDED, ChangeType.REMOVED]
    await audit(database.url)


async def test_what_was_read_before_a_removal_is_not_published_after_it(database: Database) -> None:
    uids = await create(database, A, B)
    await publish(database, final(uids, A), final(uids, B))
    async with database.transaction() as remover:
        await remove(remover, A)
        publishing = asyncio.create_task(publish(database, final(uids, A, "late")))
        await until_blocked(database)
    await publishing

    assert [change.type for change in await history(database)] == ["added", "added", "removed"]
    await audit(database.url)

"""Requests to stitch: none is lost, none is put off for ever."""

import datetime as dt

from callboard.model.causes import Because, Reason
from callboard.store import backlog, claims, stitch_queue
from callboard.store.database import Database
from callboard.store.stitch_queue import SOON, Ticket
from callboard.testing import FakeClock

A, B = "component:default/a", "component:default/b"
LEASE = dt.timedelta(seconds=10)


async def mark(database: Database, *refs: str, neighbours: tuple[str, ...] = ()) -> None:
    """Make entities, and ask for them to be stitched."""
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[*refs, *neighbours])
        await stitch_queue.mark(tx, refs, neighbours=dict.fromkeys(neighbours, "component:default/other"))


async def claim(database: Database) -> list[Ticket]:
    async with database.transaction() as tx:
        return await stitch_queue.claim(tx, batch=10, lease=LEASE)


async def settle(database: Database, *tickets: Ticket) -> None:
    async with database.transaction() as tx:
        await stitch_queue.settle(tx, tickets)


async def length(database: Database) -> int:
    async with database.transaction() as tx:
        return (await backlog.stitching(tx)).count


async def test_a_settled_request_is_gone(database: Database) -> None:
    await mark(database, A)

    await settle(database, *await claim(database))

    assert await length(database) == 0


async def test_an_old_ticket_cannot_settle_a_newer_request(database: Database, clock: FakeClock) -> None:
    await mark(database, A)
    tickets = await claim(database)

    await mark(database, A)
    await settle(database, *tickets)
    clock.advance(SOON.total_seconds())

    (again,) = await claim(database)
    assert again.ticket > tickets[0].ticket


async def test_who_lost_the_lease_settles_nothing(database: Database, clock: FakeClock) -> None:
    await mark(database, A)
    lost = await claim(database)
    clock.advance(10)
    await claim(database)

    await settle(database, *lost)

    assert await length(database) == 1


async def test_only_what_is_still_held_is_locked(database: Database, clock: FakeClock) -> None:
    await mark(database, A, B)
    (lost,) = [ticket for ticket in await claim(database) if ticket.ref == A]
    clock.advance(10)
    (held,) = [ticket for ticket in await claim(database) if ticket.ref == B]

    async with database.transaction() as tx:
        assert await stitch_queue.lock_holding(tx, [lost, held]) == {B}


async def test_a_neighbour_waits_for_more_of_its_kind(database: Database, clock: FakeClock) -> None:
    await mark(database, neighbours=(A,))
    early = await claim(database)

    clock.advance(SOON.total_seconds())

    assert (early, [ticket.ref for ticket in await claim(database)]) == ([], [A])


async def test_more_of_its_kind_do_not_put_off_a_neighbour(database: Database, clock: FakeClock) -> None:
    await mark(database, neighbours=(A,))
    clock.advance(SOON.total_seconds() / 2)

    await mark(database, neighbours=(A,))
    clock.advance(SOON.total_seconds() / 2)

    assert [ticket.ref for ticket in await claim(database)] == [A]


async def test_who_is_marked_for_itself_does_not_wait(database: Database) -> None:
    await mark(database, A, neighbours=(A,))

    assert [ticket.ref for ticket in await claim(database)] == [A]


async def test_what_does_not_exist_is_not_queued(database: Database) -> None:
    async with database.transaction() as tx:
        await stitch_queue.mark(tx, ["component:default/nobody"])

    assert await length(database) == 0


async def test_what_is_marked_in_an_open_transaction_is_not_claimed_before_it_ends(database: Database) -> None:
    await mark(database, A)

    async with database.transaction() as tx:
        await stitch_queue.mark(tx, [A])
        meanwhile = await claim(database)

    assert (meanwhile, [ticket.ref for ticket in await claim(database)]) == ([], [A])


async def is_fulfilled(database: Database, watermark: int) -> bool:
    async with database.transaction() as tx:
        return await stitch_queue.fulfilled(tx, watermark)


async def test_what_is_marked_again_and_again_does_not_hold_up_those_who_wait_for_an_earlier_mark(
    database: Database,
) -> None:
    await mark(database, A)
    async with database.transaction() as tx:
        watermark = await stitch_queue.watermark(tx)
        (held,) = await stitch_queue.claim(tx, batch=1, lease=LEASE)
    await mark(database, A)
    while_held = await is_fulfilled(database, watermark)

    async with database.transaction() as tx:
        await stitch_queue.settle(tx, [held])
        later = await stitch_queue.watermark(tx)

    assert while_held is False
    assert await is_fulfilled(database, watermark) is True
    assert await is_fulfilled(database, later) is False


async def test_a_mark_that_only_makes_it_more_urgent_leaves_the_first_one_open(database: Database) -> None:
    await mark(database, neighbours=(A,))
    async with database.transaction() as tx:
        watermark = await stitch_queue.watermark(tx)

    await mark(database, A)

    assert await is_fulfilled(database, watermark) is False


async def reason(database: Database) -> str | None:
    """The reason in the one request that there is."""
    async with database.transaction() as tx:
        found: str | None = await tx.connection.fetchval("select because from stitch_queue")
        return found


async def mark_because(database: Database, why: Reason) -> None:
    async with database.transaction() as tx:
        await stitch_queue.mark(tx, [A], reason=why)


async def test_of_several_reasons_the_last_one_is_kept(database: Database) -> None:
    await mark(database, A)

    await mark_because(database, Reason(Because.REFRESH, "external:ci"))

    assert await reason(database) == '{"because":"refresh","by":"external:ci"}'


async def test_a_reason_of_its_own_takes_the_place_of_a_relation(database: Database) -> None:
    await mark(database, neighbours=(A,))

    await mark_because(database, Reason(Because.REFRESH))

    assert await reason(database) == '{"because":"refresh"}'


async def test_a_relation_does_not_take_the_place_of_a_reason_that_nobody_has_begun_with(database: Database) -> None:
    await mark(database, A)
    await mark_because(database, Reason(Because.REFRESH))

    await mark(database, neighbours=(A,))

    assert await reason(database) == '{"because":"refresh"}'


async def test_once_a_stitcher_has_begun_the_next_reason_is_another_one(database: Database) -> None:
    await mark(database, A)
    await claim(database)

    await mark(database, neighbours=(A,))

    assert await reason(database) == '{"because":"relations","neighbour":"component:default/other"}'


async def test_of_many_neighbours_the_first_one_is_kept(database: Database) -> None:
    await mark(database, neighbours=(A,))

    async with database.transaction() as tx:
        await stitch_queue.mark(tx, [], neighbours={A: "component:default/later"})

    assert await reason(database) == '{"because":"relations","neighbour":"component:default/other"}'


async def test_an_entity_that_is_marked_twice_at_once_has_its_own_reason(database: Database) -> None:
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[A])
        await stitch_queue.mark(tx, [A], reasons={A: Reason("mine")}, neighbours={A: "component:default/other"})

    assert await reason(database) == '{"because":"mine"}'

"""Who is due, who works on it, and what becomes of a request that comes meanwhile."""

import asyncio
import datetime as dt
from collections.abc import Sequence

from callboard.model.causes import Because, Reason
from callboard.store import claims, schedule
from callboard.store.claims import Claim
from callboard.store.database import Database, Transaction
from callboard.store.schedule import Due, Outcome, Priority, Settled
from callboard.testing import FakeClock
from tests.waiting import until_blocked

A, B, C = (f"component:default/{name}" for name in "abc")
LEASE = dt.timedelta(seconds=10)


async def request(
    database: Database, *refs: str, priority: Priority = Priority.CHANGED, due_at: dt.datetime | None = None
) -> None:
    """Make entities, and make them due."""
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=refs)
        await claims.offer(
            tx, [Claim(source="one", ref=ref, location_key="", content="{}", content_hash=b"", line=3) for ref in refs]
        )
        await claims.decide(tx, refs)
        await schedule.request(tx, refs, priority, due_at=due_at)


async def claim(database: Database, batch: int = 10) -> list[Due]:
    async with database.transaction() as tx:
        return await schedule.claim(tx, batch=batch, lease=LEASE)


async def settle(database: Database, due: Due, *, due_at: dt.datetime | None = None, attempts: int = 0) -> None:
    work = Settled(
        ref=due.ref,
        ticket=due.ticket,
        due_at=due_at,
        attempts=attempts,
        because=due.because,
        outcome=Outcome.CHANGED,
    )
    async with database.transaction() as tx:
        await schedule.settle(tx, [work])


def refs(found: Sequence[Due]) -> list[str]:
    return [due.ref for due in found]


async def length(tx: Transaction) -> tuple[int, int]:
    """How many entities are due now, and how many ever."""
    query = "select count(*) filter (where due_at <= $1), count(*) from schedule where due_at < 'infinity'"
    row = await tx.connection.fetchrow(query, tx.now)
    assert row is not None
    return row[0], row[1]


async def test_the_most_urgent_come_first(database: Database) -> None:
    await request(database, A, priority=Priority.PERIODIC)
    await request(database, B, priority=Priority.CHANGED)
    await request(database, C, priority=Priority.ASKED)

    order = [refs(await claim(database, batch=1)) for _ in range(3)]

    assert order == [[C], [B], [A]]


async def test_what_is_claimed_comes_with_its_line(database: Database) -> None:
    await request(database, A)

    assert [due.line for due in await claim(database)] == [3]


async def test_what_one_has_claimed_nobody_else_gets(database: Database) -> None:
    await request(database, A, B)

    assert sorted(refs(await claim(database))) == [A, B]
    assert await claim(database) == []


async def test_two_who_claim_at_the_same_time_get_different_entities(database: Database) -> None:
    await request(database, A, B)

    async with database.transaction() as one, database.transaction() as other:
        first = await schedule.claim(one, batch=1, lease=LEASE)
        second = await schedule.claim(other, batch=2, lease=LEASE)

    assert sorted(refs(first) + refs(second)) == [A, B]


async def test_nothing_is_claimed_before_its_time(database: Database, clock: FakeClock) -> None:
    await request(database, A, due_at=clock.now() + dt.timedelta(seconds=5))
    early = await claim(database)

    clock.advance(5)

    assert (refs(early), refs(await claim(database))) == ([], [A])


async def test_when_a_lease_has_run_out_another_takes_over(database: Database, clock: FakeClock) -> None:
    await request(database, A)
    lost = await claim(database)

    clock.advance(10)
    found = await claim(database)

    async with database.transaction() as tx:
        held = await schedule.holding(tx, [(A, lost[0].lease), (A, found[0].lease)])
    assert held == {(A, found[0].lease): found[0].ticket}


async def test_a_lease_that_is_renewed_does_not_run_out(database: Database, clock: FakeClock) -> None:
    await request(database, A)
    found = await claim(database)
    clock.advance(9)

    async with database.transaction() as tx:
        await schedule.extend(tx, [(A, found[0].lease)], LEASE)
    clock.advance(9)

    assert await claim(database) == []


async def test_a_renewal_passes_over_what_somebody_else_is_busy_with(database: Database, clock: FakeClock) -> None:
    await request(database, A, B)
    held = [(due.ref, due.lease) for due in await claim(database)]
    clock.advance(9)

    async with database.transaction() as busy, database.transaction() as tx:
        await schedule.holding(busy, [held[0]], lock=True)
        await schedule.extend(tx, held, LEASE)
    clock.advance(9)

    assert refs(await claim(database)) == [held[0][0]]


async def test_what_is_given_back_is_due_at_once(database: Database) -> None:
    await request(database, A)
    found = await claim(database)

    async with database.transaction() as tx:
        await schedule.release(tx, [(A, found[0].lease)])

    assert refs(await claim(database)) == [A]


async def test_what_is_settled_for_good_is_never_due_again(database: Database, clock: FakeClock) -> None:
    await request(database, A)
    (due,) = await claim(database)

    await settle(database, due)

    async with database.transaction() as tx:
        assert await length(tx) == (0, 0)


async def test_what_is_settled_for_a_while_is_due_again_with_the_least_priority(
    database: Database, clock: FakeClock
) -> None:
    await request(database, A, priority=Priority.ASKED)
    (due,) = await claim(database)

    await settle(database, due, due_at=clock.now() + dt.timedelta(seconds=60), attempts=2)
    clock.advance(60)

    (again,) = await claim(database)
    assert (again.priority, again.attempts) == (Priority.PERIODIC, 2)


async def test_what_a_run_came_to_is_remembered_with_its_reason(database: Database, clock: FakeClock) -> None:
    await request(database, A)
    (due,) = await claim(database)
    async with database.transaction() as tx:
        await schedule.request(tx, [A], Priority.ASKED, reason=Reason(Because.REFRESH))

    await settle(database, due)

    async with database.transaction() as tx:
        row = await tx.connection.fetchrow("select ran_at, ran_because, outcome, because from schedule")
    assert row is not None
    assert tuple(row) == (clock.now(), "changed", "changed", "refresh")


async def test_an_old_ticket_does_not_settle_a_newer_request(database: Database, clock: FakeClock) -> None:
    await request(database, A)
    (due,) = await claim(database)
    await request(database, A, priority=Priority.ASKED)

    await settle(database, due, due_at=clock.now() + dt.timedelta(days=1), attempts=3)

    (again,) = await claim(database)
    assert (again.ticket > due.ticket, again.priority, again.attempts) == (True, Priority.ASKED, 0)


async def test_a_request_for_what_is_being_worked_on_does_not_hand_it_to_a_second_one(database: Database) -> None:
    await request(database, A)
    await claim(database)

    await request(database, A)

    assert await claim(database) == []


async def test_a_later_request_does_not_put_off_an_earlier_one(database: Database, clock: FakeClock) -> None:
    await request(database, A, priority=Priority.ASKED)

    await request(database, A, priority=Priority.PERIODIC, due_at=clock.now() + dt.timedelta(days=1))

    (due,) = await claim(database)
    assert due.priority is Priority.ASKED


async def test_the_next_time_is_that_of_the_first_one_that_nobody_holds(database: Database, clock: FakeClock) -> None:
    await request(database, A)
    await claim(database)
    await request(database, B, due_at=clock.now() + dt.timedelta(seconds=7))

    async with database.transaction() as tx:
        assert await schedule.next_due(tx) == clock.now() + dt.timedelta(seconds=7)


async def test_two_who_ask_for_the_same_entities_in_another_order_do_not_block_each_other(database: Database) -> None:
    await request(database, A, B, C)

    async with database.transaction() as tx:
        await schedule.request(tx, [C, A])
        other = asyncio.create_task(database.run(lambda tx: schedule.request(tx, [B, C, A])))
        await until_blocked(database)
        await schedule.request(tx, [A, C])
    await other

    async with database.transaction() as tx:
        assert await length(tx) == (3, 3)

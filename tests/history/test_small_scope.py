"""Every order in which the steps of a few transactions can come, on real PostgreSQL, with a reader that always looks.

`test_whole_scope.py` has what takes minutes.
"""

import pytest

from tests.history import planted
from tests.history.interleavings import playing, schedules
from tests.history.planted import Product, TransactionIds

pytestmark = pytest.mark.slow

STEPS = ("open", "change", "publish", "commit")
PIECES = ("all_before_the_commit", "commit")


@pytest.mark.parametrize("rolled_back", [frozenset(), frozenset({1})], ids=["committed", "one-rolled-back"])
async def test_two_transactions_are_read_right_in_whatever_order_their_steps_come(
    database_url: str, rolled_back: frozenset[int]
) -> None:
    async with playing(database_url, Product(), planted.lock_and_revise) as play:
        play.rolled_back = rolled_back
        for schedule in schedules(2, len(STEPS)):
            await play.play(schedule, STEPS)

        history = await play.history()
        assert [str(violation) for violation in await play.violations()] == []
    assert len(history.writes) == 2 * 70
    assert history.end.head == sum(len(write.changes) for write in history.writes) / (2 if rolled_back else 1)


async def test_three_transactions_are_read_right_in_whatever_order_they_end(database_url: str) -> None:
    async with playing(database_url, Product(), planted.lock_and_revise, transactions=3) as play:
        for schedule in schedules(3, len(PIECES)):
            await play.play(schedule, PIECES)

        assert [str(violation) for violation in await play.violations()] == []
        assert len((await play.history()).writes) == 3 * 90


async def test_the_same_orders_find_that_transaction_ids_are_no_order(database_url: str) -> None:
    """Of two transactions the older one may change an entity last."""
    async with playing(database_url, TransactionIds(), planted.only_revise) as play:
        for schedule in schedules(2, len(STEPS)):
            await play.play(schedule, STEPS)
            if found := [violation for violation in await play.violations() if violation.invariant == "I3"]:
                break

    assert "component:default/shared" in found[0].evidence

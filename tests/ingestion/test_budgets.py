"""What one process has spent at a code host, the others know."""

import datetime as dt
from collections.abc import Callable

import pytest

from callboard.errors import DatabaseUnavailable
from callboard.extend import Budget
from callboard.ingestion.budgets import SharedBudgets
from callboard.metrics import Metrics
from callboard.store.database import Database
from callboard.testing import FakeClock

TOKEN = "github.com integrations.github[0]"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def process(database: Database, clock: FakeClock) -> Callable[[], SharedBudgets]:
    """Another process with the same database."""
    return lambda: SharedBudgets(database, clock, Metrics())


async def test_a_credential_that_nobody_knows_is_free(process: Callable[[], SharedBudgets]) -> None:
    assert await process().opening(TOKEN) is None


async def test_what_is_used_up_here_is_used_up_everywhere(
    process: Callable[[], SharedBudgets], clock: FakeClock
) -> None:
    one, other = process(), process()
    assert await other.opening(TOKEN) is None
    resets_at = clock.now() + HOUR

    await one.tell(TOKEN, Budget(limit=5000, remaining=0, resets_at=resets_at))
    clock.advance(1.5)

    assert await other.opening(TOKEN) == resets_at
    clock.advance(3600)
    assert await other.opening(TOKEN) is None


async def test_a_host_that_wants_to_be_left_alone_is_left_alone_by_all(
    process: Callable[[], SharedBudgets], clock: FakeClock
) -> None:
    one, other = process(), process()
    until = clock.now() + dt.timedelta(seconds=90)

    await one.tell(TOKEN, Budget(blocked_until=until))

    assert await other.opening(TOKEN) == until
    assert await one.opening(TOKEN) == until


async def test_the_smaller_rest_of_the_same_hour_counts_and_the_next_hour_begins_anew(
    process: Callable[[], SharedBudgets], clock: FakeClock
) -> None:
    one, other, third = process(), process(), process()
    resets_at = clock.now() + HOUR
    await one.tell(TOKEN, Budget(limit=10, remaining=1, resets_at=resets_at))
    await other.tell(TOKEN, Budget(limit=10, remaining=8, resets_at=resets_at))
    for each in (one, other):
        clock.advance(2)
        await each.opening(TOKEN)

    assert await third.opening(TOKEN) is None, "one is left"
    assert await third.opening(TOKEN) == resets_at

    await one.tell(TOKEN, Budget(limit=10, remaining=9, resets_at=resets_at + HOUR))
    clock.advance(3600)
    await one.opening(TOKEN)
    assert await process().opening(TOKEN) is None


async def test_without_the_database_each_process_goes_on_with_what_it_knows(
    process: Callable[[], SharedBudgets], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = process()
    until = clock.now() + dt.timedelta(seconds=90)

    def away(*arguments: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transaction", away)
        assert await one.opening(TOKEN) is None
        await one.tell(TOKEN, Budget(blocked_until=until))
        assert await one.opening(TOKEN) == until
    clock.advance(2)
    await one.opening(TOKEN)

    assert await process().opening(TOKEN) == until


async def test_the_rest_is_a_metric(process: Callable[[], SharedBudgets], clock: FakeClock) -> None:
    one = process()

    await one.tell(TOKEN, Budget(limit=5000, remaining=4321, resets_at=clock.now() + HOUR))

    found = one.metrics.registry.get_sample_value("callboard_source_budget_remaining", {"credential": TOKEN})
    assert found == 4321

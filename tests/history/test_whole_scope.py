"""All places of two reads in every order of two transactions, and every order of three: CALLBOARD_SOAK_SECONDS=60."""

import pytest

from tests.history import planted
from tests.history.interleavings import playing, reading_moments, schedules
from tests.history.planted import Product
from tests.history.test_small_scope import STEPS

pytestmark = pytest.mark.slow


async def test_two_transactions_are_read_right_by_who_looks_twice_at_any_moment(database_url: str) -> None:
    async with playing(database_url, Product(), planted.lock_and_revise) as play:
        for schedule in schedules(2, len(STEPS)):
            for moments in reading_moments(len(schedule), 2):
                await play.play(schedule, STEPS, reading_at=moments)

        assert [str(violation) for violation in await play.violations()] == []


async def test_three_whole_transactions_are_read_right(database_url: str) -> None:
    steps = STEPS[1:]
    async with playing(database_url, Product(), planted.lock_and_revise, transactions=3) as play:
        for schedule in schedules(3, len(steps)):
            await play.play(schedule, ("open_and_change", *steps[1:]))

        assert [str(violation) for violation in await play.violations()] == []

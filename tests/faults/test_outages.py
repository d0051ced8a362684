"""A database that goes away, comes back, and is cut off: what callers of a started server notice of it."""

import pytest

from tests.faults.hurting import PATIENCE, SECONDS, Hurt, surviving

pytestmark = pytest.mark.slow


async def test_while_the_database_is_stopped_reads_go_on_and_say_their_age_and_writes_are_put_off(hurt: Hurt) -> None:
    async with surviving(hurt) as calls:
        await hurt.stop()
        await calls.until_old(SECONDS)
        during = calls.put_off
        await hurt.start()

    assert during


async def test_a_database_that_crashes_and_restarts_is_found_again_by_everybody(hurt: Hurt) -> None:
    async with surviving(hurt):
        await hurt.crash()
        await hurt.start()


async def test_connections_that_are_cut_in_mid_statement_lose_nothing(hurt: Hurt) -> None:
    async with surviving(hurt) as calls:
        cut = 0
        for _ in range(10):
            cut += hurt.proxy.cut()
            await calls.until_acknowledged(3)

    assert cut >= 20


async def test_connections_that_stall_keep_nobody_waiting_for_long(hurt: Hurt) -> None:
    async with surviving(hurt) as calls:
        hurt.proxy.stall()
        await calls.until_old(SECONDS)
        await calls.until(lambda: bool(calls.put_off), "a write to be put off")
        hurt.proxy.go_on()

    assert max(answer.seconds for answer in calls.put_off) < 4 * PATIENCE

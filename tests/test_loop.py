"""The one background loop."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from callboard.errors import DatabaseUnavailable
from callboard.loop import Loop
from callboard.testing import FakeClock


class Steps:
    """Counts how often it is called, and waits as it is told."""

    def __init__(self, *pauses: float | Exception) -> None:
        self.taken = 0
        self._pauses = [*pauses]

    async def __call__(self) -> float:
        self.taken += 1
        pause = self._pauses.pop(0) if self._pauses else 1000.0
        if isinstance(pause, Exception):
            raise pause
        return pause


async def running(clock: FakeClock, step: Callable[[], Awaitable[float]]) -> tuple[Loop, asyncio.Task[None]]:
    loop = Loop(name="test", step=step, clock=clock)
    task = asyncio.create_task(loop.run())
    await idle()
    return loop, task


async def idle() -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(20):
        await asyncio.wait({asyncio.create_task(_nothing())})


async def _nothing() -> None:
    pass


async def stop(loop: Loop, task: "asyncio.Task[None]") -> None:
    loop.stop()
    await task


async def test_a_step_that_has_more_to_do_is_followed_by_the_next(clock: FakeClock) -> None:
    steps = Steps(0, 0, 5)

    loop, task = await running(clock, steps)

    assert steps.taken == 3
    await stop(loop, task)


async def test_a_pause_lasts_as_long_as_the_step_says(clock: FakeClock) -> None:
    steps = Steps(5)
    loop, task = await running(clock, steps)

    clock.advance(4.9)
    await idle()
    early = steps.taken
    clock.advance(0.2)
    await idle()

    assert (early, steps.taken) == (1, 2)
    await stop(loop, task)


async def test_a_wake_up_ends_the_pause(clock: FakeClock) -> None:
    steps = Steps(1000)
    loop, task = await running(clock, steps)

    loop.wake()
    await idle()

    assert steps.taken == 2
    await stop(loop, task)


async def test_a_wake_up_during_a_step_is_not_lost(clock: FakeClock) -> None:
    taken: list[int] = []

    async def step() -> float:
        taken.append(1)
        if len(taken) == 1:
            loop.wake()
        return 1000

    loop = Loop(name="test", step=step, clock=clock)
    task = asyncio.create_task(loop.run())
    await idle()

    assert len(taken) == 2
    await stop(loop, task)


@pytest.mark.parametrize("rounds", range(8))
async def test_who_is_cancelled_while_it_is_woken_ends(clock: FakeClock, rounds: int) -> None:
    loop, task = await running(clock, Steps(1000))

    loop.wake()
    for _ in range(rounds):
        await clock.sleep(0)
    task.cancel()
    await idle()

    assert task.cancelled()


async def test_a_step_that_fails_is_told_to_the_log_and_tried_again_later_and_later(clock: FakeClock) -> None:
    steps = Steps(KeyError("one"), KeyError("two"), 1000)
    with structlog.testing.capture_logs() as logs:
        loop, task = await running(clock, steps)
        for _ in range(3):
            clock.advance(0.2)
            await idle()

    assert steps.taken == 3
    assert [(entry["event"], entry["failures"], entry["pause"]) for entry in logs] == [
        ("loop.failed", 1, 0.2),
        ("loop.failed", 2, 0.4),
    ]
    await stop(loop, task)


async def test_a_database_that_is_away_is_waited_for_with_two_lines_in_the_log_and_no_long_pause(
    clock: FakeClock,
) -> None:
    steps = Steps(*(DatabaseUnavailable("it is away") for _ in range(40)))
    with structlog.testing.capture_logs() as logs:
        loop, task = await running(clock, steps)
        while steps.taken <= 40:
            clock.advance(2)
            await idle()

    assert [(entry["event"], entry["log_level"], entry.get("reason")) for entry in logs] == [
        ("loop.waits", "warning", "it is away"),
        ("loop.goes_on", "info", None),
    ]
    assert logs[1]["seconds"] == 80
    await stop(loop, task)


async def test_the_pause_after_a_failure_has_an_end(clock: FakeClock) -> None:
    failing = Steps(*(KeyError("again") for _ in range(40)))
    with structlog.testing.capture_logs() as logs:
        loop, task = await running(clock, failing)
        for _ in range(15):
            clock.advance(30)
            await idle()

    assert logs[-1]["pause"] == 30
    await stop(loop, task)


async def test_after_a_success_failures_count_anew(clock: FakeClock) -> None:
    steps = Steps(KeyError("one"), 0, KeyError("two"))
    with structlog.testing.capture_logs() as logs:
        loop, task = await running(clock, steps)
        clock.advance(0.2)
        await idle()

    assert [entry["failures"] for entry in logs] == [1, 1]
    await stop(loop, task)


async def test_a_loop_that_is_stopped_finishes_its_step(clock: FakeClock) -> None:
    finished = []

    async def step() -> float:
        await clock.sleep(5)
        finished.append(True)
        return 0

    loop, task = await running(clock, step)
    loop.stop()
    clock.advance(5)
    await task

    assert finished == [True]

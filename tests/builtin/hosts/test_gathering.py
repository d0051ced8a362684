"""Many questions at the same time become few requests."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from callboard.builtin.hosts.gathering import Gathering
from callboard.clock import SystemClock
from callboard.errors import CallboardError, LocationNotFound, Unreadable
from callboard.testing import FakeClock


class Host:
    """Doubles numbers; 13 is not there."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def ask(self, numbers: Sequence[int]) -> Mapping[int, int | CallboardError]:
        self.asked.append(list(numbers))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return {number: LocationNotFound("unlucky") if number == 13 else number * 2 for number in numbers}


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await SystemClock().sleep(0)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_what_is_asked_at_the_same_time_is_one_request(host: Host, clock: FakeClock) -> None:
    gathering = Gathering(host.ask, most=3, at_once=1, clock=clock)

    answers = await asyncio.gather(*(gathering.of(number) for number in (1, 2, 1, 3, 4)))

    assert (answers, host.asked) == ([2, 4, 2, 6, 8], [[1, 2, 3], [4]])


async def test_who_asks_while_a_request_is_on_its_way_gets_a_newer_answer(host: Host, clock: FakeClock) -> None:
    gathering = Gathering(host.ask, most=3, at_once=1, clock=clock)
    host.open.clear()
    first = asyncio.create_task(gathering.of(1))
    await turns()
    second = asyncio.create_task(gathering.of(1))
    await turns()
    host.open.set()

    assert (await first, await second, host.asked) == (2, 2, [[1], [1]])


async def test_each_gets_an_error_of_its_own(host: Host, clock: FakeClock) -> None:
    gathering = Gathering(host.ask, most=3, at_once=1, clock=clock)
    host.error = Unreadable("the host is away")

    first, second = await asyncio.gather(gathering.of(1), gathering.of(1), return_exceptions=True)
    assert isinstance(first, Unreadable)
    assert isinstance(second, Unreadable)
    first.at("url:https://one")
    assert second.location is None

    host.error = None
    with pytest.raises(LocationNotFound, match="unlucky"):
        await gathering.of(13)


async def test_who_gives_up_takes_the_answer_from_nobody(host: Host, clock: FakeClock) -> None:
    gathering = Gathering(host.ask, most=3, at_once=1, clock=clock)
    host.open.clear()
    impatient, patient = asyncio.create_task(gathering.of(1)), asyncio.create_task(gathering.of(1))
    await turns()
    impatient.cancel()
    host.open.set()

    assert await patient == 2


async def test_requests_that_could_be_larger_keep_their_distance_and_full_ones_do_not(
    host: Host, clock: FakeClock
) -> None:
    gathering = Gathering(host.ask, most=3, at_once=2, clock=clock, spacing=lambda: 0.7)
    assert await gathering.of(1) == 2

    small = [asyncio.create_task(gathering.of(number)) for number in (2, 3)]
    await turns()
    assert host.asked == [[1]]
    clock.advance(0.7)
    assert await asyncio.gather(*small) == [4, 6]

    await asyncio.gather(*(gathering.of(number) for number in (4, 5, 6)))
    assert host.asked == [[1], [2, 3], [4, 5, 6]]

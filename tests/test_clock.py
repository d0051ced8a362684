"""The clock that many processes share."""

import datetime as dt

import pytest

from callboard.clock import CommonClock

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


class Machine(CommonClock):
    """One whose machine is told what its two clocks say."""

    def __init__(self) -> None:
        super().__init__()
        self.uptime = 100.0
        self.mistake = 0.0

    def machine(self) -> dt.datetime:
        return NOON + dt.timedelta(seconds=self.uptime + self.mistake)

    def monotonic(self) -> float:
        return self.uptime


@pytest.fixture
def clock() -> Machine:
    return Machine()


def later(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(hours=1, seconds=seconds)


def test_before_anybody_was_asked_it_is_what_the_machine_says(clock: Machine) -> None:
    assert clock.now() == clock.machine()
    assert clock.is_due()


def test_it_goes_on_from_what_it_was_told_whatever_the_machine_then_says(clock: Machine) -> None:
    clock.set(later(0), asked=99.5, answered=100)
    clock.uptime += 10
    clock.mistake = 3600

    assert clock.now() == later(10)


def test_it_is_asked_again_now_and_then_and_at_once_when_the_clocks_of_the_machine_disagree(clock: Machine) -> None:
    clock.set(later(0), asked=100, answered=100)
    at_first = clock.is_due()
    clock.uptime += 31
    after_a_while = clock.is_due()
    clock.set(later(31), asked=131, answered=131)
    clock.mistake = 7200
    after_a_jump = clock.is_due()
    clock.set(later(31), asked=131, answered=131)

    assert (at_first, after_a_while, after_a_jump, clock.is_due()) == (False, True, True, False)


def test_it_does_not_go_back_for_an_answer_that_is_no_better_than_what_it_knows(clock: Machine) -> None:
    clock.set(later(0), asked=100, answered=100)

    clock.set(later(-0.09), asked=99.9, answered=100)

    assert clock.now() == later(0)


@pytest.mark.parametrize("told_after", [0.0, 0.3, 0.6])
def test_it_is_never_ahead_of_who_was_asked(clock: Machine, told_after: float) -> None:
    """The answer is made at some moment of the 0.6 s that it takes."""
    clock.uptime += 0.6
    clock.set(later(told_after), asked=100, answered=clock.uptime)

    assert later(0) <= clock.now() <= later(0.6)


def test_it_advances_for_an_answer_that_took_less_time(clock: Machine) -> None:
    clock.set(later(0), asked=99.2, answered=100)

    clock.set(later(0.5), asked=100, answered=100)

    assert clock.now() == later(0.5)


def test_it_goes_back_when_it_was_wrong(clock: Machine) -> None:
    clock.set(later(60), asked=100, answered=100)

    clock.set(later(0), asked=100, answered=100)

    assert clock.now() == later(0)


def test_an_answer_that_took_long_counts_only_as_long_as_there_is_no_other(clock: Machine) -> None:
    clock.set(later(0), asked=90, answered=100)
    clock.set(later(-50), asked=90, answered=100)

    assert clock.now() == later(0)

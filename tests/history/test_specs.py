"""The models of the stream, explored whole; and their mutants, each of which is found wrong."""

import pytest

from tests.history.exploring import Found, explore
from tests.history.specs import (
    Counter,
    CounterMutant,
    Forgetting,
    ForgettingMutant,
    ForgettingSteps,
    Writer,
    counter_steps,
    counter_wrong,
    forgetting_wrong,
)


def explored(mutant: CounterMutant = CounterMutant.NONE, *, early: bool) -> Found[Counter]:
    start = Counter((Writer(1), Writer(2), Writer(1)))
    return explore(start, counter_steps(early=early, mutant=mutant), counter_wrong)


@pytest.mark.parametrize("early", [False, True], ids=["held-until-the-commit", "released-early"])
def test_a_counter_that_is_taken_last_is_right_in_every_state(early: bool) -> None:
    found = explored(early=early)

    assert (found.wrong, found.trace) == (None, ())
    assert found.states > 500


@pytest.mark.parametrize(
    ("mutant", "early", "invariant"),
    [
        (CounterMutant.NO_LOCK, False, "I1"),
        (CounterMutant.NO_LOCK, True, "I1"),
        (CounterMutant.NUMBERS_BURN, False, "I1"),
        (CounterMutant.READ_UNFLUSHED, True, "I6"),
        (CounterMutant.ACKNOWLEDGE_UNFLUSHED, True, "I7"),
    ],
)
def test_a_counter_without_one_of_its_rules_is_wrong(mutant: CounterMutant, early: bool, invariant: str) -> None:
    found = explored(mutant, early=early)

    assert found.wrong == invariant, found


def test_forgetting_is_right_in_every_state() -> None:
    found = explore(Forgetting(), ForgettingSteps(("a", "b"), changes=6), forgetting_wrong)

    assert (found.wrong, found.trace) == (None, ())
    assert found.states > 5_000


@pytest.mark.parametrize(
    ("mutant", "invariant"),
    [
        (ForgettingMutant.DROPS_FIRST, "I10"),
        (ForgettingMutant.SERVES_BELOW, "I10"),
        (ForgettingMutant.PAGES_PASS, "I9"),
    ],
)
def test_forgetting_without_one_of_its_rules_is_wrong(mutant: ForgettingMutant, invariant: str) -> None:
    found = explore(Forgetting(), ForgettingSteps(("a", "b"), changes=6, mutant=mutant), forgetting_wrong)

    assert found.wrong == invariant, found


def test_the_second_half_of_the_bookmark_is_what_lets_a_slow_first_load_come_to_its_end() -> None:
    """Without it nothing is told wrong; only who reads slower than things are forgotten begins again and again."""
    steps = ForgettingSteps(("a", "b"), changes=6, mutant=ForgettingMutant.FORGETS_BEGAN)

    assert explore(Forgetting(), steps, forgetting_wrong).wrong is None

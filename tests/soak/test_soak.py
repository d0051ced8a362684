"""Killed at random for a while, the catalog has lost nothing, and everybody who follows it has what it has.

A short one by itself, and the long one of `make soak` with CALLBOARD_SOAK_SECONDS=600; CALLBOARD_TEST_SEED makes
another one.
"""

import os
import sys

import pytest

from tests.soak.figures import Plan
from tests.soak.soaking import soak

pytestmark = pytest.mark.slow

SECONDS = os.environ.get("CALLBOARD_SOAK_SECONDS")
SEED = int(os.environ.get("CALLBOARD_TEST_SEED", "1"))

SHORT = Plan(
    seconds=7,
    seed=SEED,
    engines=2,
    apis=2,
    followers=20,
    pushers=2,
    filers=1,
    kill_every=1.5,
    restarts=1,
    pause=0.2,
    history=1.5,
    tombstones=3,
    processes=1,
)


def say(what: str) -> None:
    """To whoever runs it with `-s`."""
    print(what, file=sys.stderr, flush=True)


async def test_whatever_is_killed_nothing_is_lost_and_everybody_is_told_the_same() -> None:
    plan = SHORT if SECONDS is None else Plan(seconds=float(SECONDS), seed=SEED)

    report = await soak(plan, say)

    for name, value in report.rows():
        say(f"| {name} | {value} |")
    assert report.wrong == []
    # A soak in which nothing happened says nothing.
    assert report.writes > plan.pushers + plan.filers
    assert report.engines_killed + report.apis_killed + report.backends_killed > 0
    assert report.postgres_restarts == plan.restarts
    assert report.compactions > 0
    assert report.compared > 0

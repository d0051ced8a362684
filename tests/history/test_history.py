"""Many processes write and read at once, and write down what they saw; when all is over it must fit together.

Longer: CALLBOARD_SOAK_SECONDS=600.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audit import audit
from tests.history import checker
from tests.history.histories import Outcome
from tests.history.processes import Actor, Stage, api_process

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("CALLBOARD_SOAK_SECONDS", "2"))

WRITERS = [
    *(Actor("writers", "write", f"w{number}") for number in range(4)),
    *(Actor("writers", "stitch", f"s{number}") for number in range(2)),
    Actor("writers", "forget", "forgetting"),
]
READERS = [*(Actor("readers", "feed", f"r{number}") for number in range(2)), Actor("readers", "http", "h0")]


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(database_url, tmp_path, SECONDS)
    async with stage.prepared():
        yield stage


async def test_what_many_processes_saw_fits_together(stage: Stage) -> None:
    async with api_process(stage.url, stage.folder) as api:
        await stage.run([*WRITERS, *READERS], api=api)

    history = await stage.history()
    print(f"\n{history.figures}")
    assert [str(violation) for violation in checker.check(history)] == []
    await audit(stage.url)
    outcomes = Counter(write.outcome for write in history.writes)
    assert min(outcomes[outcome] for outcome in (Outcome.ACKNOWLEDGED, Outcome.ACCEPTED, Outcome.ROLLED_BACK)) > 0
    assert outcomes[Outcome.UNKNOWN] == 0
    kinds = Counter((read.compacted, read.filtered) for read in history.reads if read.events)
    assert len(kinds) == 4
    assert any(read.kept for read in history.reads)

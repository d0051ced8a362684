import os
import subprocess
import sys

import pytest

from callboard.store import _unprivileged

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root gives up root, and only Linux has capabilities"
)


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", _unprivileged.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def status_of_a_program(reach: str) -> dict[str, str]:
    """What the kernel says of a program that was started through the launcher."""
    lines = launch("65534", "65534", reach, "/bin/cat", "/proc/self/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_program_runs_as_the_account_and_in_no_other_group() -> None:
    status = status_of_a_program("own")

    assert status["Uid"].split() == ["65534"] * 4
    assert status["Gid"].split() == ["65534"] * 4
    assert status["Groups"] == ""


def test_the_program_has_no_capability_by_itself() -> None:
    status = status_of_a_program("own")

    assert [int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0]


def test_the_program_may_get_one_capability_and_keeps_it_for_its_children() -> None:
    status = status_of_a_program("all")

    assert status["Uid"].split() == ["65534"] * 4
    assert [int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [2, 2, 2, 2]


def test_a_program_that_is_not_there_is_named() -> None:
    outcome = launch("65534", "65534", "own", "/no/such/program")

    assert outcome.returncode == 126
    assert outcome.stderr.startswith("Can't run /no/such/program as the account 65534: ")

"""The container file and the compose file, as far as they can be looked at without running them.

`scripts/try-container` runs the lines, and what they make.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

import callboard
from tests.repository.tracked import ROOT

DOCKERFILE = ROOT / "deploy/container/Dockerfile"
COMPOSE = ROOT / "deploy/compose.yaml"


def test_the_linter_has_nothing_to_say() -> None:
    program = Path(sys.executable).parent / "hadolint"

    said = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stdout) == (0, "")


def test_what_is_copied_is_there_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = [
        name
        for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
        for name in words.split()[:-1]
    ]

    assert ignored[0] == "*"
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    assert {f"!{name}" for name in copied} <= set(ignored)


def test_packages_are_pinned_by_their_hashes() -> None:
    installs = re.findall(r"pip install (.+)", DOCKERFILE.read_text("utf-8"))

    assert any("--require-hashes" in install for install in installs)
    assert all("--require-hashes" in install or "--no-build-isolation ." in install for install in installs)


def test_compose_runs_commands_that_there_are_in_the_version_that_there_is() -> None:
    composed = yaml.safe_load(COMPOSE.read_text("utf-8"))
    own = {name: service for name, service in composed["services"].items() if name != "postgres"}

    assert {service["command"][0] for service in own.values()} == {"migrate", "engine", "serve"}
    for service in own.values():
        assert service["image"] == f"callboard:${{CALLBOARD_TAG:-{callboard.__version__}}}"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()

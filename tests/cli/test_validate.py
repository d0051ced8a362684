from pathlib import Path

import pytest

from tests.cli.conftest import ACME, Run

GOOD = """\
apiVersion: backstage.io/v1alpha1
kind: API
metadata:
  name: payments
spec:
  type: openapi
  lifecycle: production
  owner: team
  definition:
    $text: ./openapi.yaml
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good file."""
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "openapi.yaml").write_text("openapi: 3.1.0\n")
    return tmp_path


def test_good_files_pass(folder: Path, callboard: Run) -> None:
    checked = callboard("validate", "good.yaml", ACME / "catalog/domains.yaml", cwd=folder)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == "2 files, 6 entities: no problems\n"


def test_standard_input_is_checked_too(folder: Path, callboard: Run) -> None:
    good = callboard("validate", "-", stdin=GOOD, cwd=folder)
    bad = callboard("validate", "-", stdin=GOOD.replace("team", "[team]"), cwd=folder)

    assert (good.returncode, bad.returncode) == (0, 1)
    assert bad.stdout.startswith("(stdin):8: [api:default/payments] spec.owner: must be string\n")


def test_bad_files_fail_with_every_problem_at_its_line(folder: Path, callboard: Run) -> None:
    (folder / "bad.yaml").write_text(
        GOOD.replace("payments", "pay ments").replace("production", "7")
        + "colour: red\n---\n"
        + GOOD.replace("API", "Foo")
    )
    (folder / "worse.yaml").write_text("kind: Component\nkind: API\n")

    checked = callboard("validate", "good.yaml", "bad.yaml", "worse.yaml", cwd=folder)

    assert checked.returncode == 1
    places = [
        line.partition("] ")[0] + "] " + line.partition("] ")[2].partition(":")[0]
        for line in checked.stdout.splitlines()[:4]
    ]
    assert places == [
        "bad.yaml:4: [api:default/pay ments] metadata.name",
        "bad.yaml:7: [api:default/pay ments] spec.lifecycle",
        "bad.yaml:11: [api:default/pay ments] colour",
        "bad.yaml:14: [foo:default/payments] kind",
    ]
    assert checked.stdout.splitlines()[4:] == [
        'worse.yaml:2: the key "kind" is there twice',
        "3 files, 3 entities: 5 problems",
    ]


def test_a_directory_is_refused(folder: Path, callboard: Run) -> None:
    refused = callboard("validate", folder)

    assert refused.returncode == 2
    assert "is a directory" in refused.stderr


def test_a_file_that_is_not_there_is_refused(folder: Path, callboard: Run) -> None:
    refused = callboard("validate", folder / "nothing.yaml")

    assert refused.returncode == 2
    assert "does not exist" in refused.stderr

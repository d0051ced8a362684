"""What a page says that a test proves is proved by a test of that name.

A proof is a link to the file of the test, and its text is the name of the test, read as a sentence:
[the first of two files keeps the name](../../tests/flows/test_claims.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import tracked
from tests.repository.tracked import ROOT

_PROOF = re.compile(r"\[([^\]`]+)\]\(([^)\s#]*/tests/[^)\s#]*/test_\w+\.py)\)")
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
_COLUMN = "proved by |"


def pages() -> list[Path]:
    """Those with proofs."""
    return [page for page in tracked.files("*.md") if _PROOF.search(page.read_text("utf-8"))]


def unproved(text: str) -> Iterator[str]:
    """The rows of tables with a column for it that name no proof."""
    in_table = False
    for line in text.splitlines():
        if line.startswith("|") and line.endswith(_COLUMN):
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table and not line.startswith("|---") and not _PROOF.search(line.split(" | ")[-1]):
            yield line


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_each_proof_is_a_test(page: Path) -> None:
    missing: list[str] = []

    for sentence, link in _PROOF.findall(page.read_text("utf-8")):
        file = (page.parent / link).resolve()
        name = "test_" + sentence.replace(" ", "_")
        if not file.is_file() or name not in _TEST.findall(file.read_text("utf-8")):
            missing.append(f"{link}: {name}")

    assert missing == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_row_that_should_be_proved_is_without_a_proof(page: Path) -> None:
    rows = list(unproved(page.read_text("utf-8")))

    assert rows == []


def test_the_life_of_an_entity_is_proved() -> None:
    page = (ROOT / "docs/explanation/life-of-an-entity.md").read_text("utf-8")

    unproved_sections = [
        section.partition("\n")[0]
        for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]
        if _COLUMN not in section
    ]

    assert unproved_sections == []

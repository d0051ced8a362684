"""The reasons for changes and their reference page say the same."""

import re
from pathlib import Path

from callboard.model.causes import Because

PAGE = Path(__file__).parents[2] / "docs/reference/events.md"


def test_the_reference_names_every_reason_and_no_other() -> None:
    table = PAGE.read_text("utf-8").partition("| `because` | means |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)

    assert sorted(named) == sorted(because.value for because in Because)

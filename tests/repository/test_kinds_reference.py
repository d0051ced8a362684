"""The page about kinds has every field of every kind, with its relations."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import pytest

PAGE = Path(__file__).parents[2] / "docs/reference/kinds.md"

KINDS: list[dict[str, Any]] = [
    orjson.loads(file.read_bytes())
    for file in resources.files("callboard.model.kinds").iterdir()
    if file.name.endswith(".json")
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind["kind"]))
def test_a_kind_has_its_table(kind: dict[str, Any]) -> None:
    section = PAGE.read_text("utf-8").split(f"\n## {kind['kind']}\n", 1)[1].split("\n## ", 1)[0]
    relations = {edge["field"]: (edge["relation"], edge["inverse"]) for edge in kind["relations"]}
    spec = kind["schema"]["properties"]["spec"]

    rows = re.findall(r"^\| `(\w+)` \| ?(yes)? ?\| .+? \| (?:`(\w+)`)? ?\| (?:`(\w+)`)? ?\|$", section, re.MULTILINE)

    assert {name: (needed == "yes", relation, inverse) for name, needed, relation, inverse in rows} == {
        name: (name in spec.get("required", ()), *relations.get(name, ("", ""))) for name in spec["properties"]
    }
    assert all(f"`{version}`" in section for version in kind["apiVersions"])


def test_there_is_no_kind_too_many() -> None:
    headings = set(re.findall(r"^## (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE))

    assert headings - {"Placeholders"} == {kind["kind"] for kind in KINDS}

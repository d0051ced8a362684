"""Every dependency has its reason."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/decisions/dependencies.md"


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower()


def test_each_dependency_has_its_line_and_each_line_its_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"].get("optional-dependencies", {})
    groups = [project["project"]["dependencies"], *extras.values(), *project["dependency-groups"].values()]

    lines = re.findall(r"^\| `([\w.-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)

    assert sorted(lines) == sorted({name_of(requirement) for group in groups for requirement in group})

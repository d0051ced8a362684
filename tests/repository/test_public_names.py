"""What a plugin may use is there, and is described."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from callboard import extend

HOWTO = Path(__file__).parents[2] / "docs/howto"
PAGES = (HOWTO / "write-a-processor.md", HOWTO / "read-another-host.md")


def test_all_names_are_sorted_and_there_once() -> None:
    assert extend.__all__ == sorted(set(extend.__all__))


@pytest.mark.parametrize("name", extend.__all__)
def test_a_public_name_can_be_imported_and_is_in_the_documentation(name: str) -> None:
    value = getattr(importlib.import_module("callboard.extend"), name)

    described = [found for page in PAGES for found in re.findall(r"`(\w+)`", page.read_text("utf-8"))]

    assert name in described
    if inspect.isclass(value):
        assert inspect.getdoc(value), f"{name} has no docstring"

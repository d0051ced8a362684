"""No file says what is true on one machine only, or what says nothing."""

import re
from pathlib import Path

import pytest

from tests.repository import tracked
from tests.repository.tracked import ROOT

_FORBIDDEN = {
    "a path of one machine": r"(?<![\w.])/(?:work|Users)/(?![{%.])|/home/(?!you/)|\b[A-Z]:\\Users\\",
    "the address of a package registry": r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs|anaconda\.org)\b",
    "something beside the project": r"\.\./shared\b",
    "work without an owner": r"\b(?:TODO|FIXME|XXX)\b",
    "praise": r"(?i)\b(?:blazing|seamless|effortless|world-class|cutting-edge|state-of-the-art|game-changing)",
}


_PICTURES = (".png",)
"""Their bytes are no words."""


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(_FORBIDDEN[what])
    found: list[str] = []

    for file in tracked.files():
        if file == Path(__file__):
            continue
        if file.suffix in _PICTURES:
            continue
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")

    assert found == []

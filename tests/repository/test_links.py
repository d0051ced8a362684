"""Every relative link in a page points at something that is there."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import tracked
from tests.repository.tracked import ROOT

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    return tracked.files("*.md")


def links_of(page: Path) -> Iterator[str]:
    for target in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors_of(page: Path) -> set[str]:
    """What GitHub makes of the headings of *page*."""
    seen: Counter[str] = Counter()
    anchors: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text("utf-8"))):
        text = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{text}-{seen[text]}" if seen[text] else text)
        seen[text] += 1
    return anchors


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken: list[str] = []

    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)

    assert broken == []


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    found: set[Path] = set()
    pending = [ROOT / "docs/index.md"]
    while pending:
        page = pending.pop()
        if page not in found and page.suffix == ".md" and page.is_file():
            found.add(page)
            pending += [(page.parent / link.partition("#")[0]).resolve() for link in links_of(page)]

    lost = [str(page.relative_to(ROOT)) for page in pages() if page.is_relative_to(ROOT / "docs") and page not in found]

    assert lost == []

"""Which pages the benchmarks look at, and what they count as a first visit."""

import re

import httpx2
import pytest

from benchmarks import pages
from benchmarks.pages import Busiest, References
from callboard.model.refs import EntityRef
from callboard.ui.routes import PAGES, Page

BUSIEST = Busiest(
    component=EntityRef("component", "default", "payments"),
    api=EntityRef("api", "default", "payments"),
    group=EntityRef("group", "default", "platform"),
    system=EntityRef("system", "default", "checkout"),
    domain=EntityRef("domain", "default", "commerce"),
    word="payments",
)
NOT_LISTED = re.compile(r"/(settling|unregister|delete)(/|$)|/changes/|/export|^/operations/")
"""Pages that stand between a button and what it does, those that the benchmark finds by a link, and files."""


READ = [each for each in PAGES if isinstance(each, Page) and "GET" in (each.methods or ())]


@pytest.mark.parametrize("route", READ, ids=lambda route: route.path)
def test_every_page_is_measured(route: Page) -> None:
    paths = [page.path.partition("?")[0] for page in pages.listed(BUSIEST) if page.path]

    measured = [path for path in paths if route.path_regex.match(path)]

    assert measured or NOT_LISTED.search(route.path)


def test_what_nobody_is_cannot_be_looked_at() -> None:
    nobody = Busiest(component=None, api=None, group=None, system=None, domain=None)

    left = [page.path for page in pages.listed(nobody) if page.path is not None]

    assert not any(re.match("/catalog/[^-]", path) for path in left)


def test_a_page_refers_to_its_files_its_tabs_and_the_next_page() -> None:
    found = References("""
        <link rel="icon" href="/assets/1/mark.svg"><link rel="stylesheet" href="/assets/1/a.css">
        <link rel="help" href="/">
        <script type="module" src="/assets/1/a.js"></script><img src="https://elsewhere/b.png">
        <nav class="tabs"><a href="/operations">All</a><a href="/operations/queues">Queues</a></nav>
        <a href="/catalog?cursor=1" rel="next">Next</a><a href="/a/changes/7">7</a><a href="/a/changes/6">6</a>
    """)

    assert list(found.assets) == ["/assets/1/mark.svg", "/assets/1/a.css", "/assets/1/a.js"]
    assert list(found.tabs) == ["/operations", "/operations/queues"]
    assert (found.next_page, found.change) == ("/catalog?cursor=1", "/a/changes/7")


async def test_a_first_visit_fetches_what_files_refer_to_each_once() -> None:
    files = {
        "/assets/1/a.js": ("text/javascript", 'import { b } from "./b.js";\nimport "./c.js";'),
        "/assets/1/b.js": ("text/javascript", 'import "./c.js";\nexport const b = 1;'),
        "/assets/1/c.js": ("text/javascript", "export {};"),
        "/assets/1/a.css": (
            "text/css",
            "a { background: url(line.svg) } b { background: url('data:image/png;base64,') }",
        ),
        "/assets/1/line.svg": ("image/svg+xml", "<svg/>"),
    }
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        kind, text = files[request.url.path]
        return httpx2.Response(200, text=text, headers={"content-type": kind, "cache-control": "immutable"})

    async with httpx2.AsyncClient(base_url="http://host", transport=httpx2.MockTransport(answer)) as http:
        found = await pages.fetch(http, ["/assets/1/a.js", "/assets/1/a.css"], {})

    assert sorted(asked) == sorted(files)
    assert {asset.address for asset in found} == files.keys()
    assert all(asset.kept and asset.as_small_as_it_gets for asset in found)

"""The latest changes of one entity, and of the whole catalog."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from callboard.access.decisions import Allowed, Authorizer, Decision, Denied
from callboard.access.permissions import ENTITY_READ, Permission
from callboard.access.principals import Principal
from callboard.extend import Full
from callboard.stream.following import Follower
from callboard.ui.routes import PAGES
from tests.api.conftest import app_of, client_of
from tests.harness import component, offered
from tests.stream.publishing import bury, forget
from tests.ui.conftest import Pages, words

TAIL = "/operations/tail"


class ReadersOnly:
    """Lets everybody read entities, and do nothing else."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Allowed() if permission == ENTITY_READ else Denied()


@pytest.fixture
async def changed(pages: Pages) -> Pages:
    """a is added at 1, a website at 2, b is added at 3, and a is gone at 4."""
    for entities in (
        [component("a")],
        [component("a", type="website")],
        [component("a", type="website"), component("b")],
        [component("b")],
    ):
        await pages.catalog.provide("ci", Full(offered(*entities)))
        await pages.catalog.settle()
    return pages


def offsets(page: str) -> list[int]:
    """Which changes a page lists."""
    return [int(offset) for offset in re.findall(r'<tr data-offset="(\d+)"', page)]


def live(page: str) -> dict[str, list[str]]:
    """What the script of a page asks for."""
    found = re.search(r'data-tail="([^"]*)"', page)
    assert found is not None
    address = urlsplit(html.unescape(found[1]))
    assert address.path == "/live/events"
    return parse_qs(address.query)


async def test_the_tab_lists_the_changes_of_one_entity(changed: Pages) -> None:
    page = await changed.get("/catalog/default/component/b/events")

    assert offsets(page) == [3]
    assert live(page)["offset"] == ["4"]
    assert live(page)["filter"] == ["kind=component,metadata.namespace=default,metadata.name=b"]


async def test_the_tab_does_not_count_changes_beside_telling_them(changed: Pages) -> None:
    assert 'data-changes=""' in await changed.get("/catalog/default/component/b/events")


async def test_the_tab_of_what_was_removed_waits_for_it_to_come_back(changed: Pages) -> None:
    page = await changed.get("/catalog/default/component/a/events")

    assert offsets(page) == [4, 2, 1]
    assert live(page)["offset"] == ["4"]


async def test_the_tail_lists_all_changes_newest_first(changed: Pages) -> None:
    page = await changed.get(TAIL)

    assert offsets(page) == [4, 3, 2, 1]
    assert live(page) == {"offset": ["4"], "fields": ["kind"]}
    assert "4 changes between offsets 0 and 4" in words(page)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ("name=B", [3]),
        ("kind=Component&namespace=default&name=a", [4, 2, 1]),
        ("kind=api", []),
        ("owner=team", [4, 3, 2, 1]),
        ("owner=group:other", []),
        ("filter=spec.type%3Dwebsite", [4, 2]),
        ("type=removed", [4]),
        ("type=added&name=a", [1]),
        ("type=nothing", [4, 3, 2, 1]),
    ],
)
async def test_the_tail_is_narrowed_down(changed: Pages, filters: str, told: list[int]) -> None:
    assert offsets(await changed.get(f"{TAIL}?{filters}")) == told


async def test_what_comes_is_narrowed_down_as_what_was_there(changed: Pages) -> None:
    asked = live(await changed.get(f"{TAIL}?kind=component&name=a&filter=spec.type%3Dwebsite"))

    assert asked["query"] == ['{"kind":"component","metadata.name":{"$hasPrefix":"a"}}']
    assert asked["filter"] == ["spec.type=website"]


@pytest.mark.parametrize("filters", ["filter=%2C%2C%3D", "owner=a/", "owner=:"])
async def test_a_filter_that_is_none_is_told_beside_the_form(changed: Pages, filters: str) -> None:
    page = await changed.get(f"{TAIL}?{filters}")

    assert 'role="alert"' in page
    assert "data-tail=" not in page


async def test_older_changes_are_on_the_next_page(pages: Pages) -> None:
    for number in range(3):
        await pages.catalog.provide("ci", Full(offered(*(component(f"c{each}", n=number) for each in range(30)))))
        await pages.catalog.settle()

    newest = await pages.get(TAIL)
    older = await pages.get(f"{TAIL}?before=40")

    assert offsets(newest) == [*range(90, 40, -1)]
    assert 'href="/operations/tail?before=40"' in newest
    assert offsets(older) == [*range(40, 0, -1)]
    assert "data-tail=" not in older
    assert "Back to what happens now" in older


async def test_a_filter_that_finds_much_leads_to_the_rest_of_it(pages: Pages) -> None:
    for number in range(3):
        await pages.catalog.provide("ci", Full(offered(*(component(f"c{each}", n=number) for each in range(30)))))
        await pages.catalog.settle()

    newest = await pages.get(f"{TAIL}?kind=component")

    assert offsets(newest) == [*range(90, 40, -1)]
    assert 'href="/operations/tail?kind=component&amp;before=40"' in newest


@asynccontextmanager
async def restarted(pages: Pages, authorizer: Authorizer | None = None) -> AsyncIterator[Pages]:
    """The pages of a process that has begun just now, when all of 60 changes up to 30 are forgotten."""
    catalog = pages.catalog
    await catalog.provide("ci", Full(offered(*(component(f"c{number}") for number in range(60)))))
    await catalog.settle()
    await forget(catalog.database, 30)
    await bury(catalog.database, 30)
    follower = Follower(catalog.database, catalog.clock)
    while await follower.follow() == 0:
        pass
    async with client_of(app_of(catalog, follower=follower, authorizer=authorizer, pages=PAGES)) as client:
        yield Pages(catalog, client)


async def test_where_changes_are_forgotten_the_tail_begins_at_the_floor(pages: Pages) -> None:
    async with restarted(pages) as later:
        page = await later.get(TAIL)

    assert offsets(page) == [*range(60, 30, -1)]
    assert "What lies below is forgotten" in words(page)


async def test_who_may_not_know_the_floor_is_told_what_comes(pages: Pages) -> None:
    async with restarted(pages, ReadersOnly()) as later:
        page = await later.get(TAIL)

    assert offsets(page) == []
    assert live(page)["offset"] == ["60"]


async def test_a_position_beyond_the_head_is_the_head(changed: Pages) -> None:
    assert offsets(await changed.get(f"{TAIL}?before=99")) == [4, 3, 2, 1]

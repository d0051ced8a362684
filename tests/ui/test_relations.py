"""The relations tab: the graph around an entity, what narrows it, and the table of its relations."""

import re
from collections.abc import AsyncIterator

import pytest
from starlette.responses import Response

from callboard.extend import Full
from callboard.model.json import JsonObject, JsonValue
from callboard.ui import relations, subjects
from callboard.ui.routes import PAGES, Page
from callboard.ui.visits import Visit
from tests.api.conftest import app_of, client_of
from tests.harness import Catalog, component, offered
from tests.ui.conftest import Pages, words


def other(kind: str, name: str, **spec: JsonValue) -> JsonObject:
    """A valid entity of any kind."""
    entity = component(name)
    return {**entity, "kind": kind, "spec": spec}


async def fill(catalog: Catalog, *entities: JsonObject) -> None:
    await catalog.provide("p", Full(offered(*entities)))
    await catalog.settle()


async def shop(catalog: Catalog) -> None:
    """A shop that needs a till, which needs a bank that does not exist."""
    await fill(
        catalog,
        component("shop", dependsOn=["component:till", "resource:shelf"]),
        component("till", dependsOn=["component:bank"]),
        component("window", dependsOn=["component:shop"]),
        other("Resource", "shelf", type="database", owner="team"),
        other("Group", "team", type="team", children=[]),
    )


def boxes(page: str) -> list[str]:
    """The refs of the boxes, in their order."""
    return re.findall(r"\n((?:\w+):default/[\w-]+)(?:, which does not exist)?</title><rect", page)


def lines(page: str) -> list[str]:
    """What the lines say."""
    found: list[str] = re.findall(r'<g class="line"[^>]*><title>([^<]*)</title>', page)
    return found


def names(refs: list[str]) -> list[str]:
    return sorted(ref.rpartition("/")[2] for ref in refs)


SHOP = "/catalog/default/component/shop/relations"


async def test_relations_seen_from_both_ends_are_drawn_once_by_their_forward_name(pages: Pages) -> None:
    await shop(pages.catalog)

    page = await pages.get(SHOP)

    assert sorted(lines(page)) == [
        "shop dependsOn shelf", "shop dependsOn till", "shop ownedBy team", "window dependsOn shop",
    ]  # fmt: skip
    assert "Relations of this entity 4 " in words(page)
    assert "dependencyOf window" in words(page)


async def test_every_box_is_a_link_to_its_entity_and_one_to_the_graph_around_it(pages: Pages) -> None:
    await shop(pages.catalog)

    page = await pages.get(SHOP)

    assert '<a href="/catalog/default/component/till" aria-label="till, Component · service">' in page
    assert '<a class="root" href="/catalog/default/component/till/relations" aria-label="The graph around till' in page
    assert page.count(" start") == 1


async def test_each_level_leads_one_relation_further_and_shows_what_does_not_exist(pages: Pages) -> None:
    await shop(pages.catalog)

    nearest, further = await pages.get(SHOP), await pages.get(f"{SHOP}?depth=2")

    assert "component:default/bank" not in boxes(nearest)
    assert "component:default/bank" in boxes(further)
    assert 'aria-label="bank, Component, does not exist"' in further


NARROWED = {
    "direction=in": ["shop", "window"],
    "direction=out": ["shelf", "shop", "team", "till"],
    "relation=dependsOn": ["shelf", "shop", "till", "window"],
    "relation=dependencyOf&kind=resource": ["shelf", "shop"],
    "kind=group&kind=Resource": ["shelf", "shop", "team"],
    "depth=2&direction=out&relation=dependsOn": ["bank", "shelf", "shop", "till"],
    "depth=many&direction=up&page=x": ["shelf", "shop", "team", "till", "window"],
}


async def test_a_graph_is_narrowed_by_its_query(pages: Pages) -> None:
    await shop(pages.catalog)

    found = {each: names(boxes(await pages.get(f"{SHOP}?{each}"))) for each in NARROWED}

    assert found == NARROWED


async def test_a_relation_that_nothing_has_leaves_a_way_back(pages: Pages) -> None:
    await shop(pages.catalog)

    page = await pages.get(f"{SHOP}?relation=mirrors")

    assert boxes(page) == []
    assert "No relation is of the chosen kind. Show all" in words(page)
    assert "0 of 4" in words(page)


async def test_a_hub_is_cut_and_its_table_has_pages(pages: Pages) -> None:
    many = [component(f"part-{number:03}", owner="hub") for number in range(130)]
    await fill(pages.catalog, *many, other("Group", "hub", type="team", children=[]))
    hub = "/catalog/default/group/hub/relations"

    first, last = await pages.get(hub), await pages.get(f"{hub}?page=3")

    assert len(boxes(first)) == 25
    assert "106 more neighbours have no room here" in words(first)
    assert "1 to 50 of 130 After" in words(first)
    assert "part-129" not in words(first)
    assert "Before 101 to 130 of 130" in words(last)
    assert "part-129" in words(last)


async def test_an_entity_without_relations_says_what_would_make_some(pages: Pages) -> None:
    await fill(pages.catalog, other("Group", "alone", type="team", children=[]))

    page = await pages.get("/catalog/default/group/alone/relations")

    assert "No relations" in words(page)
    assert "<svg viewBox" not in page.replace('class="icon', "")
    assert "spec.dependsOn" in words(page)


async def test_what_strangers_write_into_titles_is_text(pages: Pages) -> None:
    evil = component("evil")
    metadata = evil["metadata"]
    assert isinstance(metadata, dict)
    metadata["title"] = "</title><script>alert(1)</script>"
    await fill(pages.catalog, component("shop", dependsOn=["component:evil"]), evil)

    page = await pages.get(SHOP)

    assert "<script>alert" not in page
    assert "&lt;/title&gt;&lt;script&gt;" in page


@pytest.fixture
async def cards(catalog: Catalog) -> AsyncIterator[Pages]:
    """Pages that have the card of an entity alone, and one without what it draws."""

    async def card(visit: Visit) -> Response:
        subject = await subjects.find(visit)
        values = {} if "bare" in visit.request.query_params else {"graph": await relations.card(visit, subject)}
        return visit.page("entity/graph_card.html", subject=subject, **values)

    await catalog.look()
    added = Page("/card/{namespace}/{kind}/{name}", card)
    async with client_of(app_of(catalog, pages=[added, *PAGES])) as client:
        yield Pages(catalog, client)


async def test_the_card_draws_the_nearest_relations_and_leads_to_the_rest(cards: Pages) -> None:
    many = [component(f"part-{number:03}", owner="hub") for number in range(30)]
    await fill(cards.catalog, *many, other("Group", "hub", type="team", children=[]))

    card = await cards.get("/card/default/group/hub")
    nothing = await cards.get("/card/default/group/hub?bare")

    assert len(boxes(card)) == 7
    assert "24 more neighbours" in words(card)
    assert 'href="/catalog/default/group/hub/relations"' in card
    assert words(nothing) == ""

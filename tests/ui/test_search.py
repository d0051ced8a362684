"""Global search."""

import pytest

from callboard.extend import Full
from tests.harness import component, offered
from tests.ui.conftest import Pages, group, with_metadata, words


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """A component and a group."""
    described = "Remembers <b>all</b>."
    cart = with_metadata(component("cart"), title="Shopping cart", description=described, tags=["wheels"])
    await pages.catalog.provide("p", Full(offered(cart, group("carters"))))
    await pages.catalog.settle()
    return pages


@pytest.mark.parametrize("text", ["cart", "SHOPPING", "remembers", "wheels"])
async def test_entities_are_found_by_any_of_their_texts(shop: Pages, text: str) -> None:
    assert "Shopping cart" in words(await shop.get(f"/search?q={text}"))


async def test_all_kinds_are_found(shop: Pages) -> None:
    page = words(await shop.get("/search?q=cart"))

    assert "2 found" in page
    assert "carters" in page


async def test_what_was_found_is_counted_by_kind_and_can_be_narrowed_to_one(shop: Pages) -> None:
    every = await shop.get("/search?q=cart")
    groups = words(await shop.get("/search?q=cart&kind=group"))

    assert "All kinds Components 1 Groups 1" in words(every)
    assert 'href="/search?q=cart&amp;kind=group"' in every
    assert "1 found" in groups
    assert "Shopping cart" not in groups


async def test_what_is_called_exactly_so_comes_first(shop: Pages) -> None:
    page = words(await shop.get("/search?q=CARTERS"))

    assert "Called exactly so carters Group" in page
    assert page.count("carters") == 1


@pytest.mark.parametrize("ref", ["component:cart", "Component:default/CART"])
async def test_a_whole_ref_is_found_first(shop: Pages, ref: str) -> None:
    page = words(await shop.get(f"/search?q={ref}"))

    assert "This is its ref Shopping cart" in page


@pytest.mark.parametrize("text", ["nowhere", "a:b:c:d", ":", "%3Cscript%3E"])
async def test_what_is_not_there_is_said_to_be_not_there(shop: Pages, text: str) -> None:
    assert "Nothing has this text" in words(await shop.get(f"/search?q={text}"))


async def test_nothing_to_look_for_is_a_question(shop: Pages) -> None:
    assert "What are you looking for?" in words(await shop.get("/search"))


async def test_what_entities_say_is_escaped(shop: Pages) -> None:
    assert "Remembers &lt;b&gt;all&lt;/b&gt;." in await shop.get("/search?q=cart")


async def test_a_page_that_is_not_known_any_more_is_the_first_one(shop: Pages) -> None:
    answer = await shop.client.get("/search?q=cart&cursor=nonsense")

    assert answer.headers["location"] == "/search?q=cart"

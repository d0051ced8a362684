"""Refreshing an entity, and following that until it has settled."""

import re

import pytest

from callboard.ui.presenting import page_of
from tests.harness import component_yaml
from tests.ui.conftest import Pages, words

URL = "https://host/shop.yaml"
CART = "component:default/cart"


def file_of(*names: str, **spec: str) -> str:
    """Components, each with a description."""
    texts = (component_yaml(name, **spec) for name in names)
    return "---\n".join(text.replace("spec:", "  description: For sale\nspec:", 1) for text in texts)


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """A registered file with two components."""
    pages.catalog.host.put(URL, file_of("cart", "till"))
    await pages.catalog.register(URL)
    await pages.catalog.settle()
    return pages


async def refreshed(shop: Pages) -> str:
    """Ask for a refresh; returns where its progress is told."""
    await shop.get(page_of(CART))
    answer = await shop.send(page_of(CART, "refresh"))
    assert answer.status_code == 303
    page = await shop.get(answer.headers["location"])
    followed = re.search(r'data-follow="([^"]+)"', page)
    assert followed is not None
    return followed[1]


async def test_a_page_has_a_button_to_read_its_entity_again(shop: Pages) -> None:
    page = await shop.get(page_of(CART))

    assert f'action="{page_of(CART, "refresh")}"' in page
    assert "Refresh Unregister Delete" in words(page)


async def test_a_refresh_is_followed_until_it_has_settled(shop: Pages) -> None:
    shop.catalog.host.put(URL, file_of("cart", "till", owner="bakers"))

    address = await refreshed(shop)
    before = await shop.get(address)
    await shop.catalog.settle()
    after = await shop.get(address)

    assert "Reading it again. Not done yet: generated-" in words(before)
    assert f"Settled at offset {shop.catalog.follower.view.offset}: 1 change . Show it" in words(after)
    assert 'data-follow=""' in after


async def test_it_has_not_settled_between_the_reading_and_what_that_leads_to(shop: Pages) -> None:
    shop.catalog.host.put(URL, file_of("cart", "till", owner="bakers"))
    address = await refreshed(shop)

    told = []
    while await shop.catalog.process():
        told.append(words(await shop.get(address)))

    assert len(told) > 1
    assert all("Not done yet" in each for each in told)


async def test_a_refresh_that_changes_nothing_says_so(shop: Pages) -> None:
    address = await refreshed(shop)
    await shop.catalog.settle()

    assert "nothing has changed." in words(await shop.get(address))


async def test_a_refresh_tells_what_is_wrong_and_where(shop: Pages) -> None:
    shop.catalog.host.put(URL, file_of("till") + "---\n" + file_of("cart", owner=""))

    address = await refreshed(shop)
    await shop.catalog.settle()
    told = words(await shop.get(address))

    assert "an error, and 1 change" in told
    assert f"/spec/owner must be string - type: string In {URL}, line 11 , at /spec/owner" in told


async def test_a_file_that_can_not_be_read_is_an_error_of_the_refresh(shop: Pages) -> None:
    shop.catalog.host.remove(URL)

    address = await refreshed(shop)
    await shop.catalog.settle()

    assert f"nothing was found at {URL} (404 Not Found)" in words(await shop.get(address))


async def test_a_refresh_tells_that_nothing_has_the_entity_any_more(shop: Pages) -> None:
    shop.catalog.host.put(URL, file_of("till"))

    address = await refreshed(shop)
    await shop.catalog.settle()

    assert "1 change . Nothing claims it any more: it is an orphan." in words(await shop.get(address))


async def test_an_entity_that_went_meanwhile_has_settled(shop: Pages) -> None:
    page = await shop.get(page_of("component:default/ghost", "settling"))

    assert "component:ghost is not in the catalog any more" in words(page)


@pytest.mark.parametrize("since", ["-1", "x", "", "٣", "9" * 30])
async def test_an_offset_that_is_none_is_refused(shop: Pages, since: str) -> None:
    answer = await shop.client.get(page_of(CART, "settling"), params={"since": since})

    assert answer.status_code == 400
    assert "is no offset" in words(answer.text)

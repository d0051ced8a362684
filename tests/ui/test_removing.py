"""Unregistering a location and deleting an entity, after a look at what that would lead to."""

import re

import httpx2
import pytest

from callboard.extend import Full
from callboard.ingestion import locations
from callboard.model.refs import LocationRef
from callboard.settings import Settings
from callboard.ui.presenting import page_of
from callboard.ui.routes import PAGES
from tests.api.conftest import app_of, client_of
from tests.api.test_removals import NoUnregistering, OnlyComponents
from tests.harness import component, component_yaml, location_yaml, offered
from tests.ui.conftest import Pages, words

URL = "https://host/shop.yaml"
CART, SHARED = "component:default/cart", "component:default/shared"


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """A registered location that leads to two components, of which a provider has one as well."""
    host = pages.catalog.host
    host.put(URL, location_yaml("shop", ["./cart.yaml", "./shared.yaml"]))
    for name in ("cart", "shared"):
        text = component_yaml(name).replace("spec:", "  description: For sale\nspec:", 1)
        host.put(f"https://host/{name}.yaml", text)
    await pages.catalog.register(URL)
    await pages.catalog.settle()
    await pages.catalog.provide("ci", Full(offered(component("shared"), key="k")))
    await pages.catalog.settle()
    return pages


async def shown(pages: Pages, address: str) -> dict[str, str]:
    """What the form of a page carries beside its secret."""
    return dict(re.findall(r'name="(shown)" value="([^"]+)"', await pages.get(address)))


async def confirmed(pages: Pages, address: str, **form: str) -> httpx2.Response:
    """Look at what a removal would lead to, and do it."""
    return await pages.send(address, **await shown(pages, address), **form)


def members_in(page: str) -> int:
    """How many entities the lists of a removal name."""
    return page.count('title="component:default/c') + page.count('title="location:default/generated-')


async def told_after(pages: Pages, answer: httpx2.Response) -> str:
    """What the page says that *answer* leads to."""
    assert answer.status_code == 303, answer.text
    return words(await pages.get(answer.headers["location"]))


async def test_it_is_told_what_goes_and_what_stays_and_why(shop: Pages) -> None:
    page = words(await shop.get(page_of(CART, "unregister")))

    assert f"Unregister this location? {URL}" in page
    assert "3 entities go. 1 stays, because something else has it." in page
    assert "Stays 1 component:shared because of the provider ci" in page


async def test_unregistering_removes_what_was_shown_and_tells_it(shop: Pages) -> None:
    answer = await confirmed(shop, page_of(CART, "unregister"))

    assert shop.catalog.refs() == [SHARED]
    assert answer.headers["location"] == "/catalog?kind=component"
    assert f"{URL} is unregistered. 3 entities have gone. 1 has stayed." in await told_after(shop, answer)


async def test_what_has_changed_since_it_was_shown_is_not_removed(shop: Pages) -> None:
    form = await shown(shop, page_of(CART, "unregister"))
    shop.catalog.host.put("https://host/cart.yaml", component_yaml("cart") + "---\n" + component_yaml("basket"))
    await shop.catalog.refresh(CART)

    answer = await shop.send(page_of(CART, "unregister"), **form)

    assert answer.status_code == 409
    assert "it has changed meanwhile. Nothing was removed. 4 entities go." in words(answer.text)
    assert CART in shop.catalog.refs()


async def test_whoever_removes_many_entities_types_their_number(pages: Pages) -> None:
    pages.catalog.host.put(URL, "---\n".join(component_yaml(f"c{number:02}") for number in range(25)))
    await pages.catalog.register(URL)
    await pages.catalog.settle()
    address = page_of("component:default/c00", "unregister")

    without, wrong = await confirmed(pages, address), await confirmed(pages, address, count="25")
    right = await confirmed(pages, address, count=" 26 ")

    assert (without.status_code, wrong.status_code, right.status_code) == (409, 409, 303)
    assert "Type the number 26 to remove so many entities. Nothing was removed." in words(wrong.text)
    assert pages.catalog.refs() == []


async def test_long_lists_are_cut_and_counted(pages: Pages) -> None:
    pages.catalog.host.put(URL, "---\n".join(component_yaml(f"c{number:03}") for number in range(110)))
    await pages.catalog.register(URL)
    await pages.catalog.settle()

    address = page_of("component:default/c000", "unregister")
    page, last = await pages.get(address), await pages.get(f"{address}?from=100")
    beyond = await pages.get(f"{address}?from=150")

    for each in (page, last, beyond):
        assert "111 entities go." in words(each)
    assert members_in(page) == members_in(beyond) == 50
    assert "and 61 more" in words(page)
    assert "Next 50" in words(page)
    assert members_in(last) == 11
    assert "101 to 111 of 111" in words(last)
    assert "Previous 50" in words(last)


async def test_each_page_of_a_list_lets_the_same_go(pages: Pages) -> None:
    pages.catalog.host.put(URL, "---\n".join(component_yaml(f"c{number:03}") for number in range(60)))
    await pages.catalog.register(URL)
    await pages.catalog.settle()
    address = page_of("component:default/c000", "unregister")

    answer = await pages.send(address, **await shown(pages, f"{address}?from=50"), count="61")

    assert answer.status_code == 303
    assert pages.catalog.refs() == []


async def test_what_a_provider_delivers_can_not_be_unregistered(shop: Pages) -> None:
    await shop.catalog.provide("hr", Full(offered(component("payroll", location="hr:payroll"))))
    await shop.catalog.settle()

    page = words(await shop.get(page_of("component:default/payroll", "unregister")))

    assert "There is nothing to unregister hr:payroll component:payroll comes from the provider hr" in page
    assert "It can be deleted alone, but it will come back" in page


async def test_what_the_configuration_names_can_not_be_unregistered(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("cart"))
    await pages.catalog.provide("config", Full([locations.offered(LocationRef("url", URL))]))
    await pages.catalog.settle()

    page = words(await pages.get(page_of(CART, "unregister")))

    assert "comes from a location that the server's configuration names" in page
    assert "Delete it…" in page


async def test_a_deletion_tells_who_brings_the_entity_back(shop: Pages) -> None:
    page = words(await shop.get(page_of(SHARED, "delete")))
    answer = await confirmed(shop, page_of(SHARED, "delete"))

    assert "1 entity goes. 1 comes back, because a source still has it." in page
    assert "Comes back 1 component:shared brought by location:shop , the provider ci" in page
    told = await told_after(shop, answer)
    assert f"{SHARED} is deleted. It comes back: location:default/shop still has it, and brings it at once" in told
    assert "the provider ci brings it with its next run." in told


async def test_an_orphan_is_deleted_for_good(shop: Pages) -> None:
    shop.catalog.host.put(URL, location_yaml("shop", ["./shared.yaml"]))
    await shop.catalog.refresh("location:default/shop")

    entity_page = words(await shop.get(page_of(CART)))
    page = words(await shop.get(page_of(CART, "delete")))
    answer = await confirmed(shop, page_of(CART, "delete"))

    assert "Unregister" not in entity_page
    assert "1 entity goes." in page
    assert "Comes back" not in page
    assert f"{CART} is deleted." in await told_after(shop, answer)
    assert CART not in shop.catalog.refs()


async def test_what_a_deleted_location_leaves_behind_is_told(shop: Pages) -> None:
    page = words(await shop.get(page_of("location:default/shop", "delete")))

    assert "1 stays without a source: an orphan." in page
    assert "Becomes an orphan 1 component:cart" in page


async def test_what_somebody_may_not_see_is_counted(shop: Pages) -> None:
    async with client_of(app_of(shop.catalog, pages=PAGES, authorizer=OnlyComponents())) as client:
        page = words(await Pages(shop.catalog, client).get(page_of(CART, "unregister")))

    assert "1 entity goes. 1 stays, because something else has it. 2 more that you may not see are affected." in page


async def test_whoever_may_not_unregister_gets_no_button_and_a_refusal(shop: Pages) -> None:
    async with client_of(app_of(shop.catalog, pages=PAGES, authorizer=NoUnregistering())) as client:
        entity_page = words((await client.get(page_of(CART))).text)
        answer = await client.get(page_of(CART, "unregister"))

    assert "Refresh Delete" in entity_page
    assert answer.status_code == 403
    assert "Permission catalog.location.delete is not granted to the caller" in words(answer.text)


async def test_a_read_only_catalog_says_so_and_keeps_everything(shop: Pages) -> None:
    settings: Settings = shop.catalog.configured.overridden({"catalog.readonly": True})
    async with client_of(app_of(shop.catalog, settings=settings, pages=PAGES)) as client:
        readonly = Pages(shop.catalog, client)
        page = await readonly.get(page_of(CART, "unregister"))
        answer = await readonly.send(page_of(CART, "unregister"))

    assert "The catalog is read-only (catalog.readonly)" in words(page)
    assert "Unregister location" not in words(page)
    assert answer.status_code == 409
    assert CART in shop.catalog.refs()


@pytest.mark.parametrize("action", ["unregister", "delete"])
async def test_what_is_not_there_can_not_be_removed(pages: Pages, action: str) -> None:
    answer = await pages.client.get(page_of("component:default/ghost", action))

    assert answer.status_code == 404

"""The list of entities: what narrows it, what orders it, and its addresses."""

import re
from typing import Any

import pytest

from callboard.extend import Delta, Full
from callboard.ui.narrowing import Wanted
from tests.harness import component, offered
from tests.ui.conftest import Pages, group, with_metadata, words


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """Four components, of which one has neither a lifecycle nor a tag."""
    cart = component("cart", type="service", lifecycle="production", owner="bakers")
    cart = with_metadata(cart, tags=["java", "legacy"], title="The cart")
    oven = component("oven", type="website", lifecycle="experimental", owner="bakers")
    till = component("till", type="service", lifecycle="production", owner="clerks")
    await pages.catalog.provide("p", Full(offered(cart, oven, till, group("bakers"), group("clerks"))))
    await pages.catalog.settle()
    return pages


def listed(page: str) -> list[str]:
    """The names in the first column."""
    rows = re.findall(r"<tr><td class=\"at-name\">.*?href=\"(/catalog/[^\"]+)\"", page, re.DOTALL)
    return [row.rsplit("/", 1)[1] for row in rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["cart", "oven", "till"]),
        ("kind=group", ["bakers", "clerks"]),
        ("kind=all", ["bakers", "cart", "clerks", "oven", "till"]),
        ("type=service", ["cart", "till"]),
        ("type=service&type=website&owner=group:default/bakers", ["cart", "oven"]),
        ("tag=legacy", ["cart"]),
        ("q=the+CART", ["cart"]),
        ("order=-name", ["till", "oven", "cart"]),
        ("order=nonsense&limit=7&state=nonsense", ["cart", "oven", "till"]),
        ("type=%3Cscript%3E", []),
    ],
)
async def test_the_address_says_what_is_listed(shop: Pages, query: str, expected: list[str]) -> None:
    page = await shop.get(f"/catalog?{query}")

    assert listed(page) == expected


async def test_each_choice_says_how_many_have_it_under_all_other_choices(shop: Pages) -> None:
    page = words(await shop.get("/catalog?lifecycle=production"))

    assert "Owner bakers 1 clerks 1" in page
    assert "Lifecycle production 2 experimental 1" in page


async def test_a_text_counts_for_kinds_and_choices_as_well(shop: Pages) -> None:
    page = words(await shop.get("/catalog?q=bak&kind=all"))

    assert "Components 0 Groups 1" in page


async def test_an_owner_is_named_in_short_and_values_in_any_case(shop: Pages) -> None:
    page = await shop.get("/catalog?owner=Bakers&type=SERVICE")

    assert listed(page) == ["cart"]
    assert page.count('value="service"') == 1
    assert re.search(r'name="type" value="service" checked', page)
    assert re.search(r'name="owner" value="group:default/bakers" checked', page)


async def test_the_first_page_leads_to_the_next_and_that_one_back(pages: Pages) -> None:
    await pages.catalog.provide("p", Full(offered(*(component(f"c{number:02}") for number in range(25)))))
    await pages.catalog.settle()

    first = await pages.get("/catalog")
    onward = re.search(r'rel="next" href="([^"]+)"', first)
    assert onward is not None
    second = await pages.get(onward[1].replace("&amp;", "&"))
    back = re.search(r'rel="prev" href="([^"]+)"', second)

    assert len(listed(first)) == 20
    assert listed(second) == [f"c{number}" for number in range(20, 25)]
    assert back is not None
    assert listed(await pages.get(back[1].replace("&amp;", "&"))) == listed(first)


async def test_a_page_that_is_not_known_any_more_is_the_first_one(shop: Pages) -> None:
    answer = await shop.client.get("/catalog?cursor=nonsense")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/catalog?kind=component"


async def test_what_an_order_leaves_out_is_said(shop: Pages) -> None:
    system = await shop.get("/catalog?order=system")

    assert listed(system) == []
    assert "3 more have nothing in this column" in words(system)


async def test_what_an_order_leaves_out_of_what_a_text_finds_is_said(shop: Pages) -> None:
    assert "1 more has nothing in this column" in words(await shop.get("/catalog?order=system&q=till"))


async def test_what_fails_has_a_badge_and_can_be_listed(shop: Pages) -> None:
    await shop.catalog.provide("p", Delta(offered({**component("oven"), "spec": {"type": "website"}})))
    await shop.catalog.settle()

    page = await shop.get("/catalog?state=error")

    assert listed(page) == ["oven"]
    assert "With errors 1" in words(page)
    assert 'class="badge bad"' in page


async def test_the_addresses_of_backstage_lead_to_the_same_list(shop: Pages) -> None:
    answer = await shop.client.get(
        "/catalog?filters[kind]=Component&filters[type]=service&filters[owners][0]=bakers&filters[user]=owned"
    )

    assert answer.headers["location"] == "/catalog?kind=component&type=service&owner=bakers&owned=1"


async def test_all_values_can_be_chosen_from_and_narrowed_by_a_text(shop: Pages) -> None:
    every = await shop.get("/catalog/-/choices/type?kind=component")
    some = await shop.get("/catalog/-/choices/type?kind=component&contains=web")
    none = await shop.client.get("/catalog/-/choices/colour")

    assert "service 2" in words(every)
    assert "service" not in words(some)
    assert 'href="/catalog?kind=component&amp;type=website"' in some
    assert none.status_code == 404


async def test_an_empty_catalog_says_what_to_do(pages: Pages) -> None:
    page = words(await pages.get("/catalog"))

    assert "There are no Components yet" in page
    assert "Register a location" in page


def wanted(**said: Any) -> Wanted:
    usual: dict[str, Any] = {"kind": "component", "chosen": {}, "states": [], "text": "", "owned": False}
    return Wanted(**{**usual, "order": "name", "limit": 20, "mine": None, **said})


def test_what_is_owned_is_what_the_user_or_a_group_of_the_user_owns() -> None:
    mine = ("user:default/ann", "group:default/bakers")

    assert wanted(owned=True, mine=mine).predicate() == {
        "$all": [{"kind": "component"}, {"relations.ownedBy": {"$in": [*mine]}}]
    }


def test_a_choice_is_taken_back_by_choosing_it_again() -> None:
    chosen = wanted(chosen={"tag": ("a", "b")})

    assert chosen.toggled("tag", "a") == "/catalog?kind=component&tag=b"
    assert chosen.toggled("tag", "c") == "/catalog?kind=component&tag=a&tag=b&tag=c"

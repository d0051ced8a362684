"""The list of entities and the search, in a browser."""

from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import expect

from tests.flows.started import Server
from tests.ui.browser.conftest import Window

OpenWindow = Callable[..., Window]


def test_a_filter_takes_effect_when_it_is_ticked_and_is_in_the_address(acme: Server, open_window: OpenWindow) -> None:
    page = open_window(acme).open("/catalog")

    page.get_by_role("checkbox", name="library").check()

    expect(page).to_have_url(f"{acme.url}/catalog?kind=component&type=library")
    expect(page.locator("[data-total]")).to_have_text("3")
    expect(page.get_by_role("checkbox", name="library")).to_be_checked()


def test_the_list_is_used_with_keys_alone(acme: Server, open_window: OpenWindow) -> None:
    page = open_window(acme).open("/catalog")

    page.keyboard.press("/")
    page.keyboard.type("cash")
    expect(page.locator("[data-total]")).to_have_text("1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Cashier")


def test_columns_are_sorted_by_their_headings(acme: Server, open_window: OpenWindow) -> None:
    page = open_window(acme).open("/catalog")

    page.get_by_role("link", name="Owner", exact=True).click()

    expect(page.get_by_role("columnheader", name="Owner")).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("tbody tr").first.locator(".at-owner")).to_have_text("labs/boffins")


def test_the_search_box_finds_entities_of_all_kinds(acme: Server, open_window: OpenWindow) -> None:
    window = open_window(acme)
    page = window.open("/catalog")

    page.get_by_role("searchbox", name="Search the catalog").fill("rocket")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Entities with “rocket”")
    window.check_accessible()
    page.locator("body").press("ArrowDown")
    expect(page.locator("[data-rows] a").first).to_be_focused()


def test_without_scripts_the_list_is_narrowed_by_a_button(acme: Server, open_window: OpenWindow) -> None:
    page = open_window(acme, scripts=False).open("/catalog")

    page.get_by_role("checkbox", name="library").check()
    page.get_by_role("button", name="Find").click()

    expect(page.locator("[data-total]")).to_have_text("3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(acme: Server, open_window: OpenWindow, scheme: str, width: int) -> None:
    window = open_window(acme, width=width, scheme=scheme)

    for path in ("/catalog?tag=java", "/catalog?kind=user&q=nobody", "/catalog/-/choices/tag?kind=component"):
        window.open(path)
        window.check_accessible()


def test_changes_are_counted_until_somebody_wants_to_see_them(own_acme: Server, open_window: OpenWindow) -> None:
    page = open_window(own_acme).open("/catalog")
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "aardvark"},
        "spec": {"type": "service", "lifecycle": "production", "owner": "toolsmiths"},
    }

    httpx2.put(f"{own_acme.url}/api/catalog/providers/ci/entities/component/default/aardvark", json=entity)
    page.get_by_role("button", name="change").click()

    expect(page.locator("tbody tr").first.locator(".at-name")).to_contain_text("aardvark")

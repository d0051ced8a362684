"""Graphs in a browser: following the boxes of an entity's graph, and the whole catalog from domains down to parts."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.flows.started import Server
from tests.ui.browser.conftest import Window


def test_a_graph_is_followed_from_box_to_box(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)
    page = window.open("/catalog/default/component/emporium-web/relations")
    graph = page.get_by_role("group", name="Relations of Emporium website")
    expect(graph.get_by_role("link", name="The Emporium, System · product")).to_be_visible()

    page.get_by_label("Levels").select_option("2")
    page.get_by_label("partOf / hasPart").check()
    page.get_by_role("button", name="Show", exact=True).click()

    expect(graph.get_by_role("link", name="Showroom, Component · service")).to_be_visible()
    expect(graph.get_by_role("link", name="Window Dressers, Group · team")).to_have_count(0)
    graph.get_by_role("link", name="The graph around The Emporium").click()
    expect(page.get_by_role("heading", level=1, name="The Emporium")).to_be_visible()
    page.get_by_text("drawn relations as text").click()
    expect(page.get_by_role("cell", name="Emporium website").first).to_be_visible()
    window.check_accessible()


def test_the_neighbours_of_a_box_stand_out_and_the_drawing_grows(
    acme: Server, open_window: Callable[..., Window]
) -> None:
    page = open_window(acme, width=390, scheme="dark").open("/catalog/default/component/emporium-web/relations?depth=2")
    drawing = page.locator("[data-graph] > svg")
    before = drawing.bounding_box()

    page.get_by_role("link", name="Emporium website, Component · website").focus()
    lit = page.locator(".box.lit")
    expect(lit).to_have_count(8)
    page.get_by_role("button", name="Larger").click()

    after = drawing.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > before["width"] * 1.2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_whole_catalog_is_explored_without_scripts(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme, scripts=False)
    page = window.open("/catalog-graph")

    page.get_by_role("heading", name="Shops").get_by_role("link").click()
    expect(page.get_by_role("group", name="Which systems of Shops use which")).to_be_visible()
    page.get_by_role("link", name="The parts of The till").click()
    expect(page.get_by_role("heading", level=1, name="The till")).to_be_visible()
    page.get_by_role("link", name="Cashier, Component · service").click()

    assert page.url.endswith("/catalog/default/component/cashier")


def test_the_explorer_is_accessible_in_both_schemes(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)
    window.open("/catalog-graph")
    window.check_accessible()

    window.page.emulate_media(color_scheme="dark")
    for path in ("/catalog-graph?domain=shops", "/catalog-graph?system=emporium"):
        window.open(path)
        window.check_accessible()

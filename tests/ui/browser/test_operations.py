"""Operations, in a browser."""

from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import expect

from tests.flows.started import Server
from tests.ui.browser.conftest import Window

OpenWindow = Callable[..., Window]

PATHS = (
    "/operations",
    "/operations/locations",
    "/operations/providers",
    "/operations/providers/config",
    "/operations/conflicts",
    "/operations/unprocessed",
    "/operations/stream",
    "/operations/tail",
)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_is_accessible_and_fits_on_the_screen(
    acme: Server, open_window: OpenWindow, width: int, scheme: str
) -> None:
    window = open_window(acme, width=width, scheme=scheme)

    for path in PATHS:
        page = window.open(path)
        window.check_accessible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"


def test_the_overview_leads_to_what_failed_and_why(acme: Server, open_window: OpenWindow) -> None:
    page = open_window(acme).open("/operations")

    page.get_by_role("link", name="not visible yet").click()

    expect(page.get_by_role("heading", level=2)).to_contain_text("component:default/nobodys-robot")
    expect(page.locator(".problem").first).to_contain_text("must have required property 'owner'")

    page.get_by_role("link", name="What its source offers").click()

    expect(page.get_by_role("dialog")).to_contain_text("name: nobodys-robot")


def test_a_subscription_is_paused_and_told_everything_again(own_acme: Server, open_window: OpenWindow) -> None:
    httpx2.put(f"{own_acme.url}/api/catalog/subscriptions/search", json={"start": "now"})
    window = open_window(own_acme)
    page = window.open("/operations/stream")

    page.get_by_role("button", name="Pause search").click()
    expect(page.get_by_role("status")).to_have_text("The subscription search is paused.")
    page.get_by_role("button", name="Resume search").click()
    page.get_by_role("link", name="Replay search").click()
    dialog = page.get_by_role("dialog")
    window.check_accessible()
    dialog.get_by_label("Begin again after offset").fill("7")
    dialog.get_by_role("button", name="Begin again").click()

    expect(page.get_by_role("status")).to_have_text("The subscription search begins again after offset 7.")

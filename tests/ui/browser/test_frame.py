"""The frame of all pages, in a browser."""

from collections.abc import Callable

from tests.flows.started import Server
from tests.ui.browser.conftest import Window


def test_the_theme_is_kept_for_the_next_page(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)
    page = window.open("/catalog")

    page.get_by_role("button", name="Dark or light").click()
    page.reload()

    assert page.locator("html").get_attribute("data-theme") == "dark"
    window.check_accessible()

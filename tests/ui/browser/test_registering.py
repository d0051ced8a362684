"""Registering a location in a browser, and being rid of it again."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.flows.started import Server
from tests.flows.web import WebHost, web_host
from tests.harness import component_yaml, location_yaml
from tests.ui.browser.conftest import Window


def described(name: str, owner: str = "shop-team") -> str:
    return component_yaml(name, owner).replace("spec:", "  description: For the shop window\nspec:", 1)


def put_shop_window(host: WebHost, owner: str = "shop-team") -> str:
    """A Location that leads to two components, of which the example has one; returns its URL."""
    host.put("parts.yaml", f"{described('window-cleaner', owner)}---\n{described('cashier')}")
    return host.put("window.yaml", location_yaml("window", ["./parts.yaml"]))


def test_a_location_is_looked_at_mended_registered_refreshed_and_unregistered(
    own_acme: Server, open_window: Callable[..., Window]
) -> None:
    window = open_window(own_acme)
    with web_host() as host:
        url = put_shop_window(host, owner="")
        page = window.open("/catalog-import")
        window.check_accessible()

        # What is wrong is told with its place.
        page.get_by_label("URL of a file, or of a repository").fill(url)
        page.get_by_role("button", name="Look what is in it").click()
        expect(page.get_by_role("heading", name="One thing is wrong")).to_be_visible()
        expect(page.get_by_role("link", name=f"{host.url('parts.yaml')}, line 1")).to_be_visible()
        window.check_accessible()

        # Mended, it is shown before it comes in: one is new, the other one somebody else's.
        put_shop_window(host)
        page.get_by_role("button", name="Look again").click()
        expect(page.get_by_role("row", name="Component window-cleaner shop-team New")).to_be_visible()
        expect(page.get_by_role("row", name="Component cashier shop-team Conflict from file:")).to_be_visible()
        window.check_accessible()

        # It is registered, and watched until it has settled.
        page.get_by_role("button", name="Register", exact=True).click()
        expect(page.get_by_text("Settled at offset")).to_contain_text(
            "1 more is there because of another source as well, 1 is in conflict."
        )
        window.check_accessible()

        # What has changed is read again.
        page.get_by_role("link", name="component:window-cleaner").click()
        host.put("parts.yaml", described("window-cleaner", "toolsmiths"))
        page.get_by_role("button", name="Refresh").click()
        expect(page.get_by_text("Settled at offset")).to_contain_text("1 change. Show it")
        window.check_accessible()

        # The dialog says what would go, and Escape leaves everything as it was.
        page.get_by_role("link", name="Unregister").click()
        dialog = page.get_by_role("dialog", name="Unregister this location?")
        expect(dialog).to_contain_text("3 entities go.")
        expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
        window.check_accessible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("link", name="Unregister")).to_be_focused()

        page.get_by_role("link", name="Unregister").click()
        dialog.get_by_role("button", name="Unregister location").click()
        expect(page.get_by_role("status")).to_contain_text(f"{url} is unregistered. 3 entities have gone.")


def test_the_page_to_register_is_accessible_on_a_phone_at_night(
    acme: Server, open_window: Callable[..., Window]
) -> None:
    window = open_window(acme, width=390, scheme="dark")

    window.open("/catalog-import?url=https://github.com/acme/shop")

    window.check_accessible()

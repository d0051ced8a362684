"""The dialogs of an entity's actions, in a browser."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.flows.started import Server
from tests.ui.browser.conftest import Window


def test_a_dialog_leads_from_what_can_not_be_unregistered_to_a_deletion(
    acme: Server, open_window: Callable[..., Window]
) -> None:
    window = open_window(acme, width=390, scheme="dark")
    page = window.open("/catalog/default/component/cashier")

    page.get_by_role("link", name="Unregister").click()
    expect(page.get_by_role("dialog", name="There is nothing to unregister")).to_contain_text("catalog.locations")
    window.check_accessible()
    page.get_by_role("link", name="Delete it…").click()

    dialog = page.get_by_role("dialog", name="Delete cashier?")
    expect(dialog).to_contain_text("1 entity goes. 1 comes back, because a source still has it.")
    window.check_accessible()
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()


def test_a_removal_is_a_page_of_its_own_without_scripts(acme: Server, open_window: Callable[..., Window]) -> None:
    page = open_window(acme, scripts=False).open("/catalog/default/component/cashier")

    page.get_by_role("link", name="Delete", exact=True).click()

    expect(page.get_by_role("heading", name="Delete cashier?")).to_be_visible()
    expect(page.get_by_role("button", name="Delete entity")).to_be_visible()

"""The page of an entity, in a browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.flows.started import Server
from tests.ui.browser.conftest import Window


def test_from_a_component_to_its_owner_and_what_that_one_owns(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)
    page = window.open("/catalog/default/component/cashier")

    expect(page.get_by_role("heading", name="Cashier", level=1)).to_be_visible()
    expect(page.get_by_role("region", name="Depends on")).to_contain_text("Fraud watch")
    window.check_accessible()
    page.get_by_role("region", name="About").get_by_role("link", name="Coin Counters").click()

    owned = page.get_by_role("region", name="Ownership")
    expect(owned.get_by_role("link", name="Components")).to_be_visible()
    expect(page.get_by_role("region", name="Members").get_by_role("link").first).to_be_visible()
    owned.get_by_role("link", name="With groups below").click()
    expect(owned.get_by_role("link", name="With groups below")).to_have_attribute("aria-current", "true")
    window.check_accessible()


def test_a_conflict_is_told_above_the_tabs(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme, width=390, scheme="dark")
    page = window.open("/catalog/default/component/conveyor-control")

    warning = page.get_by_role("region", name="Conflict")
    expect(warning).to_contain_text("location:attic-clear-out offers it as well")
    warning.get_by_text("Location keys").click()
    expect(warning).to_contain_text("attic/conveyor-control.yaml")
    window.check_accessible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_an_api_is_read_operation_by_operation(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)
    page = window.open("/catalog/default/api/payments-rest")

    page.get_by_role("navigation", name="Views of this entity").get_by_role("link", name="Definition").click()
    charge = page.locator("#post-charges")
    charge.locator("summary").first.click()
    expect(charge).to_contain_text("The bank said no.")
    charge.get_by_role("link", name="NewCharge", exact=True).click()

    schema = page.locator("#schema-newcharge")
    expect(schema).to_have_attribute("open", "")
    expect(schema).to_contain_text("paymentMethod")
    window.check_accessible()


@pytest.mark.parametrize(("api", "scheme"), [("stock-events", "light"), ("stock-grpc", "dark")])
def test_definitions_are_accessible(acme: Server, open_window: Callable[..., Window], api: str, scheme: str) -> None:
    window = open_window(acme, scheme=scheme)
    page = window.open(f"/catalog/default/api/{api}/definition")

    page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")

    window.check_accessible()


def test_without_scripts_everything_can_be_read(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme, scripts=False)

    page = window.open("/catalog/default/api/payments-rest/definition?show=post-charges")

    expect(page.get_by_role("heading", name="POST /charges")).to_be_visible()
    page.get_by_role("link", name="NewCharge", exact=True).click()
    expect(page.get_by_role("region", name="NewCharge")).to_contain_text("paymentMethod")

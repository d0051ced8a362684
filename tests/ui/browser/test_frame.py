"""The frame of all pages, in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from callboard.model.json import JsonObject
from tests.flows.started import Server
from tests.ui.browser.conftest import Window, serve_example

TOKEN = "token-of-a-visitor"


@pytest.fixture
def closed_acme(postgres: str, template: str, tmp_path: Path) -> Iterator[Server]:
    """The example catalog, for those who have a token."""
    access: JsonObject = {"type": "static", "options": {"token": TOKEN, "subject": "visitor"}}
    configuration: JsonObject = {"backend": {"auth": {"externalAccess": [access]}}}
    yield from serve_example(postgres, template, tmp_path, configuration, TOKEN)


def test_the_theme_is_kept_for_the_next_page(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)
    page = window.open("/catalog")

    page.get_by_role("button", name="Dark or light").click()
    page.reload()

    assert page.locator("html").get_attribute("data-theme") == "dark"
    window.check_accessible()


def test_a_visitor_logs_in_sees_what_was_wanted_live_and_logs_out(
    closed_acme: Server, open_window: Callable[..., Window]
) -> None:
    window = open_window(closed_acme)
    page = window.open("/catalog/default/component/cashier")
    window.check_accessible()

    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cashier")
    authorization = {"authorization": f"Bearer {TOKEN}"}
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Resource",
        "metadata": {"name": "coins"},
        "spec": {"type": "money", "owner": "coin-counters", "dependencyOf": ["component:cashier"]},
    }
    address = f"{closed_acme.url}/api/catalog/providers/ci/entities/resource/default/coins"
    httpx2.put(address, json=entity, headers=authorization).raise_for_status()
    expect(page.get_by_role("button", name="change")).to_be_visible()
    page.get_by_role("button", name="Log out").click()

    expect(page.get_by_role("status")).to_have_text("You are logged out.")


def test_the_page_of_an_error_is_accessible(acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(acme)

    window.open("/no/such/page")
    window.check_accessible()

    # The browser's own words about the status, which is as it should be.
    [complaint] = window.complaints
    window.complaints.clear()
    assert "404" in complaint

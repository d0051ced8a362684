"""History, inspection and the live tail, in a browser."""

import re
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import expect

from tests.flows.started import Server
from tests.harness import plain
from tests.ui.browser.conftest import Window

CASHIER = "/catalog/default/component/cashier"


def push(server: Server, lifecycle: str) -> None:
    """Let a provider have a toaster."""
    entity = plain("toaster", lifecycle=lifecycle)
    answer = httpx2.put(f"{server.url}/api/catalog/providers/ci/entities/component/default/toaster", json=entity)
    assert answer.status_code in (200, 201)


@pytest.mark.parametrize(
    ("scheme", "paths"),
    [
        ("light", ["history", "history?at=50", "inspect", "inspect?view=ancestry", "inspect?view=yaml", "events"]),
        ("dark", ["history", "inspect"]),
    ],
)
def test_all_that_is_known_of_an_entity_can_be_read_by_everybody(
    acme: Server, open_window: Callable[..., Window], scheme: str, paths: list[str]
) -> None:
    window = open_window(acme, scheme=scheme)

    for path in paths:
        page = window.open(f"{CASHIER}/{path}")
        expect(page.get_by_role("heading", name="Cashier")).to_be_visible()
        window.check_accessible()
    page = window.open("/catalog/default/component/nobodys-robot/inspect")
    expect(page.get_by_text("must have required property 'owner'")).to_be_visible()
    window.check_accessible()


def test_without_scripts_everything_is_there_but_what_comes(acme: Server, open_window: Callable[..., Window]) -> None:
    page = open_window(acme, scripts=False).open("/operations/tail")

    page.get_by_label("Kind").fill("system")
    page.get_by_role("button", name="Show").click()

    expect(page.get_by_role("link", name="system:till")).to_be_visible()
    expect(page.get_by_text("This is how it was when the page was made.")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("row").filter(has_text="system:till").get_by_role("link", name="What changed").click()
    expect(page.get_by_role("heading", name="system:till at offset")).to_be_visible()


def test_changes_are_followed_paused_and_looked_into(own_acme: Server, open_window: Callable[..., Window]) -> None:
    window = open_window(own_acme, width=390)
    page = window.open("/operations/tail?kind=component&name=toast")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    push(own_acme, "experimental")
    row = page.get_by_role("row").filter(has_text="component:toaster")
    expect(row).to_contain_text("added")
    expect(row).to_contain_text("New, or changed at its source")
    expect(row.get_by_role("link", name="provider ci")).to_have_attribute("href", "/operations/providers/ci")

    page.get_by_role("button", name="Pause").click()
    push(own_acme, "production")
    expect(page.get_by_text("1 waiting")).to_be_visible()
    expect(row).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    expect(row).to_have_count(2)

    row.first.get_by_role("link", name=re.compile("What changed")).click()
    expect(page.locator(".expanded")).to_contain_text("+ production")
    window.check_accessible()

    history = window.open("/catalog/default/component/toaster/history")
    expect(history.get_by_text("+ production")).to_be_visible()
    history.get_by_role("button", name="Show").click()
    expect(history.get_by_text("- experimental")).to_be_visible()
    window.check_accessible()
    events = window.open("/catalog/default/component/toaster/events")
    expect(events.get_by_text("Live", exact=True)).to_be_visible()
    httpx2.delete(f"{own_acme.url}/api/catalog/providers/ci/entities/component/default/toaster").raise_for_status()
    expect(events.get_by_role("row").filter(has_text="removed")).to_contain_text("Its provider has it no more")
    removed = window.open("/catalog/default/component/toaster/history")
    expect(removed.get_by_text("This entity was removed")).to_be_visible()
    window.check_accessible()

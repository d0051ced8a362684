"""An unmodified front end of Backstage, in a browser, works against a started Callboard, from an origin of its own."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from callboard.client import CatalogClient, Event
from callboard.model import json
from callboard.model.json import JsonObject
from tests.cli.conftest import ended_after
from tests.flows.started import Server
from tests.flows.web import WebHost, web_host
from tests.ui.browser.conftest import serve_example

BUILT = Path(__file__).parent / "frontend" / "dist"
PATIENCE = 20_000.0
"""Milliseconds that an expectation waits for."""

TILL = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: spare-till
spec:
  type: service
  lifecycle: experimental
  owner: coin-counters
"""

SURE = "Are you sure you want to unregister this entity?"

INSPECTED = {
    "Ancestry": "Cashier",
    "Colocated": "Refund desk",
    "Raw JSON": '"kind": "Component"',
    "Raw YAML": "kind: Component",
}
"""What is shown under each tab of the inspector of the cashier."""

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE)


@dataclass(slots=True)
class FrontEnd:
    """The built front end, served as by Backstage: one page for all addresses, with the configuration in it."""

    url: str = ""
    configuration: JsonObject = field(default_factory=dict)

    def page(self) -> bytes:
        """What a browser gets at first."""
        said = json.encode([{"context": "test", "data": self.configuration}])
        script = b'<script type="backstage.io/config">' + said + b"</script></head>"
        return (BUILT / "index.html").read_bytes().replace(b"</head>", script)

    def handler(self) -> type[SimpleHTTPRequestHandler]:
        """Answers requests."""
        front = self

        class Handler(SimpleHTTPRequestHandler):
            def translate_path(self, path: str) -> str:
                return str(BUILT / path.lstrip("/"))

            def do_GET(self) -> None:
                # A browser that goes on to another page lets its requests fall.
                with contextlib.suppress(ConnectionError):
                    if self.path.startswith("/static/"):
                        super().do_GET()
                        return
                    self.send_response(200)
                    self.send_header("content-type", "text/html; charset=utf-8")
                    self.end_headers()
                    self.wfile.write(front.page())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
                pass

        return Handler


@pytest.fixture(scope="module")
def front() -> Iterator[FrontEnd]:
    """The front end. Skips where it has not been built, unless CALLBOARD_REQUIRE_FRONTEND says that it has to be."""
    if not (BUILT / "index.html").exists():
        reason = "the front end is not built: cd tests/compat/frontend && npm install && npm run build"
        if os.environ.get("CALLBOARD_REQUIRE_FRONTEND"):
            pytest.fail(reason)
        pytest.skip(reason)
    front = FrontEnd()
    with ThreadingHTTPServer(("127.0.0.1", 0), front.handler()) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        front.url = f"http://127.0.0.1:{server.server_port}"
        yield front
        server.shutdown()


@pytest.fixture(scope="module")
def callboard(
    front: FrontEnd, postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The example catalog, which lets pages of the front end call."""
    folder = tmp_path_factory.mktemp("frontend")
    for server in serve_example(postgres, template, folder, {"backend": {"cors": {"origin": front.url}}}):
        front.configuration = {
            "app": {
                "title": "Acme",
                "baseUrl": front.url,
                "extensions": [
                    # Everyone is a guest, and not asked first.
                    {"sign-in-page:app": False},
                    {"page:catalog": {"config": {"pagination": {"mode": "cursor", "limit": 10}}}},
                ],
            },
            "backend": {"baseUrl": server.url},
        }
        yield server


@dataclass(slots=True)
class Window:
    """One window of a browser on the front end, and what went wrong in it."""

    page: Page
    front: str
    calls: list[str] = field(default_factory=list)
    """All that the catalog has answered, as in `GET /entity-facets`."""
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the front end."""
        self.page.goto(self.front + path)
        return self.page

    def hear_response(self, response: Response) -> None:
        """Keep what was asked, and every refusal."""
        place = response.url.partition("/api/catalog")[2]
        said = f"{response.request.method} {place or response.url}"
        if place:
            self.calls.append(said)
        if response.status >= 400:
            self.complaints.append(f"{response.status} {said}: {response.request.post_data}")

    def hear_failure(self, request: Request) -> None:
        """Keep requests that came to nothing, except those that the front end took back itself."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.failure} {request.method} {request.url}")

    def hear_console(self, message: ConsoleMessage) -> None:
        """Keep the errors of scripts."""
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def visitor(callboard: Server, chromium: Browser) -> Iterator[BrowserContext]:
    """One visitor for all windows, whose browser reads the scripts once."""
    context = chromium.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def window(visitor: BrowserContext, front: FrontEnd) -> Iterator[Window]:
    """A window, in which nothing may go wrong."""
    window = Window(visitor.new_page(), front.url)
    window.page.on("response", lambda response: window.hear_response(response))
    window.page.on("requestfailed", lambda request: window.hear_failure(request))
    window.page.on("console", lambda message: window.hear_console(message))
    window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
    yield window
    window.page.close()
    assert window.complaints == []


@pytest.fixture(scope="module")
def web() -> Iterator[WebHost]:
    """Where a file can be registered from."""
    with web_host() as host:
        yield host


def wait_for(ref: str, server: Server) -> None:
    """Follow the stream until the entity has come."""
    with CatalogClient(server.url) as catalog, ended_after(60, server.process):
        for news in catalog.follow(wait=5):
            if isinstance(news, Event) and news.ref == ref:
                return


def expect_title(page: Page, title: str) -> None:
    """The table says what it shows and how much of it there is."""
    expect(page.get_by_role("heading", name=title, exact=True, level=2)).to_be_visible()


def choose(page: Page, action: str, title: str) -> Locator:
    """Choose an *action* of the menu of an entity, and return the dialog with that *title*."""
    page.get_by_role("button", name="more").click()
    page.get_by_role("menuitem", name=action).click()
    # The menu, a dialog as well, is still on its way out.
    return page.get_by_role("dialog", name=title)


def rows(page: Page) -> Locator:
    """The rows of the table of the index."""
    return page.locator("tbody tr").filter(has=page.get_by_role("link"))


def select(page: Page, field_name: str, option: str) -> None:
    """Choose an *option* of a list of choices."""
    page.get_by_label(field_name, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def tick(page: Page, field_name: str, option: str) -> None:
    """Tick an *option* of a list of several. The page drops what is ticked while it still puts its filters together."""
    page.get_by_label(field_name, exact=True).click()
    found = page.get_by_role("option", name=option, exact=True)
    for _ in range(5):
        found.click()
        with contextlib.suppress(AssertionError):
            expect(found.get_by_role("checkbox")).to_be_checked(timeout=PATIENCE / 5)
            return
    raise AssertionError(f"{option} of {field_name} does not stay ticked")


def test_the_index_lists_components_with_their_owners(window: Window) -> None:
    page = window.open("/catalog")

    expect_title(page, "All Components (24)")
    expect(rows(page)).to_have_count(10)
    cashier = rows(page).filter(has_text="Cashier")
    expect(cashier).to_contain_text("Coin Counters")
    expect(cashier).to_contain_text("The till")


def test_the_index_goes_on_to_the_next_page_and_back(window: Window) -> None:
    page = window.open("/catalog")
    expect(rows(page).first).to_contain_text("Anvil UI")

    page.get_by_role("button", name="Next Page").click()
    expect(rows(page).first).not_to_contain_text("Anvil UI")
    page.get_by_role("button", name="Previous Page").click()

    expect(rows(page).first).to_contain_text("Anvil UI")
    assert window.calls.count("POST /entities/by-query") == 2


def test_the_index_is_filtered_by_kind_type_and_owner(window: Window) -> None:
    page = window.open("/catalog")
    expect(rows(page)).to_have_count(10)

    select(page, "Type", "worker")
    expect_title(page, "All worker Components (2)")
    tick(page, "Owner", "Coin Counters")
    expect_title(page, "All worker Components (1)")
    expect(rows(page)).to_contain_text("Refund desk")
    select(page, "Kind", "Resource")

    expect_title(page, "All Resources (1)")
    expect(rows(page)).to_contain_text("Till database")


def test_the_index_searches(window: Window) -> None:
    page = window.open("/catalog")
    expect(rows(page)).to_have_count(10)

    page.get_by_placeholder("Search").fill("cash")

    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Cashier")


def test_an_entity_is_opened_from_the_index_and_looked_into(window: Window) -> None:
    page = window.open("/catalog")

    page.get_by_role("link", name="Cashier", exact=True).click()
    expect(page.get_by_text("Takes the money. Speaks to three banks and trusts none of them.")).to_be_visible()
    for related in ("Fraud watch", "Till database", "Refund desk"):
        expect(page.get_by_role("link", name=related).first).to_be_visible()
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("Refresh scheduled")).to_be_visible()
    inspector = choose(page, "Inspect entity", "Entity Inspector")
    expect(inspector).to_contain_text("component:default/cashier")
    for tab, shown in INSPECTED.items():
        inspector.get_by_role("tab", name=tab).click()
        expect(inspector).to_contain_text(shown)

    assert "POST /refresh" in window.calls


def test_a_group_has_its_members_and_what_it_owns(window: Window) -> None:
    page = window.open("/catalog/default/group/coin-counters")

    for shown in ("Shop Floor", "Hana Kobayashi", "Coin Counters members (1 of 1)"):
        expect(page.get_by_text(shown).first).to_be_visible()
    for owned in ("Component", "API", "Resource", "System"):
        expect(page.get_by_text(owned, exact=True).first).to_be_visible()


def test_relations_are_drawn(window: Window) -> None:
    page = window.open("/catalog-graph?rootEntityRefs[]=component:default/cashier&maxDepth=1")

    for drawn in ("Cashier", "Fraud watch", "Till database", "Refund desk", "Coin Counters", "The till", "Payments"):
        expect(page.locator("svg text").filter(has_text=drawn).first).to_be_visible()


def test_a_configured_entity_does_not_come_from_a_registered_location(window: Window) -> None:
    page = window.open("/catalog/default/component/cashier")

    dialog = choose(page, "Unregister entity", SURE)

    expect(dialog).to_contain_text("does not seem to originate from a registered location")


def test_a_file_is_registered_and_unregistered(window: Window, callboard: Server, web: WebHost) -> None:
    target = web.put("spare-till.yaml", TILL)
    page = window.open("/catalog-import")

    page.get_by_label("URL").fill(target)
    page.get_by_role("button", name="Analyze").click()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("The following entities have been added to the catalog")).to_be_visible()
    wait_for("component:default/spare-till", callboard)
    page.get_by_role("button", name="View Component").click()
    expect(page.get_by_text("experimental").first).to_be_visible()
    dialog = choose(page, "Unregister entity", SURE)
    expect(dialog).to_contain_text("spare-till")
    expect(dialog).to_contain_text(target)
    dialog.get_by_role("button", name="Unregister Location").click()

    expect_title(page, "All Components (24)")
    page.get_by_placeholder("Search").fill("spare-till")
    expect_title(page, "All Components (0)")
    assert any(call.startswith("DELETE /locations/") for call in window.calls)

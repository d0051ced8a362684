"""Pages in a browser, of started servers.

Playwright's synchronous face runs a loop of its own for as long as a browser is open, so no test of a module that uses
it may be asynchronous.
"""

import asyncio
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from callboard.model.json import JsonValue
from tests.conftest import execute, with_database
from tests.flows.started import Record, Server, started

EXAMPLE = Path(__file__).parents[3] / "examples" / "acme" / "app-config.yaml"

_PATIENCE = 15_000.0
"""Milliseconds that an expectation waits for."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. Skips where there is none, unless CALLBOARD_REQUIRE_BROWSER says that there has to be."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CALLBOARD_REQUIRE_BROWSER"):
            pytest.fail("there is no chromium: apt-get install chromium")
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass(slots=True)
class Window:
    """One window of a browser, and what went wrong in it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """What the console has said: errors of scripts, refusals of the content security policy, failed requests."""

    def open(self, path: str) -> Page:
        """Go to a page of the server."""
        self.page.goto(self.url + path)
        return self.page

    def check_accessible(self) -> None:
        """What axe says about the page as it is now: nothing."""
        found = Axe().run(self.page).response["violations"]
        said = [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
        assert said == [], "\n".join([self.page.url, *said])

    def hear(self, message: ConsoleMessage) -> None:
        """Keep what the console says and should not."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")


@pytest.fixture
def open_window(chromium: Browser) -> Iterator[Callable[..., Window]]:
    """Opens windows on servers: `open_window(acme, width=390, scheme="dark")`. All must be silent at the end."""
    opened: list[Window] = []

    def open_one(server: Server | str, *, width: int = 1280, scheme: str = "light", scripts: bool = True) -> Window:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(_PATIENCE)
        window = Window(context.new_page(), server if isinstance(server, str) else server.url)
        # Playwright marks the function that it is given, and an object with slots can't be marked.
        window.page.on("console", lambda message: window.hear(message))
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        opened.append(window)
        return window

    yield open_one
    for window in opened:
        window.page.context.close()
    assert [complaint for window in opened for complaint in window.complaints] == []


def serve_example(
    postgres: str, template: str, folder: Path, configuration: dict[str, JsonValue] | None = None, token: str = ""
) -> Iterator[Server]:
    """`callboard serve` with `examples/acme`, on a database of its own.

    *token* is for a configuration that wants one.
    """
    name = f"callboard_ui_{uuid.uuid4().hex[:8]}"
    _execute(postgres, f'create database "{name}" template "{template}"')
    url = with_database(postgres, name)
    with started(folder, url, configuration, engines=1, example=EXAMPLE) as server:
        _wait_until_settled(server, token)
        yield server
    _execute(postgres, f'drop database "{name}" with (force)')


def _execute(postgres: str, statement: str) -> None:
    """Run a statement, while the loop of an open browser has this thread."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: asyncio.run(execute(postgres, statement))).result()


def _wait_until_settled(server: Server, token: str) -> None:
    # Before that nobody knows of the provider.
    server.log.wait_for(lambda records: any(map(_is_configuration, records)), "what the configuration names")
    address = f"{server.url}/api/catalog/providers/config/status"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    status = httpx2.get(address, params={"wait": "60"}, headers=headers, timeout=90)
    assert status.json()["state"] == "settled"


def _is_configuration(record: Record) -> bool:
    return record["event"] == "ingestion.applied" and record.get("provider") == "config"


@pytest.fixture(scope="session")
def acme(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The example catalog, for tests that only look at it. It is shared by all of them."""
    yield from serve_example(postgres, template, tmp_path_factory.mktemp("acme"))


@pytest.fixture
def own_acme(postgres: str, template: str, tmp_path: Path) -> Iterator[Server]:
    """The example catalog, for one test that changes it."""
    yield from serve_example(postgres, template, tmp_path)

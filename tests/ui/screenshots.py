"""The pictures of the documentation: pages of the example catalog, as Chromium shows them.

`scripts/screenshots` runs it. A picture is in `docs/images` as `<page>-<width>-<scheme>.png`.
"""

import base64
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import httpx2
from playwright.sync_api import Browser, Page, sync_playwright

from callboard.model.json import JsonObject
from callboard.store.embedded import Embedded
from tests.flows.started import Server, started
from tests.flows.web import WebHost
from tests.ui.browser.conftest import EXAMPLE

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOWN = (
    *(f"{page}-1280-light" for page in ("index", "entity", "graph", "history", "unregister", "register", "stream")),
    *("index-1280-dark", "explorer-1280-dark", "operations-1280-light"),
    *("index-390-light", "entity-390-dark", "unregister-390-light", "graph-390-dark"),
)
"""The pictures that the documentation has."""

SCHEMES = ("light", "dark")
SHAPES = {1280: 860, 390: 844}
"""Pixels: the height of a window for each width."""

_ALLOWING: JsonObject = {"callboard": {"subscriptions": {"allow": [{"host": "127.0.0.1:1-65535"}]}}}

_SHOP = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: rocket-skates
  title: Rocket skates
  description: The product page of the rocket skates. Handle with care.
  tags: [{tag}]
spec: {{type: website, lifecycle: {lifecycle}, owner: window-dressers, system: emporium}}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {{name: rocket-fuel, description: How much is left in which skate.}}
spec:
  type: grpc
  lifecycle: experimental
  owner: window-dressers
  system: emporium
  definition: 'syntax = "proto3";'
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {{name: basket}}
spec: {{type: service, lifecycle: production, owner: window-dressers}}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is in front of the camera."""

    server: Server
    web: WebHost
    shop: str
    """The URL of a file that is registered."""
    other: str
    """The URL of one that is not."""


def _unregistering(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.server.url}/catalog/default/component/rocket-skates")
    page.get_by_role("link", name="Unregister").click()
    page.get_by_role("dialog").wait_for()


def _at(path: str) -> Callable[[Page, Stage], None]:
    return lambda page, stage: _open(page, stage.server.url + path)


def _open(page: Page, address: str) -> None:
    page.goto(address)


PAGES: Mapping[str, Callable[[Page, Stage], None]] = {
    "index": _at("/catalog"),
    "entity": _at("/catalog/default/component/cashier"),
    "graph": _at("/catalog/default/component/cashier/relations?depth=2"),
    "history": _at("/catalog/default/component/rocket-skates/history"),
    "unregister": _unregistering,
    "register": lambda page, stage: _open(page, f"{stage.server.url}/catalog-import?url={stage.other}"),
    "operations": _at("/operations"),
    "stream": _at("/operations/stream"),
    "explorer": _at("/catalog-graph"),
}
"""By the name of the picture: how to get there."""


@click.command(epilog="\b\nExample:\n  scripts/screenshots\n  scripts/screenshots --all --out /tmp/pictures")
@click.option("--all", "every", is_flag=True, help="Every page in both widths and schemes, to look at them.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=IMAGES, help="The folder for them.")
def main(every: bool, out: Path) -> None:
    """Take the pictures of the documentation anew."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = [f"{page}-{width}-{scheme}" for width in SHAPES for scheme in SCHEMES for page in PAGES]
    with tempfile.TemporaryDirectory(prefix="callboard-screenshots-") as folder:
        database = Embedded(Path(folder) / "database", durable=False)
        (Path(folder) / "server").mkdir()
        web = WebHost()
        try:
            url = database.ensure_running()
            with (
                _somewhere_plain() as example,
                started(Path(folder) / "server", url, _ALLOWING, engines=1, example=example) as server,
            ):
                _photograph(_prepared(server, web), [name for name in wanted if every or name in SHOWN], out)
        finally:
            web.close()
            database.stop()


@contextlib.contextmanager
def _somewhere_plain() -> Iterator[Path]:
    """The configuration of the example, in a folder whose name says nothing of this machine: pictures show it."""
    folder = Path(tempfile.gettempdir()) / "acme"
    shutil.copytree(EXAMPLE.parent, folder)
    try:
        yield folder / EXAMPLE.name
    finally:
        shutil.rmtree(folder)


def _prepared(server: Server, web: WebHost) -> Stage:
    """The example catalog with something registered, changed, refused and followed."""
    shop = web.put("shop.yaml", _SHOP.format(tag="rockets", lifecycle="experimental"))
    other = web.put("anvils.yaml", _SHOP.replace("rocket-", "anvil-").format(tag="anvils", lifecycle="production"))
    with httpx2.Client(base_url=f"{server.url}/api/catalog", timeout=90) as client:
        location = client.post("/locations", json={"type": "url", "target": shop}).json()["location"]
        client.get("/providers/config/status", params={"wait": "60"})
        client.get(f"/locations/{location['id']}/status", params={"wait": "60"})
        web.put("shop.yaml", _SHOP.format(tag="rockets, sale", lifecycle="production"))
        client.post("/refresh", json={"entityRef": "component:rocket-skates"}, params={"wait": "60"})
        client.put("/subscriptions/portal", json={"filter": ["kind=component"]})
        client.put("/subscriptions/search", json={})
        client.post("/subscriptions/portal/seek", json={"offset": 40})
        secret = "whsec_" + base64.b64encode(b"of nobody who is for real").decode()
        sink = {"type": "webhook", "url": web.url("nobody-listens"), "secrets": [secret]}
        client.put("/subscriptions/audit", json={"sink": sink}).raise_for_status()
    return Stage(server, web, shop, other)


def _photograph(stage: Stage, names: Sequence[str], out: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        raise click.ClickException("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name in names:
            page, width, scheme = name.split("-")
            _take(browser, stage, page, int(width), scheme, out / f"{name}.png")
            click.echo(name)
        browser.close()


def _take(browser: Browser, stage: Stage, name: str, width: int, scheme: str, file: Path) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": SHAPES[width]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    PAGES[name](page, stage)
    page.wait_for_load_state("load")
    page.screenshot(path=file)
    context.close()


if __name__ == "__main__":
    main()

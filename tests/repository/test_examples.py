"""The Python in the pages runs, and so do the examples."""

import ast
import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callboard import settings as configuration
from callboard.extend import Full
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.plugins import load
from tests.flows.receiver import webhook_receiver
from tests.harness import Catalog, component, offered
from tests.testing.verdicts import verdicts

DOCS = Path(__file__).parents[2] / "docs"
TICKER = Path(__file__).parents[2] / "examples/plugins/ticker"
DEPRECATIONS = Path(__file__).parents[2] / "examples/plugins/deprecations"

_FLAGS = re.MULTILINE | re.DOTALL
_BLOCK = re.compile(r"^```python\n(.*?)^```$", _FLAGS)


def blocks(page: str) -> list[str]:
    return _BLOCK.findall((DOCS / page).read_text("utf-8"))


def test_the_processor_of_the_guide_does_what_the_guide_says() -> None:
    written, tried, cases = blocks("howto/write-a-processor.md")
    names: dict[str, Any] = {}

    exec(compile(written, "write-a-processor.md", "exec"), names)
    exec(compile(tried, "write-a-processor.md", "exec"), names)
    exec(compile(cases, "write-a-processor.md", "exec"), names)

    assert type(names["outcome"]).__name__ == "Completed"
    assert verdicts(names["TestOnCall"]()) == {}


def test_the_consumers_of_the_events_page_are_python() -> None:
    lines, pages = blocks("reference/events.md")

    for consumer in (lines, pages):
        assert "urllib" in compile(consumer, "events.md", "exec").co_names


def test_the_distribution_of_the_guide_is_that_of_the_example() -> None:
    head, boards, listings, around, providers, cases = blocks("howto/write-a-provider.md")
    (project,) = re.findall(r"^```toml\n(.*?)^```$", (DOCS / "howto/write-a-provider.md").read_text("utf-8"), _FLAGS)

    assert f"{head}\n\n{boards}\n\n{listings}\n\n{providers}" == (TICKER / "ticker.py").read_text("utf-8")
    assert project == (TICKER / "pyproject.toml").read_text("utf-8")
    assert cases == (TICKER / "test_ticker.py").read_text("utf-8")
    ast.parse(f"class Source:\n{around}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the distribution of the guide, without a network."""
    folder = tmp_path_factory.mktemp("distribution")
    shutil.copytree(TICKER, folder / "ticker", ignore=shutil.ignore_patterns("__pycache__"))
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    arguments = ("-m", "pip", "install", *offline, "--target", str(folder / "site"), str(folder / "ticker"))
    subprocess.run([sys.executable, *arguments], check=True, timeout=120)
    return folder / "site"


def ran(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A Python program in which the distribution is installed."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "APP_CONFIG_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env=own | {"PYTHONPATH": str(site)},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_distribution_of_the_guide_is_listed_when_it_is_installed(site: Path, tmp_path: Path) -> None:
    answer = ran(site, "-m", "callboard", "plugins", cwd=tmp_path)

    assert "ticker  callboard-ticker 1.0  (installed)  provider ticker-boards, incremental" in answer.stdout
    assert "providers:   config, locations, ticker-boards, ticker-listings" in answer.stdout


def test_the_distribution_of_the_guide_passes_the_conformance_cases(site: Path, tmp_path: Path) -> None:
    shutil.copy(TICKER / "test_ticker.py", tmp_path)

    answer = ran(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)

    assert re.search(r"^2\d passed in ", answer.stdout, re.MULTILINE), answer.stdout + answer.stderr


def test_the_handlers_of_the_guide_are_those_of_the_example() -> None:
    example = (DEPRECATIONS / "deprecations.py").read_text("utf-8")

    written = "".join(blocks("howto/react-to-changes.md"))

    assert written in example


async def test_the_handlers_of_the_example_tell_and_list(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(DEPRECATIONS))
    monkeypatch.chdir(tmp_path)
    with webhook_receiver() as chat:
        settings = configuration.read(
            configuration.load([DEPRECATIONS / "app-config.yaml"], {"CHAT_URL": chat.url("hook")})
        )
        observed = Catalog(catalog.database, catalog.clock, catalog.host, settings, catalog.client)
        await observed.provide("ci", Full(offered(api("orders", "deprecated"), api("stock", "production"))))
        await observed.settle()
        await observed.engine.handlers.attend()

        await observed.provide("ci", Full(offered(api("orders", "deprecated"), api("stock", "deprecated"))))
        await observed.settle()
        await observed.provide("ci", Full(offered(api("orders", "production"), api("stock", "deprecated"))))
        await observed.settle()
        await observed.engine.deliveries.step()
        await observed.engine.deliveries.settle()
        said = [json.decode(delivery.body) for delivery in chat.deliveries]

    assert settings.warnings == ()
    assert said == [{"id": f"{observed.follower.view.epoch}.3", "text": "api:default/stock is deprecated"}]
    assert json.decode((tmp_path / "deprecated.json").read_bytes()) == {
        "api:default/stock": {"spec": {"owner": "team"}}
    }


def api(name: str, lifecycle: str) -> JsonObject:
    spec = {"type": "openapi", "lifecycle": lifecycle, "definition": "openapi: 3.1.0"}
    return {**component(name, **spec), "kind": "API"}


async def test_the_providers_of_the_guide_deliver_when_they_are_installed(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, site: Path
) -> None:
    monkeypatch.syspath_prepend(str(site))
    settings = configuration.read(configuration.load([TICKER / "app-config.yaml"], {}))
    exchange = Catalog(catalog.database, catalog.clock, catalog.host, settings, catalog.client)
    (rounds,) = exchange.engine.rounds

    await exchange.connect()
    while await rounds.step() == 0:
        pass
    await exchange.settle()

    assert settings.warnings == ()
    assert [provider.name for provider in load(settings).providers] == ["ticker-boards"]
    assert len(exchange.refs()) == 2 + 250
    relations = exchange.entity("resource:default/main-board")["relations"]
    assert isinstance(relations, list)
    assert len(relations) == 1 + 250
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

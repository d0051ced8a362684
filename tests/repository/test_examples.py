"""The Python in the pages runs, and so do the examples."""

import ast
import asyncio
import re
from pathlib import Path

import pytest

from callboard import settings as configuration
from callboard.extend import Full
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.plugins import load
from tests.flows.receiver import webhook_receiver
from tests.harness import Catalog, component, offered

DOCS = Path(__file__).parents[2] / "docs"
TICKER = Path(__file__).parents[2] / "examples/plugins/ticker"
DEPRECATIONS = Path(__file__).parents[2] / "examples/plugins/deprecations"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return _BLOCK.findall((DOCS / page).read_text("utf-8"))


def test_the_processor_of_the_guide_does_what_the_guide_says() -> None:
    written, tried = blocks("howto/write-a-processor.md")
    names: dict[str, object] = {}

    exec(compile(written, "write-a-processor.md", "exec"), names)
    exec(compile(tried, "write-a-processor.md", "exec"), names)

    assert type(names["outcome"]).__name__ == "Completed"


def test_the_consumers_of_the_events_page_are_python() -> None:
    lines, pages = blocks("reference/events.md")

    for consumer in (lines, pages):
        assert "urllib" in compile(consumer, "events.md", "exec").co_names


def test_the_plugin_of_the_guide_is_that_of_the_example() -> None:
    example = (TICKER / "ticker.py").read_text("utf-8")

    boards, listings, around, providers = blocks("howto/write-a-provider.md")

    assert [block for block in (boards, listings, providers) if block not in example] == []
    ast.parse(f"class Source:\n{around}")


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


async def test_the_providers_of_the_example_deliver(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TICKER))
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

"""The Python in the pages runs, and so do the examples."""

import ast
import asyncio
import re
from pathlib import Path

import pytest

from callboard import settings as configuration
from callboard.plugins import load
from tests.harness import Catalog

DOCS = Path(__file__).parents[2] / "docs"
TICKER = Path(__file__).parents[2] / "examples/plugins/ticker"

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


async def test_the_providers_of_the_example_deliver(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TICKER))
    settings = configuration.read(configuration.load([TICKER / "app-config.yaml"], {}))
    exchange = Catalog(catalog.database, catalog.clock, catalog.host, settings, catalog.client)
    (rounds,) = exchange.engine.rounds

    await exchange.connect()
    while await rounds.step() != 3600:
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

"""Handlers of plugins, in engines that are killed while they are at work."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from callboard.model.json import JsonObject
from tests.flows import stories
from tests.flows.started import started
from tests.harness import plain

pytestmark = pytest.mark.slow

_CODE = """
import asyncio
import os
from pathlib import Path

from callboard.extend import Plugin

def reporter(context):
    folder, plugin = Path(context.options["folder"]), Plugin("reporter")

    @plugin.on_event(filter="kind=component", start=0)
    async def report(event):
        with (folder / "told").open("a") as told:
            told.write(f"{os.getpid()} {event.offset} {event.ref}\\n")
        # A slow receiver, as long as the test wants it.
        while (folder / "hold").exists() and event.ref == "component:default/c4":
            await asyncio.sleep(0.02)

    return plugin
"""


def told(folder: Path) -> list[tuple[int, int, str]]:
    """Who was told of what: process, offset, entity."""
    file = folder / "told"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(pid), int(offset), ref) for pid, offset, ref in (line.split() for line in lines)]


async def test_what_a_killed_engine_was_telling_its_handler_another_engine_tells_again(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "reporting.py").write_text(_CODE)
    (tmp_path / "hold").touch()
    configuration: JsonObject = {
        "callboard": {"plugins": [{"use": "reporting:reporter", "options": {"folder": str(tmp_path)}}]}
    }
    names = [f"c{n}" for n in range(10)]
    with started(tmp_path, database_url, configuration, environment={"PYTHONPATH": str(tmp_path)}) as server:
        async with stories.story(server) as story:
            await story.catalog.push_entities("ci", [plain(name) for name in names])

            async def held() -> bool:
                return any(ref == "component:default/c4" for _, _, ref in told(tmp_path))

            async def delivered() -> bool:
                return (await story.catalog.get_subscription("plugin:reporter.report")).lag == 0

            await story.until(held, "c4 to be told")
            killed = told(tmp_path)[-1][0]
            os.kill(killed, signal.SIGKILL)
            (tmp_path / "hold").unlink()
            await story.until(delivered, "the handler to have everything")
            server.wait_until_whole()
            events = await story.events()
            subscription = await story.catalog.get_subscription("plugin:reporter.report")

    happened = told(tmp_path)
    offsets = [offset for _, offset, _ in happened]
    assert set(offsets) == {event.offset for event in events}
    assert offsets == sorted(offsets)
    # Only what was being told comes twice, from another engine.
    assert Counter(ref for _, _, ref in happened) == Counter(f"component:default/{name}" for name in (*names, "c4"))
    assert len({pid for pid, _, ref in happened if ref == "component:default/c4"}) == 2
    assert (subscription.owner, subscription.attempts) == ("plugin:reporter", 0)

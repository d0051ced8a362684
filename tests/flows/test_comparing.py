"""`python -m benchmarks compare`, between two servers that hold the same or not."""

import asyncio
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks import processes, sockets
from benchmarks.compare import READS, told
from tests.flows.stories import Story
from tests.harness import plain

pytestmark = pytest.mark.slow

QUICK = ("--rounds", "2", "--seconds", "0.01")


async def compared(peer: Story, ours: Story, *flags: str) -> tuple[int, str]:
    """The exit code of a comparison, and what it said."""
    arguments = ("--peer", peer.server.url, "--ours", ours.server.url, *QUICK, *flags)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks", "compare", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_both_take_the_same_in_are_asked_for_the_same_and_give_it_back(
    story: Story, deleting: Story, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"

    code, said = await compared(story, deleting, "--ingest", "100", "--json", str(file))

    assert code == 0, said
    [figures] = json.loads(file.read_text())["results"]
    assert [taken["entities"] for taken in figures["taken"]] == [100, 100]
    assert all(taken["cpu_ms_until_visible"] > 0 for taken in figures["taken"])
    assert {pair["read"] for pair in figures["pairs"]} == set(READS.values())
    assert all(pair["same"] for pair in figures["pairs"])
    assert all(pair[side]["cpu_ms"] is not None for pair in figures["pairs"] for side in ("peer", "ours"))
    await deleting.quiet()
    assert await deleting.refs() == set()


async def test_what_only_one_of_them_shows_is_named_and_not_measured(story: Story, deleting: Story) -> None:
    for each, names in ((story, ("payments", "orders")), (deleting, ("payments", "carts"))):
        await each.catalog.push_entities("ci", [plain(name) for name in names], wait=60)

    code, said = await compared(story, deleting)

    assert code == 1
    told = " ".join(said.split())
    assert "both show 1 entities; only --peer shows 1: component:default/orders" in told
    assert "only --ours shows 1: component:default/carts" in told


async def test_what_differs_is_measured_when_that_is_asked_for(story: Story, deleting: Story) -> None:
    for each, names in ((story, ("payments", "orders")), (deleting, ("payments", "carts"))):
        await each.catalog.push_entities("ci", [plain(name) for name in names], wait=60)

    code, said = await compared(story, deleting, "--although-different")

    assert code == 0, said
    assert "differ" in said
    assert "same" in said


async def test_the_processes_of_a_server_are_found_by_its_port_and_its_database_with_them(story: Story) -> None:
    port = urlsplit(story.server.url).port or 0

    [root] = sockets.roots_of(port)
    databases = sockets.databases_of([root, *processes.below(root)])

    assert root == story.server.process.pid
    assert len(databases) == 1
    assert processes.command_line(databases[0])[0].endswith("postgres")


async def test_a_server_that_is_not_there_is_named(story: Story) -> None:
    code, said = await compared(story, story, "--peer", "http://127.0.0.1:1")

    assert code == 1
    assert "--peer http://127.0.0.1:1 does not answer" in said


def test_facets_say_the_same_in_any_order() -> None:
    values = [{"value": "service", "count": 2}, {"value": "library", "count": 1}]

    assert told({"facets": {"spec.type": values}}) == told({"facets": {"spec.type": values[::-1]}})
    assert told({"facets": {"spec.type": values}}) != told({"facets": {"spec.type": values[:1]}})

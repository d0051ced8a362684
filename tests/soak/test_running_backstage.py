"""Callboard beside a real, running Backstage catalog 4.0: what it holds moves in, and its tools for agents are ours.

Needs Node 20 or newer, and takes about a minute. It is left out unless CALLBOARD_BACKSTAGE_APP names the folder where
the backend is installed:

    cd tests/compat/backend && npm install --ignore-scripts --omit=optional
    CALLBOARD_BACKSTAGE_APP=tests/compat/backend make soak ARGS="-k running_backstage"
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from benchmarks.launch import CLOCK
from callboard.client import CatalogClient
from callboard.mcp.routes import PATH
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_LOCATION
from tests.compat.running import TOKEN, Running, running
from tests.flows.started import Server, started
from tests.flows.web import WebHost, web_host
from tests.harness import component, component_yaml
from tests.mcp.test_tools import RECORDED, without_words

APP = os.environ["CALLBOARD_BACKSTAGE_APP"]
_PATIENCE = 60.0

BROKEN = "component:default/broken"

TREE = """
apiVersion: backstage.io/v1alpha1
kind: Location
metadata: {name: tree}
spec: {type: url, targets: [./one.yaml, ./two.yaml]}
"""
WINNERS = {"till": "first.yaml", "oven": "second.yaml", "sieve": "one.yaml", "scale": None}
"""Where the Backstage has each entity from that several sources claim; the last one from its provider."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A Backstage in which claims clash, and a Callboard that has read the losers already."""

    backstage: Running
    callboard: Server
    web: WebHost


@pytest.fixture(scope="module")
def web() -> Iterator[WebHost]:
    """Where the files are."""
    with web_host() as host:
        yield host


@pytest.fixture(scope="module")
def backstage(postgres: str, tmp_path_factory: pytest.TempPathFactory, web: WebHost) -> Iterator[Running]:
    """A Backstage whose provider has a component that a file claims as well, and files that claim the same."""
    staff: Any = component("staff")
    group = {**staff, "kind": "Group", "spec": {"type": "team", "children": []}}
    people = [group, component("scale", owner="people")]
    folder = tmp_path_factory.mktemp("backstage")
    with running(folder, postgres, app=Path(APP).resolve(), entities=people) as found:
        with CatalogClient(found.url, token=TOKEN) as catalog:
            fill(catalog, web)
        yield found


def fill(catalog: CatalogClient, web: WebHost) -> None:
    """Register files so that each of two wins something that the other one claims as well."""
    until(lambda: has(catalog, "group:staff", "component:scale"))
    for name, text in (("one", component_yaml("sieve")), ("two", component_yaml("sieve", "others"))):
        web.put(f"{name}.yaml", text)
    first = web.put("first.yaml", files("till", "scale"))
    catalog.add_location(first)
    until(lambda: has(catalog, "component:till"))
    catalog.add_location(web.put("second.yaml", files("till", "oven", owner="others")))
    catalog.add_location(web.put("tree.yaml", TREE))
    catalog.add_location(web.put("broken.yaml", component_yaml("broken", owner="")))
    until(lambda: has(catalog, "component:oven", "component:sieve"))
    web.put("first.yaml", files("till", "scale", "oven"))
    asked = web.requests["first.yaml"]
    location = catalog.get_location_by_ref(f"url:{first}")
    assert location is not None
    catalog.refresh_entity("component:till")
    web.wait_until_asked("first.yaml", asked + 1)


def files(*names: str, owner: str = "team") -> str:
    return "---\n".join(component_yaml(name, owner) for name in names)


def has(catalog: CatalogClient, *refs: str) -> bool:
    return all(catalog.get_entities_by_refs(refs))


def until(holds: Callable[[], bool]) -> None:
    """Look again and again until something holds of the Backstage, which has no stream to follow."""
    end = CLOCK.monotonic() + _PATIENCE
    while not holds():
        assert CLOCK.monotonic() < end, "waited in vain"
        # Asked without a pause, it comes to nothing else.
        asyncio.run(CLOCK.sleep(0.2))


@pytest.fixture(scope="module")
def callboard(
    lend_database: Any, tmp_path_factory: pytest.TempPathFactory, web: WebHost, backstage: Running
) -> Iterator[Server]:
    """A Callboard that reads the files the other way round: who loses there comes first here."""
    locations = [{"type": "url", "target": web.url(name)} for name in ("second.yaml", "two.yaml")]
    settings: Any = {"catalog": {"locations": locations}}
    with lend_database() as database, started(tmp_path_factory.mktemp("callboard"), database, settings) as server:
        with CatalogClient(server.url) as catalog:
            catalog.provider_status("config", wait=30)
        yield server


def imported(backstage: Running, callboard: Server, *flags: str) -> tuple[int, Any]:
    """What `callboard import` says, as JSON."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "callboard", "import", "backstage", backstage.url, "--server", callboard.url),
            *("--from-token", TOKEN, "--output", "json", "--timeout", "60", *flags),
        ],
        capture_output=True,
        timeout=180,
    )
    assert run.stdout, run.stderr.decode()
    return run.returncode, json.decode(run.stdout)


def managed(catalog: CatalogClient, name: str) -> str | None:
    found = catalog.get_entity_by_ref(f"component:{name}")
    assert found is not None
    return str(found["metadata"]["annotations"][MANAGED_BY_LOCATION])


def test_all_that_it_shows_is_here_after_an_import_and_conflicts_have_the_winners_that_they_have_there(
    backstage: Running, callboard: Server, web: WebHost
) -> None:
    before, tried = imported(backstage, callboard, "--dry-run")
    code, told = imported(backstage, callboard, "--compare")
    again, nothing = imported(backstage, callboard, "--compare")

    with CatalogClient(backstage.url, token=TOKEN) as there, CatalogClient(callboard.url) as here:
        conflicts = {each.entity_ref: each for each in here.get_conflicts().items}
        winners = {name: (managed(there, name), managed(here, name)) for name in WINNERS}
    assert (before, tried["written"]["added"], len(tried["locations"]["registered"])) == (0, 2, 4)
    assert (code, told["differing"], told["compared"]) == (0, [], len(WINNERS) + 6)
    assert (told["failed"], [each["entityRef"] for each in told["unprocessed"]]) == ([BROKEN], [BROKEN])
    assert {each["outcome"] for each in told["conflicts"]} == {"same", "handed_over"}
    assert sorted(conflicts) == sorted(f"component:default/{name}" for name in WINNERS)
    for name, file in WINNERS.items():
        at = "directory:people" if file is None else f"url:{web.url(file)}"
        assert winners[name] == (at, "provider:imported" if file is None else at)
    assert conflicts["component:default/scale"].rivals[0].location_key == f"url:{web.url('first.yaml')}"
    assert (again, nothing["differing"], nothing["written"]["changed"], nothing["written"]["removed"]) == (0, [], 0, 0)
    assert {each["outcome"] for each in nothing["conflicts"]} == {"same"}


def listed(url: str) -> Any:
    """What a server says of its tools to an agent."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(url, json=asked, headers=accepted)
    assert answer.status_code == 200, answer.text
    return json.decode(answer.text.partition("data: ")[2].encode() or answer.content)


def test_its_tools_for_agents_are_what_was_written_down_and_what_we_have(backstage: Running, callboard: Server) -> None:
    theirs = without_words(listed(f"{backstage.url}/api/mcp-actions/v1")["result"]["tools"])
    ours = without_words(listed(f"{callboard.url}{PATH}")["result"]["tools"])

    assert theirs == RECORDED["tools"]
    for tool in ours:
        tool.pop("title")
    assert ours[: len(theirs)] == theirs

"""An organization on a code host is crawled and heard by a started server, with two engines."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from callboard.model import json
from callboard.model.json import JsonObject
from callboard.testing.github import FakeGitHub
from tests import payloads
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.harness import component_yaml

pytestmark = pytest.mark.slow

COMPONENTS = [f"component:default/c{number}" for number in range(12)]
PROVIDER = "/providers/github-provider:acme"
TOKEN = "t0ken-that-nobody-sees"


@pytest.fixture(scope="module")
def host() -> Iterator[FakeGitHub]:
    """An organization with twelve repositories."""
    host = FakeGitHub(tokens=[TOKEN])
    for number in range(12):
        host.add("acme", f"r{number}", {"catalog-info.yaml": component_yaml(f"c{number}")})
    with host.serve():
        yield host


@pytest.fixture(scope="module")
def crawling(lend_database: Lend, host: FakeGitHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    configuration: JsonObject = {
        "integrations": {"github": [{"host": "github.com", "apiBaseUrl": f"{host.origin}/api/v3", "token": TOKEN}]},
        "events": {"modules": {"github": {"webhookSecret": payloads.SECRET}}},
        "catalog": {
            "rules": [{"allow": ["Component", "Location"]}],
            "processingInterval": "1h",
            "providers": {
                "github": {
                    "acme": {
                        "organization": "acme",
                        "schedule": {"frequency": {"trigger": "manual"}, "timeout": {"minutes": 1}},
                    }
                }
            },
        },
    }
    with lend_database() as url, started(tmp_path_factory.mktemp("crawling"), url, configuration) as server:
        yield server


@pytest.fixture
async def story(crawling: Server) -> AsyncIterator[Story]:
    async with stories.story(crawling) as story:
        yield story


async def hear(story: Story, body: JsonObject) -> JsonObject:
    content = json.encode(body)
    headers = {"content-type": "application/json", **payloads.proofs("github", content)}
    url = f"{story.server.url}/api/events/http/github"
    async with httpx2.AsyncClient() as http:
        answer = await http.post(url, content=content, headers=headers)
    assert answer.status_code == 202, answer.text
    told: JsonObject = answer.json()
    return told


async def test_a_round_brings_everything_a_push_is_heard_and_no_secret_is_told(
    story: Story, host: FakeGitHub, crawling: Server
) -> None:
    waiting = (await story.http.get(PROVIDER)).json()
    assert waiting["ingestion"]["nextAt"] is None
    assert (await story.http.post(f"{PROVIDER}/trigger", json={})).status_code == 200
    await story.until_visible(*COMPONENTS)
    await story.quiet()
    host.forget()

    changed = host.push(host.repositories["acme/r3"], {"catalog-info.yaml": component_yaml("c3", owner="others")})
    told = await hear(story, changed)
    await story.until_owned("component:default/c3", "others")
    asked = host.total
    assert asked <= 3
    assert told["refreshed"] == 1

    new = host.push(host.add("acme", "new"), {"catalog-info.yaml": component_yaml("new")})
    assert (await hear(story, new))["providers"] == {"github-provider:acme": {"changed": 1, "removed": 0}}
    await story.until_visible(*COMPONENTS, "component:default/new")

    everything = [(await story.http.get(path)).text for path in (PROVIDER, "/entities", "/events?limit=1000")]
    everything += [str(record) for record in crawling.log.records]
    assert not [text for text in everything if TOKEN in text]

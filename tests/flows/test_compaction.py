"""A server that remembers for some seconds: readers follow, come back, and are sent away, while it forgets."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from callboard.client import CatalogClient, Event, EventPage
from callboard.errors import OffsetExpired
from callboard.model.json import JsonObject
from tests.audit import audit
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.harness import component_yaml

pytestmark = pytest.mark.slow

_CONFIGURATION: JsonObject = {
    "catalog": {"orphanStrategy": "delete"},
    "callboard": {
        "processing": {"lease": "2s", "batchSize": 50},
        "stream": {"ringSize": 1, "historyRetention": "1s", "tombstoneRetention": "2s"},
    },
}


@pytest.fixture(scope="module")
def forgetful_server(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps changes for one second, and removals for two."""
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, _CONFIGURATION) as server:
        yield server


@pytest.fixture
async def forgetful(forgetful_server: Server) -> AsyncIterator[Story]:
    async with stories.story(forgetful_server) as story:
        yield story
        await story.clear()


async def status(story: Story) -> dict[str, int]:
    async with httpx2.AsyncClient(base_url=story.server.url, trust_env=False) as http:
        content: dict[str, int] = (await http.get("/api/catalog/events/status")).json()
        return content


async def until_forgotten(story: Story, offset: int, floor: str = "tombstoneFloor") -> None:
    """Wait until a floor has come to an offset."""

    async def forgotten() -> bool:
        return (await status(story))[floor] >= offset

    await story.until(forgotten, f"the {floor} to come to {offset}")


def put(story: Story, *names: str, owner: str = "team") -> str:
    return story.host.put("all.yaml", "---\n".join(component_yaml(name, owner=owner) for name in names))


async def test_a_catalog_is_loaded_page_by_page_while_its_removals_are_forgotten(forgetful: Story) -> None:
    names = [f"c{number}" for number in range(20)]
    url = put(forgetful, *names)
    await forgetful.register(url)
    await forgetful.until_visible(*(f"component:default/{name}" for name in names))
    put(forgetful, *names[1:])
    await forgetful.refresh("component:default/c1")
    await forgetful.quiet()

    held: set[str] = set()
    with CatalogClient(forgetful.server.url) as catalog:
        page = catalog.events(0, mode="compacted", limit=3)
        take(held, page)
        await until_forgotten(forgetful, page.next_offset + 1)
        with pytest.raises(OffsetExpired):
            catalog.events(page.next_offset, mode="compacted")
        while not page.caught_up:
            page = catalog.events(page.next_offset, mode="compacted", limit=3, began=page.began)
            take(held, page)

    assert {ref for ref in held if ref.startswith("component:")} == {f"component:default/{name}" for name in names[1:]}


def take(held: set[str], page: EventPage) -> None:
    for event in page.events:
        (held.discard if event.type == "removed" else held.add)(event.ref)


async def test_who_was_away_for_too_long_is_sent_back_and_ends_with_the_catalog(forgetful: Story) -> None:
    url = put(forgetful, "a", "b", "c")
    await forgetful.register(url)
    await forgetful.until_visible("component:default/a", "component:default/b", "component:default/c")
    before = await forgetful.quiet()
    put(forgetful, "a", "c", owner="others")
    await forgetful.refresh("component:default/a")
    await forgetful.quiet()
    await until_forgotten(forgetful, before + 1)

    held: set[str] = set()
    with CatalogClient(forgetful.server.url) as catalog:
        with pytest.raises(OffsetExpired):
            list(catalog.follow(before, until_caught_up=True))
        for news in catalog.follow(until_caught_up=True):
            match news:
                case Event(type="removed"):
                    held.discard(news.ref)
                case Event():
                    held.add(news.ref)

    assert held & {f"component:default/{name}" for name in "abc"} == {"component:default/a", "component:default/c"}
    await audit(forgetful.server.database_url)

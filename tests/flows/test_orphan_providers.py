"""What becomes of a provider that is configured no more, told over HTTP, with two engines."""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from callboard.model.json import JsonObject
from tests.flows import stories
from tests.flows.started import Server, started
from tests.harness import plain

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"
WAIT = 60.0

_CODE = """
from callboard.extend import Full, Offered

class Inventory:
    name = "inventory"

    async def connect(self, connection):
        place = "url:https://inventory.example.com/"
        annotations = {
            "backstage.io/managed-by-location": place, "backstage.io/managed-by-origin-location": place
        }
        await connection.apply(Full([Offered({
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": "payments", "annotations": annotations},
            "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
        })]))
"""

Start = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Start:
    """Starts a server on one database, with or without the plugin."""
    module = f"inventory_{uuid.uuid4().hex}"
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / f"{module}.py").write_text(_CODE)

    def start(*, plugin: bool, catalog: Mapping[str, JsonObject | str]) -> AbstractContextManager[Server]:
        plugins: list[JsonObject] = [{"use": f"{module}:Inventory"}] if plugin else []
        configuration: JsonObject = {"catalog": {**catalog}, "callboard": {"plugins": [*plugins]}}
        return started(tmp_path, database_url, configuration, environment={"PYTHONPATH": str(folder)})

    return start


async def test_what_a_provider_had_is_kept_when_it_is_configured_no_more(start: Start) -> None:
    with start(plugin=True, catalog={}) as server:
        async with stories.story(server) as story:
            await story.until_visible(PAYMENTS)
            before = await story.quiet()

    with start(plugin=False, catalog={}) as server:
        async with stories.story(server) as story:
            server.log.wait_for(
                lambda records: any(record["event"] == "providers.not_connected" for record in records),
                "the provider to be named",
            )

            assert (await story.refs(), await story.quiet()) == ({PAYMENTS}, before)
            assert (await story.catalog.get_provider("inventory")).entities == 1
            assert await story.orphans() == set()


async def test_what_a_provider_had_goes_when_it_is_configured_no_more_and_that_is_wanted(start: Start) -> None:
    with start(plugin=True, catalog={"orphanProviderStrategy": "delete"}) as server:
        async with stories.story(server) as story:
            await story.catalog.push_entities("ci", [plain("orders")], wait=WAIT)
            await story.until_visible(PAYMENTS, ORDERS)

    with start(plugin=False, catalog={"orphanProviderStrategy": "delete"}) as server:
        async with stories.story(server) as story:
            await story.until_visible(ORDERS)

            assert "inventory" not in {provider.name for provider in await story.catalog.get_providers()}

"""A source that is ill does not empty the catalog, told over HTTP, with two engines."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from callboard.client import Provider
from callboard.errors import RemovalRefused
from callboard.model.json import JsonObject
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.flows.web import web_host
from tests.harness import component_yaml, plain

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS, BILLING = "component:default/payments", "component:default/orders", "component:default/billing"
WAIT = 60.0

_GUARDED: JsonObject = {"catalog": {"providerOptions": {"cmdb": {"maxRemovalPercent": 50, "refuseEmpty": True}}}}


@pytest.fixture(scope="module")
def guarding_server(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a removal guard for the provider `cmdb`."""
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, _GUARDED) as server:
        yield server


@pytest.fixture
async def story(guarding_server: Server) -> AsyncIterator[Story]:
    """A story in which `cmdb` has three entities."""
    async with stories.story(guarding_server) as story:
        await story.catalog.push_entities("cmdb", [plain("payments"), plain("orders"), plain("billing")], wait=WAIT)
        yield story
        await story.clear()


async def until_refused_in_metrics(story: Story, *providers: str) -> None:
    """Wait until the metrics, which remember what they have looked up for a moment, tell of these refusals."""

    async def told() -> bool:
        text = (await story.http.get(f"{story.server.url}/metrics")).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        refused = families["callboard_removals_refused"].samples
        return {sample.labels["provider"] for sample in refused if sample.value} == set(providers)

    await story.until(told, f"the metrics to tell of {providers}")


def refusals(server: Server, provider: str) -> list[object]:
    """The reasons of all refusals that the log tells of."""
    records = [record for record in server.log.records if record["event"] == "ingestion.refused"]
    return [record["reason"] for record in records if record["provider"] == provider]


async def test_a_set_that_would_withdraw_too_much_is_refused_as_a_whole(story: Story) -> None:
    before = await story.quiet()

    with pytest.raises(RemovalRefused) as refused:
        await story.catalog.push_entities("cmdb", [plain("payments", "others"), plain("new")])

    assert (refused.value.held, refused.value.removed, refused.value.limit) == (3, 2, 50)
    assert (await story.refs(), await story.quiet()) == ({PAYMENTS, ORDERS, BILLING}, before)


async def test_a_delta_that_would_withdraw_too_much_is_refused_as_well(story: Story) -> None:
    before = await story.quiet()

    with pytest.raises(RemovalRefused):
        await story.catalog.push_delta("cmdb", [plain("new")], [PAYMENTS, ORDERS])

    assert (await story.refs(), await story.quiet()) == ({PAYMENTS, ORDERS, BILLING}, before)


async def test_what_is_refused_shows_with_its_provider_in_the_log_and_in_the_metrics(story: Story) -> None:
    with pytest.raises(RemovalRefused) as refused:
        await story.catalog.push_entities("cmdb", [])

    provider = await story.catalog.get_provider("cmdb")
    assert provider.refused is not None
    assert (provider.refused.held, provider.refused.removed) == (3, 3)
    assert provider.refused.reason in str(refused.value)
    assert refusals(story.server, "cmdb")[-1] == provider.refused.reason
    await until_refused_in_metrics(story, "cmdb")


async def test_a_source_that_has_recovered_is_refused_no_more(story: Story) -> None:
    with pytest.raises(RemovalRefused):
        await story.catalog.push_entities("cmdb", [])

    await story.catalog.push_entities("cmdb", [plain("payments"), plain("orders"), plain("billing")])

    assert (await story.catalog.get_provider("cmdb")).refused is None
    await until_refused_in_metrics(story)


async def test_an_operator_lets_one_removal_through_and_no_other(story: Story) -> None:
    with pytest.raises(RemovalRefused):
        await story.catalog.push_entities("cmdb", [plain("payments")])

    await story.catalog.let_removal_through("cmdb")
    await story.catalog.push_entities("cmdb", [plain("payments")])
    let_through = await story.refs()
    with pytest.raises(RemovalRefused):
        await story.catalog.push_entities("cmdb", [])

    assert let_through == await story.refs() == {PAYMENTS}


async def test_a_dry_run_tells_what_the_guard_would_refuse(story: Story) -> None:
    tried = await story.catalog.push_entities("cmdb", [], dry_run=True)

    assert tried.refused is not None
    assert "maxRemovalPercent" in tried.refused or "refuseEmpty" in tried.refused
    assert (await story.catalog.get_provider("cmdb")).refused is None


async def test_a_configuration_that_was_emptied_takes_nothing_away_until_somebody_says_so(
    tmp_path: Path, database_url: str
) -> None:
    def configuration(*targets: str) -> JsonObject:
        locations: list[JsonObject] = [{"type": "url", "target": target} for target in targets]
        return {"catalog": {"locations": [*locations], "providerOptions": {"config": {"refuseEmpty": True}}}}

    with web_host() as host:
        target = host.put("a.yaml", component_yaml("payments"))
        with started(tmp_path, database_url, configuration(target)) as server:
            async with stories.story(server) as story:
                await story.until_visible(PAYMENTS)

        with started(tmp_path, database_url, configuration()) as server:
            async with stories.story(server) as story:

                async def config() -> Provider:
                    return await story.catalog.get_provider("config")

                async def refused() -> bool:
                    return (await config()).refused is not None

                await story.until(refused, "the empty configuration to be refused")
                await until_refused_in_metrics(story, "config")
                await story.catalog.push_entities("other", [plain("orders")], wait=WAIT)
                meanwhile = await story.refs()
                await story.catalog.let_removal_through("config")
                await story.until_visible(ORDERS)

                assert refusals(server, "config")
                assert meanwhile == {PAYMENTS, ORDERS}
                assert (await config()).refused is None

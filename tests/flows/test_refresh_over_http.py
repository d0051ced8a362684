"""Reading again: on request, and by itself on the interval, told over HTTP, with two engines."""

from pathlib import Path

import pytest

from callboard.errors import NotFound
from tests.flows import stories
from tests.flows.started import started
from tests.flows.stories import Story
from tests.flows.web import web_host
from tests.harness import component_yaml, location_yaml

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"


async def test_refreshing_an_entity_reads_its_file_and_those_above_it_and_nothing_else(story: Story) -> None:
    with web_host() as elsewhere:
        story.host.put("beside.yaml", component_yaml("beside"))
        story.host.put("a.yaml", component_yaml("payments"))
        root = location_yaml("root", ["./a.yaml"]) + "---\n" + location_yaml("more", ["./beside.yaml"])
        await story.register(story.host.put("root.yaml", root))
        await story.register(elsewhere.put("b.yaml", component_yaml("orders")))
        everything = {"location:default/root", "location:default/more", PAYMENTS, ORDERS, "component:default/beside"}
        await story.until_visible(*everything)

        story.host.put("a.yaml", component_yaml("payments", owner="others"))
        await story.refresh(PAYMENTS)
        await story.until_owned(PAYMENTS, "others")
        await story.quiet()

        assert story.host.requests == {"root.yaml": 2, "a.yaml": 2, "beside.yaml": 1}
        assert elsewhere.requests == {"b.yaml": 1}


async def test_a_file_that_has_not_changed_is_not_sent_again_and_makes_no_event(story: Story) -> None:
    await story.register(story.host.put("a.yaml", component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    before = await story.quiet()

    await story.refresh(PAYMENTS)
    after = await story.quiet()

    assert story.host.requests == {"a.yaml": 2}
    assert story.host.bodies_sent == {"a.yaml": 1}
    assert after == before


async def test_registering_again_reads_again_where_that_is_asked_for(story: Story) -> None:
    url = story.host.put("a.yaml", component_yaml("payments"))
    location = await story.register(url)
    await story.until_visible(PAYMENTS)

    story.host.put("a.yaml", component_yaml("payments", owner="others"))
    again = await story.catalog.add_location(url, on_conflict="refresh")
    await story.until_owned(PAYMENTS, "others")

    assert again.location == location


async def test_refreshing_what_is_not_there_says_so(story: Story) -> None:
    with pytest.raises(NotFound, match="component:default/nobody"):
        await story.refresh("component:default/nobody")


async def test_on_the_interval_files_come_break_and_recover_without_a_request(
    tmp_path: Path, database_url: str
) -> None:
    with started(tmp_path, database_url, {"catalog": {"processingInterval": "1s"}}) as server:
        async with stories.story(server) as story:
            location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
            await story.until_visible(PAYMENTS)

            story.host.put("a.yaml", component_yaml("payments", owner="others"))
            await story.until_owned(PAYMENTS, "others")
            story.host.break_("a.yaml")
            await story.until_status(str(location.entity_ref), "500")
            story.host.put("a.yaml", component_yaml("payments", owner="recovered"))
            await story.until_owned(PAYMENTS, "recovered")
            await story.until_status(str(location.entity_ref), "")

            assert {event.ref for event in await story.events()} == {PAYMENTS, location.entity_ref}

"""Trying out an entity, and all that it leads to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from callboard.app import build_pipeline
from callboard.errors import InvalidInput
from callboard.extend import Processor, Run
from callboard.ingestion.locations import location_entity
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject
from callboard.model.refs import LocationRef
from callboard.model.rules import Rules
from callboard.processing import trial
from callboard.processing.pipeline import Pipeline
from callboard.processing.trial import Limits
from callboard.settings import KindSetting, RuleSetting, Settings
from callboard.testing import FakeClock, FakeHost
from tests.harness import component, component_yaml, location_yaml

URL = "https://host/a.yaml"
LIMITS = Limits()


@pytest.fixture
async def client(host: FakeHost) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=host.transport) as opened:
        yield opened


@pytest.fixture
def pipeline(settings: Settings, client: httpx2.AsyncClient, clock: FakeClock) -> Pipeline:
    """What the engines of an installation run."""
    return build_pipeline(settings, client, clock)


def root() -> JsonObject:
    return location_entity(LocationRef("url", URL))


async def names(pipeline: Pipeline, limits: Limits = LIMITS) -> list[str]:
    return [entity_ref(entity).name for entity in await trial.follow(pipeline, root(), limits)]


class Waits(Processor):
    """Comes to no end."""

    name = "waits"

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        await asyncio.Event().wait()
        return entity


class Exaggerates(Processor):
    """Makes a number that JSON has no room for."""

    name = "exaggerates"

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        return entity if run.ref.kind == "location" else {**entity, "spec": {"size": 2**70}}


async def test_what_a_location_leads_to_is_processed(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, location_yaml("nested", ["b.yaml"]) + "---\n" + component_yaml("a"))
    host.put("https://host/b.yaml", component_yaml("b"))

    found = await trial.follow(pipeline, root(), LIMITS)

    assert [entity_ref(entity).name for entity in found[1:]] == ["nested", "a", "b"]
    metadata = found[-1]["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {
        "backstage.io/managed-by-location": "url:https://host/b.yaml",
        "backstage.io/managed-by-origin-location": f"url:{URL}",
        "backstage.io/view-url": "https://host/b.yaml",
    }


async def test_the_errors_of_all_entities_of_a_file_are_told(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, "---\n".join(component_yaml(name, owner="") for name in ("a", "b")))

    with pytest.raises(InvalidInput) as refused:
        await names(pipeline)

    assert "entity component:default/a" in str(refused.value)
    assert "entity component:default/b" in str(refused.value)


async def test_a_hundred_errors_are_enough(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, "---\n".join(component_yaml(f"c{number}", owner="") for number in range(103)))

    with pytest.raises(InvalidInput, match=r", and 3 more$"):
        await names(pipeline)


async def test_what_no_rule_allows_is_refused(settings: Settings, client: httpx2.AsyncClient, host: FakeHost) -> None:
    components = settings.overridden({"catalog.rules": (RuleSetting((KindSetting("Component"),)),)})
    host.put(URL, location_yaml("nested", ["b.yaml"]))

    with pytest.raises(
        InvalidInput, match=r"^NotAllowedError: Entity location:default/nested at url:https://host/a.yaml"
    ):
        await names(build_pipeline(components, client, FakeClock()))


@pytest.mark.parametrize("second", [URL, "https://host/b.yaml"])
async def test_an_entity_that_comes_twice_is_refused(pipeline: Pipeline, host: FakeHost, second: str) -> None:
    host.put(URL, location_yaml("nested", [second]) + "---\n" + component_yaml("a"))
    host.put("https://host/b.yaml", component_yaml("a"))

    with pytest.raises(InvalidInput, match=r"^Duplicate nested entity: (component:default/a|location:default/nested)$"):
        await names(pipeline)


async def test_an_entity_that_is_twice_in_one_file_is_refused(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, component_yaml("a") + "---\n" + component_yaml("b") + "---\n" + component_yaml("a", owner="b"))

    with pytest.raises(InvalidInput, match=r"^Duplicate nested entity: component:default/a$"):
        await names(pipeline)


async def test_a_document_without_a_name_is_an_error_like_any_other(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, component_yaml("a") + "---\nkind: Component\n")

    with pytest.raises(InvalidInput, match="holds something that is not an entity"):
        await names(pipeline)


async def test_more_entities_than_there_is_room_for_are_refused(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, "---\n".join(component_yaml(f"c{number}") for number in range(3)))

    assert len(await names(pipeline, Limits(entities=4))) == 4
    with pytest.raises(InvalidInput, match="leads to more than 3 entities"):
        await names(pipeline, Limits(entities=3))


async def test_no_more_targets_are_read_when_there_is_no_room_for_them(pipeline: Pipeline, host: FakeHost) -> None:
    for number in range(5):
        host.put(f"https://host/{number}.yaml", component_yaml(f"c{number}"))
    host.put(URL, location_yaml("nested", [f"{number}.yaml" for number in range(5)]))

    with pytest.raises(InvalidInput, match="leads to more than 2 entities"):
        await names(pipeline, Limits(entities=2))

    assert "https://host/4.yaml" not in host.requests


async def test_locations_that_lead_on_and_on_are_refused(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, location_yaml("l0", ["1.yaml"]))
    for number in range(1, 5):
        host.put(f"https://host/{number}.yaml", location_yaml(f"l{number}", [f"{number + 1}.yaml"]))

    with pytest.raises(InvalidInput, match="nested deeper than 3 levels"):
        await names(pipeline, Limits(depth=3))


@pytest.mark.parametrize("follow", [True, False])
async def test_what_takes_too_long_is_given_up(follow: bool) -> None:
    endless = Pipeline([Waits()], [], Rules(), {})
    limits = Limits(seconds=0)

    if follow:
        with pytest.raises(InvalidInput, match="no result within 0 seconds"):
            await trial.follow(endless, root(), limits)
    else:
        assert [str(error) for error in await trial.check(endless, root(), limits)] == [
            "There was no result within 0 seconds"
        ]


async def test_the_files_of_this_machine_are_not_looked_at(pipeline: Pipeline) -> None:
    entity = location_entity(LocationRef("url", URL))
    entity["spec"] = {"type": "file", "target": "/etc/hostname"}

    [error] = await trial.check(pipeline, entity, LIMITS)

    assert "file:/etc/hostname can't be read for url:https://host/a.yaml" in str(error)


async def test_a_number_that_json_can_not_say_is_an_error(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, component_yaml("a"))
    exaggerating = replace(pipeline, processors=[*pipeline.processors, Exaggerates()])

    with pytest.raises(InvalidInput, match="component:default/a can't be written as JSON"):
        await names(exaggerating)


async def test_a_check_reads_the_targets_of_a_location_and_goes_no_further(pipeline: Pipeline, host: FakeHost) -> None:
    host.put(URL, component_yaml("a", owner=""))

    assert await trial.check(pipeline, root(), LIMITS) == []
    assert host.requests[URL] == 1


async def test_a_check_tells_what_is_wrong(pipeline: Pipeline) -> None:
    [error] = await trial.check(pipeline, component("a", owner=5), LIMITS)

    assert "/spec/owner must be string" in str(error)

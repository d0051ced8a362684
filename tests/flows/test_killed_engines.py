"""Engines of a started server that are killed in the middle of their work, while readers look on over HTTP."""

from collections import Counter

import pytest

from callboard.model.changes import ChangeType
from tests.flows.stories import Story
from tests.harness import component_yaml, location_yaml

pytestmark = pytest.mark.slow

_FILES, _EACH = 30, 40
_REFS = {f"component:default/c{file}-{n}" for file in range(_FILES) for n in range(_EACH)}


def put_many(story: Story, owner: str = "team") -> str:
    """Let the host serve a root with many files, and return its URL."""
    for file in range(_FILES):
        content = "---\n".join(component_yaml(f"c{file}-{n}", owner=owner) for n in range(_EACH))
        story.host.put(f"{file}.yaml", content)
    return story.host.put("root.yaml", location_yaml("root", [f"./{file}.yaml" for file in range(_FILES)]))


async def until_events(story: Story, since: int, number: int) -> None:
    """Wait until so much has happened after an offset."""

    async def happened() -> bool:
        return await story.head() >= since + number

    await story.until(happened, f"{number} events")


async def test_a_large_registration_arrives_as_a_whole_though_an_engine_is_killed_in_the_middle(story: Story) -> None:
    await story.register(put_many(story))
    await until_events(story, story.began, len(_REFS) // 4)

    story.server.kill_engine("engine-1")
    await story.until_visible("location:default/root", *_REFS)

    happened = Counter((event.type, event.ref) for event in await story.events() if event.ref in _REFS)
    assert happened == dict.fromkeys(((ChangeType.ADDED, ref) for ref in _REFS), 1)


async def test_nothing_is_lost_when_all_engines_are_killed_at_once(story: Story) -> None:
    await story.register(put_many(story))
    await until_events(story, story.began, len(_REFS) // 4)

    for role in ("engine-1", "engine-2"):
        story.server.kill_engine(role)
    await story.until_visible("location:default/root", *_REFS)

    happened = Counter((event.type, event.ref) for event in await story.events() if event.ref in _REFS)
    assert happened == dict.fromkeys(((ChangeType.ADDED, ref) for ref in _REFS), 1)


async def test_a_change_of_everything_is_told_once_for_each_though_engines_are_killed_in_turn(story: Story) -> None:
    await story.register(put_many(story))
    await story.until_visible("location:default/root", *_REFS)
    before = await story.quiet()

    put_many(story, owner="others")
    await story.refresh("component:default/c0-0")
    for turn, role in enumerate(("engine-1", "engine-2"), start=1):
        await until_events(story, before, turn * len(_REFS) // 4)
        story.server.kill_engine(role)
    await until_events(story, before, len(_REFS))

    happened = Counter((event.type, event.ref) for event in await story.events(since=before))
    assert happened == dict.fromkeys(((ChangeType.UPDATED, ref) for ref in _REFS), 1)
    assert await story.orphans() == set()


async def test_a_file_that_was_being_read_when_all_engines_died_is_read_by_their_successors(story: Story) -> None:
    story.host.hold("a.yaml")
    await story.register(story.host.url("a.yaml"))
    await story.until_asked("a.yaml", 1)

    for role in ("engine-1", "engine-2"):
        story.server.kill_engine(role)
    story.host.put("a.yaml", component_yaml("payments"))
    await story.until_visible("component:default/payments")

    assert story.host.requests == {"a.yaml": 2}

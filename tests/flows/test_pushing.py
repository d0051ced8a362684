"""Entities that somebody writes over HTTP, told over HTTP, with two engines."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from callboard.client import Cause, Entity, Pushed
from callboard.errors import InvalidRows, KeyReused, PreconditionFailed
from callboard.model import json
from callboard.model.changes import ChangeType
from callboard.model.json import JsonObject
from tests.flows.stories import Story
from tests.harness import component_yaml, plain

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS, BILLING = "component:default/payments", "component:default/orders", "component:default/billing"
WAIT = 60.0
"""Seconds after which nobody waits for anything to settle any more."""


def broken(name: str) -> JsonObject:
    """An entity that can be stored, and is none of its kind."""
    entity = plain(name)
    return {**entity, "spec": {"type": "service", "owner": "team"}}


async def changes(story: Story, since: int) -> list[tuple[str, str]]:
    """What the stream tells after an offset."""
    return [(event.type.value, event.ref) for event in await story.events(since)]


async def written(story: Story, provider: str = "ci") -> list[Entity]:
    """All that the provider has, as it wrote it."""
    return [entity async for entity in story.catalog.iterate_provider_entities(provider)]


async def test_a_written_entity_is_visible_at_the_offset_that_its_answer_tells(story: Story) -> None:
    answer = await story.http.put(
        "/providers/ci/entities/component/default/payments", json=plain("payments"), params={"wait": "settled"}
    )
    seen = await story.entity(PAYMENTS)

    told = answer.json()
    assert (answer.status_code, told["added"], told["status"]["state"]) == (201, 1, "settled")
    assert seen["spec"] == plain("payments")["spec"]
    [event] = await story.events()
    assert (event.ref, event.offset) == (PAYMENTS, told["offset"])
    assert event.cause == Cause(source="provider:ci", location="provider:ci", because="changed")


async def test_of_two_who_change_one_version_the_second_one_is_told(story: Story) -> None:
    first = await story.catalog.put_provider_entity("ci", plain("payments"), wait=WAIT)

    outcomes = await asyncio.gather(
        *(
            story.catalog.put_provider_entity("ci", plain("payments", owner), if_match=first.etag, wait=WAIT)
            for owner in ("one", "other")
        ),
        return_exceptions=True,
    )

    [lost] = [outcome for outcome in outcomes if isinstance(outcome, PreconditionFailed)]
    [won] = [owner for owner, outcome in zip(("one", "other"), outcomes, strict=True) if outcome is not lost]
    assert await story.owner(PAYMENTS) == won
    assert await changes(story, first.offset) == [("updated", PAYMENTS)]


async def test_several_who_count_up_one_entity_lose_no_step(story: Story) -> None:
    await story.catalog.put_provider_entity("ci", plain("payments", steps=0))

    async def count(steps: int) -> None:
        while steps:
            read = await story.catalog.get_provider_entity("ci", PAYMENTS)
            raised = plain("payments", steps=int(str(read.entity["spec"]["steps"])) + 1)
            try:
                await story.catalog.put_provider_entity("ci", raised, if_match=read.etag)
            except PreconditionFailed:
                continue
            steps -= 1

    await asyncio.gather(*(count(5) for _ in range(4)))
    await story.catalog.provider_status("ci", wait=WAIT)

    assert (await story.entity(PAYMENTS))["spec"]["steps"] == 20


async def test_an_entity_that_must_be_new_is_written_by_one_alone(story: Story) -> None:
    outcomes = await asyncio.gather(
        *(story.catalog.put_provider_entity("ci", plain("payments", str(n)), if_absent=True) for n in range(5)),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes].count(Pushed) == 1
    assert [type(outcome) for outcome in outcomes].count(PreconditionFailed) == 4


async def test_a_written_entity_is_withdrawn(story: Story) -> None:
    await story.catalog.push_entities("ci", [plain("payments"), plain("orders")], wait=WAIT)

    await story.catalog.delete_provider_entity("ci", PAYMENTS)

    assert await story.refs() == {ORDERS}


async def test_of_a_whole_set_what_is_missing_goes_and_what_is_the_same_makes_no_event(story: Story) -> None:
    first = await story.catalog.push_entities("ci", [plain("payments"), plain("orders"), plain("same")], wait=WAIT)

    second = await story.catalog.push_entities(
        "ci", [plain("same"), plain("payments", "others"), plain("billing")], wait=WAIT
    )

    assert (second.added, second.changed, second.removed, second.unchanged) == (1, 1, 1, 1)
    assert await story.refs() == {"component:default/same", PAYMENTS, BILLING}
    assert sorted(await changes(story, first.offset)) == [
        ("added", BILLING),
        ("removed", ORDERS),
        ("updated", PAYMENTS),
    ]


async def test_an_empty_set_takes_everything_away_in_one_moment(story: Story) -> None:
    first = await story.catalog.push_entities("ci", [plain("payments"), plain("orders")], wait=WAIT)

    second = await story.catalog.push_entities("ci", [])

    gone = await story.events(first.offset)
    assert [event.ref for event in gone] == [ORDERS, PAYMENTS]
    assert ({event.at for event in gone}, gone[-1].offset) == ({gone[0].at}, second.offset)


async def test_of_a_set_with_a_malformed_row_nothing_is_stored_and_the_row_is_named(story: Story) -> None:
    first = await story.catalog.push_entities("ci", [plain("payments")], wait=WAIT)

    with pytest.raises(InvalidRows) as refused:
        await story.catalog.push_entities("ci", [plain("orders"), b'{"kind": "Component"', plain("payments", "others")])
    await story.quiet()

    assert [row["row"] for row in refused.value.rejected] == [2]
    assert [entity["spec"] for entity in await written(story)] == [plain("payments")["spec"]]
    assert await changes(story, first.offset) == []


async def test_a_set_may_be_a_json_array(story: Story) -> None:
    answer = await story.http.put(
        "/providers/ci/entities", json=[plain("payments"), plain("orders")], params={"wait": "settled"}
    )

    assert answer.json()["status"]["state"] == "settled"
    assert await story.refs() == {PAYMENTS, ORDERS}


async def test_a_set_of_any_length_is_never_in_memory_as_a_whole(story: Story) -> None:
    api = story.server.api()
    before, sent = largest(api), 0

    def rows() -> Iterator[bytes]:
        nonlocal sent
        for number in range(50_000):
            row = json.encode(plain(f"c{number}", description="x" * 1_500))
            sent += len(row)
            yield row
        # All of it has come in when this is seen; with it nothing is stored, which would take far longer.
        yield b"{"

    with pytest.raises(InvalidRows) as refused:
        await story.catalog.push_entities("ci", rows())

    assert [row["row"] for row in refused.value.rejected] == [50_001]
    assert largest(api) - before < sent / 2
    assert await story.refs() == set()


def largest(pid: int) -> int:
    """How many bytes of memory a process has had at most."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1_024


async def test_with_partial_the_good_rows_are_stored_and_what_is_malformed_stays(story: Story) -> None:
    await story.catalog.push_entities("ci", [plain("payments"), plain("orders")], wait=WAIT)
    malformed: JsonObject = {**plain("payments"), "metadata": {"name": "payments", "annotations": []}}

    pushed = await story.catalog.push_entities("ci", [malformed, plain("billing")], partial=True, wait=WAIT)

    assert [(row.row, row.ref) for row in pushed.rejected] == [(1, PAYMENTS)]
    assert await story.refs() == {PAYMENTS, BILLING}


async def test_a_delta_leaves_the_others_as_they_are(story: Story) -> None:
    first = await story.catalog.push_entities("ci", [plain("payments"), plain("orders"), plain("same")], wait=WAIT)

    await story.catalog.push_delta("ci", [plain("payments", "others"), plain("billing")], [ORDERS], wait=WAIT)

    assert await story.refs() == {"component:default/same", PAYMENTS, BILLING}
    assert sorted(await changes(story, first.offset)) == [
        ("added", BILLING),
        ("removed", ORDERS),
        ("updated", PAYMENTS),
    ]


def kill_engines(story: Story) -> None:
    """Kill all engines, and wait until there are others."""
    for role in ("engine-1", "engine-2"):
        story.server.kill_engine(role)
    story.server.wait_until_whole()


BETWEEN: Mapping[str, Callable[[Story], None]] = {
    "at once": lambda _: None,
    "after all engines were killed": kill_engines,
    "after the API was killed": lambda story: story.server.kill_api(),
}


@pytest.mark.parametrize("when", BETWEEN)
async def test_a_request_that_comes_again_under_its_key_does_nothing_again(story: Story, when: str) -> None:
    async def push() -> Pushed:
        return await story.catalog.push_entities("ci", [plain("payments"), plain("orders")], idempotency_key="run 7")

    first = await push()
    await story.catalog.push_entities("ci", [plain("payments", "others")], wait=WAIT)
    before = await story.quiet()

    BETWEEN[when](story)
    again = await push()
    await story.quiet()

    assert (first.replayed, again.replayed) == (False, True)
    assert (again.added, again.entities) == (first.added, first.entities) == (2, 2)
    assert (await story.refs(), await story.owner(PAYMENTS)) == ({PAYMENTS}, "others")
    assert await changes(story, before) == []


async def test_another_request_under_the_same_key_is_refused(story: Story) -> None:
    await story.catalog.push_entities("ci", [plain("payments")], idempotency_key="run 7", wait=WAIT)

    with pytest.raises(KeyReused):
        await story.catalog.push_entities("ci", [plain("orders")], idempotency_key="run 7")

    assert await story.refs() == {PAYMENTS}


async def test_a_dry_run_tells_what_the_push_then_does(story: Story) -> None:
    names = {"added": "added", "changed": "updated", "removed": "removed"}
    before = await story.catalog.push_entities("ci", [plain("payments"), plain("orders"), plain("same")], wait=WAIT)
    after = [plain("payments", "others"), plain("same"), plain("billing")]

    tried = await story.catalog.push_entities("ci", after, dry_run=True)
    nothing = await changes(story, before.offset)
    done = await story.catalog.push_entities("ci", after, wait=WAIT)

    told = [(names[difference.change], difference.ref) for difference in tried.difference]
    assert (nothing, sorted(told)) == ([], sorted(await changes(story, before.offset)))
    assert (tried.added, tried.changed, tried.removed) == (done.added, done.changed, done.removed)
    [patch] = [difference.patch for difference in tried.difference if difference.ref == PAYMENTS]
    assert patch == [{"op": "replace", "path": "/spec/owner", "value": "others"}]


async def test_an_answer_that_waits_names_the_failures_and_all_else_can_be_read(story: Story) -> None:
    pushed = await story.catalog.push_entities("ci", [plain("payments"), broken("orders"), plain("billing")], wait=WAIT)
    seen = await story.refs()

    status = pushed.status
    assert status is not None
    assert (status.state, status.entities, status.settled, status.failed) == ("settled", 3, 2, 1)
    [failure] = status.failures
    assert (failure.ref, failure.visible) == (ORDERS, False)
    assert "lifecycle" in failure.errors[0].message
    assert seen == {PAYMENTS, BILLING}
    assert {event.offset for event in await story.events()} <= set(range(pushed.offset + 1))


async def test_a_written_location_is_followed_as_long_as_it_is_there(story: Story) -> None:
    location: JsonObject = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": "shop"},
        "spec": {"type": "url", "target": story.host.put("a.yaml", component_yaml("payments"))},
    }

    pushed = await story.catalog.push_entities("ci", [location, plain("orders")], wait=WAIT)
    followed = await story.refs()
    await story.catalog.push_entities("ci", [plain("orders")])

    assert pushed.status is not None
    assert pushed.status.entities == 3
    assert followed == {"location:default/shop", PAYMENTS, ORDERS}
    assert await story.refs() == {ORDERS}


async def test_many_entities_of_one_request_are_there_once_though_an_engine_is_killed_in_the_middle(
    story: Story,
) -> None:
    names = [f"c{number}" for number in range(5_000)]

    async def half() -> bool:
        return await story.head() >= story.began + len(names) // 3

    await story.catalog.push_entities("ci", (plain(name) for name in names))
    await story.until(half, "a third of the entities")
    story.server.kill_engine("engine-1")
    status = await story.catalog.provider_status("ci", wait=WAIT)

    assert (status.state, status.entities, status.failed) == ("settled", len(names), 0)
    happened = Counter((event.type, event.ref) for event in await story.events())
    assert happened == {(ChangeType.ADDED, f"component:default/{name}"): 1 for name in names}


async def test_what_was_acknowledged_is_not_lost_when_the_api_is_killed(story: Story) -> None:
    acknowledged: list[str] = []
    begun = asyncio.Event()

    async def write(writer: int) -> None:
        for number in range(1_000):
            name = f"c{writer}-{number}"
            try:
                answer = await story.http.put(f"/providers/ci/entities/component/default/{name}", json=plain(name))
            except httpx2.TransportError:
                return
            if not answer.is_success:
                return
            acknowledged.append(name)
            if len(acknowledged) >= 20:
                begun.set()

    async with asyncio.TaskGroup() as writers:
        for writer in range(4):
            writers.create_task(write(writer))
        await begun.wait()
        await asyncio.to_thread(story.server.kill_api)
    status = await story.catalog.provider_status("ci", wait=WAIT)

    assert (status.state, status.failed) == ("settled", 0)
    assert {f"component:default/{name}" for name in acknowledged} <= await story.refs()


async def test_the_last_set_is_there_though_the_api_was_killed_right_after_its_answer(story: Story) -> None:
    await story.catalog.push_entities("ci", [plain("payments"), plain("orders")])

    story.server.kill_api()
    await story.catalog.provider_status("ci", wait=WAIT)

    assert await story.refs() == {PAYMENTS, ORDERS}


async def test_a_job_pushes_what_its_files_say(story: Story, tmp_path: Path) -> None:
    (tmp_path / "payments.yaml").write_text(component_yaml("payments"))
    (tmp_path / "orders.yaml").write_text(component_yaml("orders"))

    pushed = await asyncio.to_thread(push, story, tmp_path)
    first = await story.refs()
    (tmp_path / "orders.yaml").unlink()
    (tmp_path / "payments.yaml").write_text(component_yaml("payments", owner="others"))
    tried = await asyncio.to_thread(push, story, tmp_path, "--dry-run")
    await asyncio.to_thread(push, story, tmp_path)

    assert (pushed.returncode, first) == (0, {PAYMENTS, ORDERS})
    assert f"- {ORDERS}" in tried.stdout
    assert f"~ {PAYMENTS}" in tried.stdout
    assert (await story.refs(), await story.owner(PAYMENTS)) == ({PAYMENTS}, "others")


def push(story: Story, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """`callboard push` of all files in a folder."""
    command = [sys.executable, "-m", "callboard", "push", "ci", str(folder), "--server", story.server.url, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)

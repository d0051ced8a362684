"""The history of an entity on its page."""

from collections.abc import Sequence

import pytest

from callboard.extend import Full
from callboard.model.json import JsonObject
from callboard.ui import comparing
from callboard.ui.comparing import Line
from tests.harness import component, component_yaml, location_yaml, offered
from tests.stream.publishing import forget
from tests.ui.conftest import Pages, words

A = "/catalog/default/component/a"


async def provide(pages: Pages, *entities: JsonObject) -> None:
    await pages.catalog.provide("ci", Full(offered(*entities)))
    await pages.catalog.settle()


@pytest.fixture
async def changed(pages: Pages) -> Pages:
    """a is added at 1, a website at 2."""
    for kind in ("service", "website"):
        await provide(pages, component("a", type=kind))
    return pages


@pytest.fixture
async def removed(changed: Pages) -> Pages:
    """The same, and it is gone at 3."""
    await provide(changed)
    return changed


async def test_each_version_says_what_has_changed_and_why(changed: Pages) -> None:
    said = words(await changed.get(f"{A}/history"))

    newest, _, oldest = said.partition("spec.type - service → became + website")
    assert "at offset 2 New, or changed at its source source provider ci" in newest
    assert "at offset 1 New, or changed at its source" in oldest


async def test_a_cause_leads_to_the_provider(changed: Pages) -> None:
    assert '<a href="/operations/providers/ci">provider ci</a>' in await changed.get(f"{A}/history")


async def test_a_cause_leads_to_the_location_in_which_the_entity_stands(pages: Pages) -> None:
    pages.catalog.host.put("https://host/shop.yaml", location_yaml("shop", ["./a.yaml"]))
    pages.catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await pages.catalog.register("https://host/shop.yaml")
    await pages.catalog.settle()

    page = await pages.get(f"{A}/history")

    assert '<a href="/catalog/default/location/shop">location:shop</a>' in page
    assert '<a href="https://host/a.yaml">https://host/a.yaml</a>' in page


async def test_what_an_entity_says_of_itself_is_shown_and_not_obeyed(pages: Pages) -> None:
    await provide(pages, component("a"))
    await provide(pages, component("a", type="<script>alert(1)</script>"))

    page = await pages.get(f"{A}/history")

    assert "+ &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


async def test_older_versions_are_on_the_next_page(pages: Pages) -> None:
    for number in range(17):
        await provide(pages, component("a", type=f"type-{number}"))

    first = await pages.get(f"{A}/history")
    second = await pages.get(f"{A}/history?before=3")

    assert f'href="{A}/history?before=3"' in first
    assert "type-1 → became + type-2" in words(first)
    assert "type-0 → became + type-1" in words(second)
    assert "Nothing older is known" in words(second)


async def test_below_the_history_floor_the_last_version_is_known_alone(changed: Pages) -> None:
    await forget(changed.catalog.database, 2)
    await changed.catalog.look()

    said = words(await changed.get(f"{A}/history"))

    assert "How it was before is not known any more" in said
    assert "at offset 1" not in said


async def test_any_version_is_shown_whole(changed: Pages) -> None:
    then = words(await changed.get(f"{A}/history?at=1"))
    now = words(await changed.get(f"{A}/history?at=2"))

    assert "type : service" in then
    assert "type : website" in now


async def test_the_last_version_is_shown_whole_though_it_is_below_the_history_floor(changed: Pages) -> None:
    await forget(changed.catalog.database, 2)
    await changed.catalog.look()

    assert "type : website" in words(await changed.get(f"{A}/history?at=2"))


@pytest.mark.parametrize(
    ("compared", "told"),
    [("from=1&to=2", "- service → became + website"), ("from=2&to=1", "- website → became + service")],
)
async def test_two_versions_are_compared_in_either_direction(changed: Pages, compared: str, told: str) -> None:
    assert f"spec.type {told}" in words(await changed.get(f"{A}/history?{compared}"))


async def test_what_was_removed_says_so_and_keeps_its_versions(removed: Pages) -> None:
    page = await removed.get(f"{A}/history")

    said = words(page)
    assert ", at offset 3 . Its provider has it no more source provider ci" in said
    assert "spec.type - service → became + website" in said
    assert f'<a href="{A}/history?at=2">Its last version</a>' in page
    assert "type : website" in words(await removed.get(f"{A}/history?at=2"))
    assert "It had been removed at offset 3" in words(await removed.get(f"{A}/history?at=3"))


async def test_what_readers_have_never_seen_has_no_version(pages: Pages) -> None:
    broken = component("a")
    del broken["spec"]
    await provide(pages, broken)

    said = words(await pages.get(f"{A}/history"))

    assert "it has never been good" in said
    assert "No version yet" in said


async def test_nothing_is_there_of_what_never_was(pages: Pages) -> None:
    answer = await pages.client.get(f"{A}/history")

    assert answer.status_code == 404


@pytest.mark.parametrize("query", ["before=x", "at=-1", "at=1.5", "from=1", "to=²", f"at={10**30}"])
async def test_an_offset_that_is_none_is_told(changed: Pages, query: str) -> None:
    answer = await changed.client.get(f"{A}/history?{query}")

    assert answer.status_code == 400
    assert "must be an offset" in words(answer.text)


async def test_one_change_has_a_page(removed: Pages) -> None:
    updated = words(await removed.get(f"{A}/changes/2"))
    gone = words(await removed.get(f"{A}/changes/3"))
    other = await removed.client.get(f"{A}/changes/4")

    assert "spec.type - service → became + website" in updated
    assert "It was removed." in gone
    assert other.status_code == 404


def lines(before: str, after: str) -> Sequence[Line]:
    (change,) = comparing.compare({"spec": {"definition": before}}, {"spec": {"definition": after}}).changes
    return change.lines


def test_of_a_long_text_only_the_lines_that_are_other_are_shown_with_their_place() -> None:
    before = "\n".join(f"line {number}" for number in range(20))

    found = lines(before, before.replace("line 7", "line seven"))

    assert found == [
        Line("@", "line 6"),
        Line(" ", "line 5"),
        Line(" ", "line 6"),
        Line("-", "line 7"),
        Line("+", "line seven"),
        Line(" ", "line 8"),
        Line(" ", "line 9"),
    ]


def test_places_far_from_each_other_are_told_apart() -> None:
    before = "\n".join(f"line {number}" for number in range(40))

    found = lines(before, before.replace("line 3\n", "third\n").replace("line 33", "thirty-third"))

    assert [line.text for line in found if line.sign == "@"] == ["line 2", "line 32"]


def test_a_text_that_is_all_other_is_cut() -> None:
    found = comparing.compare({"a": "x\n" * 5_000}, {"a": "y\n" * 5_000}).changes[0]

    assert [line.sign for line in found.lines] == ["-"] * 40 + ["+"] * 40
    assert found.left_out == 9_920


def test_relations_are_told_one_by_one() -> None:
    owned: JsonObject = {"type": "ownedBy", "targetRef": "group:default/a"}
    part: JsonObject = {"type": "partOf", "targetRef": "system:default/s"}

    found = comparing.compare({"relations": [owned]}, {"relations": [owned, part]}).changes

    assert [(change.path, change.kind, change.after) for change in found] == [
        ("relations", "added", "partOf system:default/s")
    ]


def test_what_changes_with_every_version_says_nothing() -> None:
    before: JsonObject = {"metadata": {"name": "a", "etag": "1", "uid": "2"}}

    assert comparing.compare(before, {"metadata": {"name": "a", "etag": "3", "uid": "4"}}).changes == []

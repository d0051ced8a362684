"""Causes: each event says what led to it."""

from callboard.extend import Delta, Full
from callboard.model import json
from callboard.model.causes import Because, Reason
from callboard.model.json import JsonObject
from callboard.store import schedule
from tests.harness import Catalog, component, offered

A, B = "component:default/a", "component:default/b"


async def causes(catalog: Catalog, since: int = 0) -> list[tuple[str, JsonObject]]:
    """(ref, cause) of all changes after an offset."""
    return [(change.ref, _object(change.cause)) for change in await catalog.history() if change.offset > since]


def _object(text: str | None) -> JsonObject:
    found = json.decode(text or "null")
    assert isinstance(found, dict)
    return found


async def test_what_a_provider_offers_has_it_as_its_source_and_its_key_as_its_location(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), key="url:https://host/a.yaml")))
    await catalog.settle()

    assert await causes(catalog) == [
        (A, {"source": "provider:ci", "location": "url:https://host/a.yaml", "because": "changed"})
    ]


async def test_a_neighbour_says_whose_relation_it_was(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("a"))))
    await catalog.settle()

    await catalog.provide("two", Full(offered(component("b", dependsOn=["component:a"]))))
    await catalog.settle()

    assert await causes(catalog, since=1) == [
        (B, {"source": "provider:two", "because": "changed"}),
        (A, {"source": "provider:one", "because": "relations", "neighbour": B}),
    ]


async def test_a_relation_that_went_with_its_entity_names_it(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("a"))))
    await catalog.provide("two", Full(offered(component("b", dependsOn=["component:a"]))))
    await catalog.settle()
    before = catalog.follower.view.offset

    await catalog.provide("two", Full([]))
    await catalog.settle()

    assert await causes(catalog, since=before) == [
        (B, {"source": "provider:two", "because": "withdrawn"}),
        (A, {"source": "provider:one", "because": "relations", "neighbour": B}),
    ]


async def test_what_is_processed_for_a_request_says_which_and_whose(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.process()

    async with catalog.database.transaction() as tx:
        await schedule.request(tx, [A], reason=Reason(Because.DEPLOY, "external:ops"))
        await tx.connection.execute("update entities set result_hash = null")
        await tx.connection.execute("delete from stitch_queue")
    await catalog.settle()

    assert await causes(catalog) == [(A, {"source": "provider:ci", "because": "deploy", "by": "external:ops"})]


async def test_a_conflict_begins_and_ends_with_an_event_of_its_own(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("a"), key="k1")))
    await catalog.settle()

    await catalog.provide("two", Full(offered(component("a", owner="others"), key="k2")))
    await catalog.settle()
    await catalog.provide("two", Full([]))
    await catalog.settle()

    told = {"source": "provider:one", "location": "k1", "because": "conflict"}
    assert await causes(catalog, since=1) == [
        (A, {**told, "conflict": [{"source": "provider:two", "locationKey": "k2"}]}),
        (A, told),
    ]


async def test_the_last_of_many_marks_is_told_with_the_content_that_it_brought(catalog: Catalog) -> None:
    await catalog.provide("one", Delta(added=offered(component("a"))))
    await catalog.provide("two", Delta(added=offered(component("b", dependsOn=["component:a"]))))
    await catalog.settle()

    [(_, cause)] = [found for found in await causes(catalog) if found[0] == A]
    assert cause == {"source": "provider:one", "because": "changed"}

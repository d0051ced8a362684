"""What one mutation of a provider does to the claims."""

import asyncio
import json
from collections.abc import Callable

import pytest

from callboard.errors import InvalidInput
from callboard.extend import Delta, Full, Offered
from callboard.ingestion import mutations
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.store import changes
from callboard.store.database import Transaction
from tests.audit import audit
from tests.harness import Catalog, component, offered
from tests.waiting import until_blocked


def without_kind(entity: JsonObject) -> None:
    del entity["kind"]


def without_metadata(entity: JsonObject) -> None:
    del entity["metadata"]


def without_name(entity: JsonObject) -> None:
    entity["metadata"] = {"annotations": {}}


def with_a_number_for_a_namespace(entity: JsonObject) -> None:
    entity["metadata"] = {"name": "b", "namespace": 7}


def with_a_name_of_six_thousand_characters(entity: JsonObject) -> None:
    entity["metadata"] = {"name": "b" * 6000}


def with_a_separator_in_the_name(entity: JsonObject) -> None:
    entity["metadata"] = {"name": "b\x1f"}


def with_half_a_character_in_the_spec(entity: JsonObject) -> None:
    entity["spec"] = {"owner": "\ud800"}


@pytest.mark.parametrize(
    "spoil",
    [
        without_kind,
        without_metadata,
        without_name,
        with_a_number_for_a_namespace,
        with_a_name_of_six_thousand_characters,
        with_a_separator_in_the_name,
        with_half_a_character_in_the_spec,
    ],
)
async def test_one_entity_that_cannot_be_taken_in_is_reported_and_takes_nothing_with_it(
    catalog: Catalog, spoil: Callable[[JsonObject], None]
) -> None:
    broken = component("b")
    spoil(broken)

    applied = await catalog.provide("ci", Full(offered(component("a"), broken, component("c"))))
    await catalog.settle()

    assert len(applied.rejected) == 1
    assert catalog.refs() == ["component:default/a", "component:default/c"]


async def test_a_location_key_that_cannot_be_stored_is_the_fault_of_its_entity_alone(catalog: Catalog) -> None:
    await catalog.provide("ci", Full([Offered(component("a"), "x\0y"), Offered(component("b"), "key")]))
    await catalog.settle()

    assert catalog.refs() == ["component:default/b"]


async def test_what_is_broken_now_and_was_fine_before_is_not_withdrawn(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    await catalog.settle()
    broken = component("b", owner="\ud800")

    applied = await catalog.provide("ci", Full(offered(component("a"), broken)))

    assert (applied.removed, [rejected.entity for rejected in applied.rejected]) == (0, ["component:default/b"])


async def test_an_entity_that_is_offered_twice_counts_once_and_is_reported_when_it_differs(catalog: Catalog) -> None:
    prepared = mutations.prepare("ci", Full(offered(component("a"), component("a"), component("a", type="website"))))

    assert prepared.offer.count == 1
    assert [rejected.entity for rejected in prepared.rejected] == ["component:default/a"]


async def test_an_empty_full_set_takes_everything_of_this_provider_and_nothing_of_others(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("a"))))
    await catalog.provide("two", Full(offered(component("b"))))
    await catalog.settle()

    applied = await catalog.provide("one", Full([]))
    await catalog.look()

    assert (applied.removed, catalog.refs()) == (1, ["component:default/b"])


async def test_a_delta_leaves_alone_what_it_does_not_mention(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))

    applied = await catalog.provide("ci", Delta(added=offered(component("b", type="website"))))

    assert (applied.offered, applied.changed, applied.removed) == (1, 1, 0)


async def test_a_delta_that_removes_what_is_not_there_changes_nothing(catalog: Catalog) -> None:
    applied = await catalog.provide(
        "ci", Delta(removed=[EntityRef("component", "default", name) for name in ("nobody", "x" * 6000, "\0")])
    )

    assert (applied.changed, applied.removed, applied.offset) == (0, 0, None)


async def test_an_entity_may_be_offered_under_another_key_without_losing_its_identity(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), key="old")))
    await catalog.settle()
    before = catalog.entity("component:default/a")

    await catalog.provide("ci", Full(offered(component("a"), key="new")))
    await catalog.settle()

    assert catalog.entity("component:default/a") == before
    assert len(await catalog.history()) == 1


async def test_a_removal_says_at_which_offset_it_can_be_seen_and_why(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    await catalog.settle()

    applied = await catalog.provide("ci", Full([]))

    told = (await catalog.history())[2:]
    assert applied.offset == told[-1].offset == 4
    assert {json.loads(change.cause or "")["source"] for change in told} == {"provider:ci"}


async def test_two_mutations_of_one_provider_take_turns(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"))))
    prepared = mutations.prepare("ci", Full(offered(component("a"), component("b"))))

    async with catalog.database.transaction() as tx:
        await mutations.apply(tx, prepared)
        waiting = asyncio.create_task(catalog.provide("ci", Full(offered(component("a")))))
        await until_blocked(catalog.database)

    assert (await waiting).removed == 1
    await audit(catalog.database.url)


async def test_two_providers_may_deliver_the_same_entities_at_the_same_time(catalog: Catalog) -> None:
    names = [f"x{number}" for number in range(30)]

    await asyncio.gather(
        catalog.provide("one", Full(offered(*map(component, names), key="one"))),
        catalog.provide("two", Full(offered(*map(component, reversed(names)), key="two"))),
        catalog.provide("three", Full(offered(*map(component, names[::2])))),
    )

    await audit(catalog.database.url)


async def test_a_mutation_that_fails_at_its_end_leaves_nothing_behind(catalog: Catalog) -> None:
    prepared = mutations.prepare("ci", Full(offered(component("a"))))

    async def work(tx: Transaction) -> None:
        await mutations.apply(tx, prepared)
        await tx.connection.fetch("select $1::text", "\0")

    with pytest.raises(InvalidInput):
        await catalog.database.run(work)
    assert await catalog.process() == 0
    assert (await changes.now(catalog.database)).head == 0

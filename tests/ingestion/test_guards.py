"""A source that is ill must not empty the catalog."""

import pytest
import structlog

from callboard.errors import RemovalRefused
from callboard.extend import Delta, Full, Mutation
from callboard.ingestion.connections import Connection
from callboard.ingestion.guards import Guard
from callboard.model.refs import EntityRef
from callboard.store import providers
from callboard.store.providers import Provider
from tests.harness import Catalog, component, offered

HALF = Guard(max_removal_percent=50)


def full(*names: str) -> Full:
    return Full(offered(*map(component, names)))


async def provider(catalog: Catalog, name: str = "ldap") -> Provider:
    async with catalog.database.transaction() as tx:
        found = await providers.find(tx, name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("guard", "before", "mutation"),
    [
        (HALF, "abcd", full("a")),
        (HALF, "abcd", Delta(removed=[EntityRef("component", "default", name) for name in "abc"])),
        (Guard(max_removal_percent=0), "ab", full("a")),
        (Guard(refuse_empty=True), "a", full()),
    ],
    ids=["too-much-of-a-full-set", "too-much-of-a-delta", "anything-at-all", "an-empty-set"],
)
async def test_a_mutation_beyond_the_limit_is_refused_as_a_whole(
    catalog: Catalog, guard: Guard, before: str, mutation: Mutation
) -> None:
    await catalog.provide("ldap", full(*before))
    await catalog.settle()

    with pytest.raises(RemovalRefused, match="The removal guard of provider ldap refused"):
        await Connection(catalog.database, "ldap", guard).apply(mutation)

    await catalog.settle()
    assert catalog.refs() == [f"component:default/{name}" for name in before]


@pytest.mark.parametrize(
    ("guard", "before", "mutation"),
    [
        (HALF, "abcd", full("a", "b")),
        (HALF, "abcd", full("a", "b", "e", "f", "g")),
        (Guard(refuse_empty=True), "ab", full("a")),
        (Guard(refuse_empty=True), "", full()),
        (Guard(), "abcd", full()),
    ],
    ids=["just-at-the-limit", "exchanged-at-the-limit", "not-empty", "empty-from-the-beginning", "no-guard"],
)
async def test_a_mutation_within_the_limit_passes(catalog: Catalog, guard: Guard, before: str, mutation: Full) -> None:
    await catalog.provide("ldap", full(*before))
    await catalog.settle()

    await Connection(catalog.database, "ldap", guard).apply(mutation)

    await catalog.settle()
    assert len(catalog.refs()) == len(mutation.entities)


async def test_a_refusal_is_written_down_and_logged_until_a_mutation_comes_through(catalog: Catalog) -> None:
    await catalog.provide("ldap", full("a", "b", "c"))
    connection = Connection(catalog.database, "ldap", HALF)

    with structlog.testing.capture_logs() as logs, pytest.raises(RemovalRefused):
        await connection.apply(full("a"))

    refused = (await provider(catalog)).refused
    assert refused is not None
    assert "withdraw 2 of the 3 entities" in refused
    assert [entry["event"] for entry in logs] == ["ingestion.refused"]

    await connection.apply(full("a", "b"))

    assert (await provider(catalog)).refused is None


async def test_a_source_that_says_again_what_it_had_said_before_is_well_again(catalog: Catalog) -> None:
    await catalog.provide("ldap", full("a", "b", "c"))
    connection = Connection(catalog.database, "ldap", HALF)
    with pytest.raises(RemovalRefused):
        await connection.apply(full("a"))

    await connection.apply(full("a", "b", "c"))

    assert (await provider(catalog)).refused is None


async def test_an_operator_lets_one_mutation_through_and_only_one(catalog: Catalog) -> None:
    await catalog.provide("ldap", full("a", "b", "c"))
    connection = Connection(catalog.database, "ldap", HALF)
    async with catalog.database.transaction() as tx:
        assert await providers.let_through(tx, "ldap")

    await connection.apply(full("a", "b"))
    allowed_before = (await provider(catalog)).let_through
    await connection.apply(full())

    assert allowed_before, "what the guard has nothing against must not use it up"
    await connection.apply(full("a", "b", "c"))
    with pytest.raises(RemovalRefused):
        await connection.apply(full("a"))


async def test_what_is_replaced_under_another_key_is_no_removal(catalog: Catalog) -> None:
    await catalog.provide("ldap", Full(offered(component("a"), component("b"), key="old")))

    await Connection(catalog.database, "ldap", Guard(max_removal_percent=0)).apply(
        Full(offered(component("a"), component("b"), key="new"))
    )

    assert (await provider(catalog)).entities == 2

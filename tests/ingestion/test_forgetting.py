"""What a provider has left behind that is connected no more: kept, or removed when nobody uses it any longer."""

import datetime as dt
from collections.abc import Sequence

import pytest
import structlog

from callboard.extend import Full
from callboard.ingestion import mutations
from callboard.ingestion.forgetting import Forgetting
from callboard.ingestion.guards import OPEN, Guard
from callboard.store import ingestions, providers
from callboard.store.database import Transaction
from callboard.store.providers import ProviderKind
from tests.harness import Catalog, component, offered

LEASE = dt.timedelta(seconds=15)


def engine(catalog: Catalog, *connected: str, delete: bool = True, guard: Guard = OPEN) -> Forgetting:
    return Forgetting(
        database=catalog.database,
        clock=catalog.clock,
        connected=connected,
        delete=delete,
        guard_of=lambda _name: guard,
        lease=LEASE,
    )


async def provide(catalog: Catalog, **entities: Sequence[str]) -> None:
    for provider, names in entities.items():
        await catalog.provide(provider, Full(offered(*map(component, names))))
    await catalog.settle()


async def known(catalog: Catalog) -> list[str]:
    async with catalog.database.transaction() as tx:
        return [provider.name for provider in await providers.every(tx)]


def names(catalog: Catalog) -> str:
    return "".join(ref.rpartition("/")[2] for ref in catalog.refs())


async def test_a_provider_that_is_connected_no_more_loses_everything(catalog: Catalog) -> None:
    await provide(catalog, old="ab", new="c")

    await engine(catalog, "new").look()
    await catalog.settle()

    assert (names(catalog), await known(catalog)) == ("c", ["new"])


async def test_with_keep_it_keeps_everything_and_is_named_in_the_log_once(catalog: Catalog) -> None:
    await provide(catalog, old="a", older="b", new="c")
    starting = engine(catalog, "new", delete=False)

    with structlog.testing.capture_logs() as logs:
        await starting.look()
        await starting.look()
    await catalog.settle()

    assert (names(catalog), await known(catalog)) == ("abc", ["new", "old", "older"])
    assert [entry["providers"] for entry in logs] == [["old", "older"]]


async def test_what_somebody_else_claims_as_well_stays(catalog: Catalog) -> None:
    await provide(catalog, old="ab", new="b")

    await engine(catalog, "new").look()
    await catalog.settle()

    assert names(catalog) == "b"


async def test_what_is_written_over_http_is_not_forgotten(catalog: Catalog) -> None:
    async def push(tx: Transaction) -> None:
        await providers.add(tx, "ci", ProviderKind.HTTP)
        await mutations.apply(tx, mutations.prepare("ci", Full(offered(component("a")))))

    await catalog.database.run(push)
    await catalog.settle()

    await engine(catalog).look()
    await catalog.settle()

    assert names(catalog) == "a"


async def test_what_another_engine_has_connected_is_left_alone_until_that_engine_is_gone(catalog: Catalog) -> None:
    await provide(catalog, old="a", new="b")
    other, starting = engine(catalog, "old", "new"), engine(catalog, "new")
    await other.attend()
    catalog.clock.advance(10)
    await other.attend()

    pause = await starting.look()
    await catalog.settle()
    meanwhile = names(catalog)
    catalog.clock.advance(pause)
    await starting.look()
    await catalog.settle()

    assert (pause, meanwhile, names(catalog)) == (15, "ab", "b")


async def test_a_provider_that_is_connected_while_it_is_about_to_be_forgotten_is_spared(catalog: Catalog) -> None:
    await provide(catalog, old="a")
    starting, other = engine(catalog), engine(catalog, "old")

    async with catalog.database.transaction() as tx:
        found = await providers.forgotten(tx, [])
    await other.attend()
    removed = await catalog.database.run(lambda tx: starting._remove(tx, "old"))

    assert (found, removed) == ({"old": None}, None)


async def test_a_removal_that_the_guard_refuses_waits_until_somebody_lets_it_through(catalog: Catalog) -> None:
    await provide(catalog, old="ab")
    starting = engine(catalog, guard=Guard(max_removal_percent=50))

    pause = await starting.look()
    await catalog.settle()
    refused = names(catalog)
    async with catalog.database.transaction() as tx:
        await providers.let_through(tx, "old")
    await starting.look()
    await catalog.settle()

    assert (pause, refused, names(catalog), await known(catalog)) == (60, "ab", "", [])


async def test_an_incremental_provider_that_comes_back_begins_at_the_beginning(catalog: Catalog) -> None:
    await provide(catalog, old="a")
    async with catalog.database.transaction() as tx:
        await ingestions.begin(tx, "old", tx.now)
        await ingestions.see(tx, "old", [("component:default/a", "")])

    await engine(catalog).look()

    async with catalog.database.transaction() as tx:
        assert (await ingestions.find(tx, "old"), await ingestions.count_seen(tx, "old")) == (None, 0)


@pytest.mark.parametrize("delete", [True, False])
async def test_an_engine_that_finds_nothing_forgotten_looks_no_more(catalog: Catalog, delete: bool) -> None:
    await provide(catalog, new="a")
    starting = engine(catalog, "new", delete=delete)

    await starting.loop.run()

    assert names(catalog) == "a"


async def test_one_engine_at_a_time_looks(catalog: Catalog) -> None:
    await provide(catalog, old="a")
    busy, starting = engine(catalog), engine(catalog)
    async with catalog.database.transaction() as tx:
        await tx.connection.execute(
            "insert into leases (name, owner, until) values ('forgetting', $1, $2)", busy.owner, tx.now + LEASE
        )

    pause = await starting.look()
    await catalog.settle()

    assert (pause, names(catalog)) == (5, "a")

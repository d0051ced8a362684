"""What nothing keeps alive goes, all of it and nothing else."""

import asyncio
import hashlib

import pytest

from callboard.store import claims, relations, removal, schedule
from callboard.store.claims import Claim, ClaimKey
from callboard.store.database import Database, Transaction
from callboard.store.relations import EmittedRelation
from callboard.store.removal import Removed
from tests.audit import audit
from tests.waiting import until_blocked

# "p>a" says that the provider p claims a, "a>b" that the entity a claims b.
_PROVIDERS = "pq"


def _claims(edges: str) -> list[Claim]:
    found = []
    for edge in edges.split():
        source, target = edge.split(">")
        found.append(
            Claim(
                source=claims.of_provider(source) if source in _PROVIDERS else claims.of_entity(source),
                ref=target,
                location_key=source,
                content="{}",
                content_hash=hashlib.sha256(b"{}").digest(),
            )
        )
    return found


async def grow(database: Database, edges: str) -> None:
    """Make a graph of claims."""
    offered = _claims(edges)
    async with database.transaction() as tx:
        refs = sorted({claim.ref for claim in offered})
        await claims.lock_targets(tx, [], create=refs)
        await claims.offer(tx, offered)
        await claims.decide(tx, refs)
        await schedule.request(tx, refs)


async def cut(tx: Transaction, edges: str) -> Removed:
    """Take claims back, and remove what is not reached any more."""
    lost = [claim.ref for claim in _claims(edges)]
    await removal.lock_trees(tx, lost)
    await claims.withdraw(tx, [ClaimKey(claim.source, claim.ref, claim.location_key) for claim in _claims(edges)])
    gone = await removal.remove(tx, await removal.unreachable(tx, lost))
    await claims.decide(tx, sorted({*lost, *gone.offered_by_others}.difference(gone.refs)))
    return gone


async def left(database: Database) -> str:
    async with database.transaction() as tx:
        return "".join(await tx.connection.fetchval("select array_agg(ref order by ref) from entities") or [])


@pytest.mark.parametrize(
    ("edges", "cutting", "gone"),
    [
        ("p>a a>b b>c", "p>a", "abc"),
        ("p>a a>b b>c", "b>c", "c"),
        ("p>a a>b a>c b>d c>d", "p>a", "abcd"),
        ("p>a a>b a>c b>d c>d", "a>b", "b"),
        ("p>a p>b a>x b>x", "p>a", "a"),
        ("p>a p>b a>x b>x", "p>a p>b", "abx"),
        ("p>a q>a a>b", "p>a", ""),
        ("p>a a>b b>a", "p>a", "ab"),
        ("p>a a>b b>c c>b", "a>b", "bc"),
        ("p>a a>b b>c c>b q>c", "a>b", ""),
        ("p>a a>a", "p>a", "a"),
        ("p>a a>b b>c p>c c>d", "p>a", "ab"),
    ],
    ids=[
        "a-chain",
        "the-end-of-a-chain",
        "a-diamond",
        "one-side-of-a-diamond",
        "one-of-two-roots",
        "both-of-two-roots",
        "claimed-twice",
        "a-cycle-with-its-root",
        "a-cycle-below",
        "a-cycle-that-another-provider-holds",
        "what-claims-itself",
        "a-branch-with-a-root-of-its-own",
    ],
)
async def test_exactly_what_no_provider_reaches_is_removed(
    database: Database, edges: str, cutting: str, gone: str
) -> None:
    await grow(database, edges)
    before = await left(database)

    async with database.transaction() as tx:
        removed = await cut(tx, cutting)

    assert "".join(sorted(removed.refs)) == gone
    assert await left(database) == "".join(sorted(set(before) - set(gone)))
    await audit(database.url)


async def test_what_hangs_on_an_orphan_stays_with_it(database: Database) -> None:
    await grow(database, "p>a a>b b>c")
    async with database.transaction() as tx:
        (severed,) = _claims("a>b")
        await claims.lock_targets(tx, ["b"])
        await claims.withdraw(tx, [ClaimKey(severed.source, severed.ref, severed.location_key)])
        await claims.decide(tx, ["b"])

        assert await removal.unreachable(tx, ["c"]) == []


async def test_nothing_about_a_removed_entity_remains(database: Database) -> None:
    await grow(database, "p>a a>b")
    async with database.transaction() as tx:
        await relations.replace(tx, ["b"], [EmittedRelation("b", "b", "dependsOn", "x")])

    async with database.transaction() as tx:
        await cut(tx, "p>a")

    async with database.transaction() as tx:
        for table in ("entities", "claims", "schedule", "relations", "refresh_keys"):
            assert await tx.connection.fetchval(f"select count(*) from {table}") == 0, table


async def test_whoever_stays_and_loses_a_relation_is_named(database: Database) -> None:
    await grow(database, "p>a q>b")
    async with database.transaction() as tx:
        await relations.replace(
            tx, ["a"], [EmittedRelation("a", "a", "partOf", "b"), EmittedRelation("a", "b", "hasPart", "a")]
        )

    async with database.transaction() as tx:
        removed = await cut(tx, "p>a")

    assert removed.neighbours == {"b": "a"}


async def test_an_entity_that_loses_one_of_its_parents_is_named(database: Database) -> None:
    await grow(database, "p>a q>b a>x b>x")

    async with database.transaction() as tx:
        removed = await cut(tx, "p>a")

    assert removed.offered_by_others == ["x"]


async def test_of_two_roots_that_go_at_the_same_time_the_last_one_takes_the_shared_child_along(
    database: Database,
) -> None:
    await grow(database, "p>a q>b a>x b>x")

    async with database.transaction() as first:
        await cut(first, "p>a")
        second = asyncio.create_task(database.run(lambda tx: cut(tx, "q>b")))
        await until_blocked(database)

    assert (await second).refs == ["b", "x"]
    assert await left(database) == ""


async def test_a_child_that_comes_in_while_its_root_is_about_to_go_goes_as_well(database: Database) -> None:
    await grow(database, "p>a a>b")

    async with database.transaction() as busy:
        await claims.lock_targets(busy, ["b"], create=["late"])
        removing = asyncio.create_task(database.run(lambda tx: cut(tx, "p>a")))
        await until_blocked(database)
        await claims.offer(busy, _claims("b>late"))
        await claims.decide(busy, ["late"])

    assert (await removing).refs == ["a", "b", "late"]
    await audit(database.url)

"""Who wins an entity that several sources claim."""

import asyncio
import hashlib
from collections.abc import Sequence

import pytest

from callboard.errors import InvalidInput
from callboard.store import claims, removal
from callboard.store.claims import Claim, ClaimKey, Decision, Differences
from callboard.store.database import Database
from tests.waiting import until_blocked

X = "component:default/x"
Y = "component:default/y"


def claim(source: str, key: str = "", content: str = "{}", ref: str = X, line: int | None = None) -> Claim:
    digest = hashlib.sha256(content.encode()).digest()
    return Claim(source=source, ref=ref, location_key=key, content=content, content_hash=digest, line=line)


async def lines(database: Database) -> list[int | None]:
    """The lines of all claims, by key."""
    async with database.transaction() as tx:
        rows = await tx.connection.fetch("select line from claims order by location_key")
        return [row["line"] for row in rows]


async def offer(database: Database, *offered: Claim) -> Decision:
    """Store claims, and let somebody win."""
    async with database.transaction() as tx:
        refs = sorted({item.ref for item in offered})
        await claims.lock_targets(tx, [], create=refs)
        await claims.offer(tx, offered)
        return await claims.decide(tx, refs)


async def withdraw(database: Database, *gone: Claim) -> Decision:
    """Take claims back, and let somebody else win."""
    async with database.transaction() as tx:
        refs = await claims.lock_targets(tx, [item.ref for item in gone])
        await claims.withdraw(tx, [ClaimKey(item.source, item.ref, item.location_key) for item in gone])
        return await claims.decide(tx, sorted(refs))


async def winner(database: Database, ref: str = X) -> str | None:
    async with database.transaction() as tx:
        source: str | None = await tx.connection.fetchval("select source from entities where ref = $1", ref)
        return source


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ([claim("one", "k1"), claim("two", "k2")], "one"),
        ([claim("one"), claim("two", "k2")], "two"),
        ([claim("one", "k1"), claim("two")], "one"),
        ([claim("one"), claim("two")], "two"),
        ([claim("one", "same"), claim("two", "same")], "two"),
        ([claim("one", "same"), claim("two", "other"), claim("three", "same")], "three"),
        ([claim("one"), claim("two", "k2"), claim("three", "k3"), claim("four")], "two"),
    ],
    ids=[
        "the-first-of-two-keys-stays",
        "a-key-goes-before-none",
        "none-does-not-displace-a-key",
        "without-keys-the-latest-counts",
        "whoever-shares-the-key-takes-turns",
        "sharing-a-key-goes-before-another-key",
        "the-first-key-of-all-stays",
    ],
)
async def test_the_winner_of_claims_that_come_one_after_the_other(
    database: Database, offered: Sequence[Claim], expected: str
) -> None:
    for item in offered:
        await offer(database, item)

    assert await winner(database) == expected


async def test_a_new_entity_is_to_be_processed_and_has_nothing_to_stitch(database: Database) -> None:
    decision = await offer(database, claim("one"))

    assert decision == Decision(to_process=[X], to_stitch=[])


async def test_new_content_of_the_winner_is_processed(database: Database) -> None:
    await offer(database, claim("one"))

    decision = await offer(database, claim("one", content='{"new": true}'))

    assert decision.to_process == [X]


async def test_new_content_of_a_loser_changes_nothing(database: Database) -> None:
    await offer(database, claim("one", "k1"))
    await offer(database, claim("two", "k2"))

    decision = await offer(database, claim("two", "k2", content='{"new": true}'))

    assert decision == Decision([], [])


async def test_the_next_claim_takes_over_with_its_own_content(database: Database) -> None:
    await offer(database, claim("one", "k1"))
    await offer(database, claim("two", "k2", content='{"of": "two"}'))

    decision = await withdraw(database, claim("one", "k1"))

    assert decision == Decision([X], [X], contested=frozenset({X}))
    assert await winner(database) == "two"


async def test_who_takes_over_with_the_same_content_is_not_processed_again(database: Database) -> None:
    await offer(database, claim("one", "k1"))
    await offer(database, claim("two", "k2"))

    decision = await withdraw(database, claim("one", "k1"))

    assert decision == Decision([], [X], contested=frozenset({X}))


async def test_a_key_that_another_source_shares_keeps_the_entity_when_its_first_source_goes(
    database: Database,
) -> None:
    await offer(database, claim("one", "same"))
    await offer(database, claim("rival", "other"))
    await offer(database, claim("two", "same"))

    await withdraw(database, claim("two", "same"))

    assert await winner(database) == "one"


async def test_an_entity_without_claims_is_an_orphan_and_keeps_its_last_content(database: Database) -> None:
    await offer(database, claim("one", content='{"last": true}'))

    decision = await withdraw(database, claim("one"))

    async with database.transaction() as tx:
        kept = await tx.connection.fetchval("select kept from entities")
    assert decision == Decision([], [X], orphaned={X: "one"})
    assert kept == '{"last": true}'


async def test_an_orphan_goes_to_whoever_claims_it_next(database: Database) -> None:
    await offer(database, claim("one", "k1"))
    await withdraw(database, claim("one", "k1"))

    decision = await offer(database, claim("two"))

    assert (decision.to_stitch, decision.reclaimed, await winner(database)) == ([X], frozenset({X}), "two")


async def test_one_parent_may_claim_an_entity_under_two_keys(database: Database) -> None:
    await offer(database, claim("entity:location:default/l", "a.yaml"), claim("entity:location:default/l", "b.yaml"))

    decision = await withdraw(database, claim("entity:location:default/l", "a.yaml"))

    assert (decision.orphaned, await winner(database)) == ({}, "entity:location:default/l")


async def test_only_claims_that_differ_from_what_is_stored_are_named(database: Database) -> None:
    same, edited, new = claim("one", "a"), claim("one", "b"), claim("one", "c")
    await offer(database, same, edited)
    edited_now = claim("one", "b", content='{"edited": true}')

    async with database.transaction() as tx:
        found = await claims.compare(tx, [same, edited_now, new])

    assert found == Differences(changed=[edited_now, new], moved=[], new=frozenset({X}))


async def test_what_moved_in_its_file_is_told_from_what_was_edited(database: Database) -> None:
    await offer(database, claim("one", "a", line=1), claim("one", "b", line=5), claim("one", "c", line=9))
    edited, moved, new = claim("one", "a", "[]", line=1), claim("one", "b", line=6), claim("one", "d", line=12)

    async with database.transaction() as tx:
        found = await claims.compare(tx, [edited, moved, claim("one", "c", line=9), new])

    assert found == Differences(changed=[edited, new], moved=[moved], new=frozenset({X}))


async def test_another_line_is_stored_and_nothing_else(database: Database) -> None:
    await offer(database, claim("one", "a", line=1), claim("one", "b"))

    async with database.transaction() as tx:
        await claims.move(tx, [claim("one", "a", "[]", line=7), claim("nobody", "a", line=8)])
        unchanged = await claims.compare(tx, [claim("one", "a", line=7), claim("one", "b")])

    assert await lines(database) == [7, None]
    assert unchanged == Differences(changed=[], moved=[])


async def test_what_is_offered_again_on_another_line_has_not_changed(database: Database) -> None:
    await offer(database, claim("one", "same", line=1))
    await offer(database, claim("two", "same", line=1))

    decision = await offer(database, claim("one", "same", line=2))

    assert decision == Decision([], [])
    assert await winner(database) == "two"
    assert set(await lines(database)) == {1, 2}


async def test_a_full_set_leaves_out_what_it_does_not_mention(database: Database) -> None:
    await offer(database, *(claim("one", key, ref=f"component:default/{name}") for name in "ab" for key in ("k", "l")))

    async with database.transaction() as tx:
        absent = await claims.absent(tx, "one", [("component:default/a", None), ("component:default/b", "k")])

    assert absent == [ClaimKey("one", "component:default/b", "l")]


async def test_children_from_a_location_that_was_not_modified_are_not_severed(database: Database) -> None:
    parent = "entity:location:default/l"
    await offer(
        database,
        *(claim(parent, f"{name}.yaml", ref=f"component:default/{name}") for name in ("emitted", "standing", "gone")),
    )

    async with database.transaction() as tx:
        emitted = [claim(parent, "emitted.yaml", ref="component:default/emitted")]
        severed = await claims.severed(tx, [parent], emitted, [(parent, "standing.yaml")])

    assert severed == [ClaimKey(parent, "component:default/gone", "gone.yaml")]


async def test_locking_creates_what_is_to_be_created_and_says_what_exists(database: Database) -> None:
    await offer(database, claim("one"))

    async with database.transaction() as tx:
        locked = await claims.lock_targets(tx, [X, "component:default/never"], create=["component:default/new"])

    assert locked == {X, "component:default/new"}


async def test_an_entity_that_somebody_else_creates_at_the_same_time_is_created_once(database: Database) -> None:
    async with database.transaction() as other:
        await claims.lock_targets(other, [], create=[X])
        attempt = asyncio.create_task(database.run(lambda tx: claims.lock_targets(tx, [], create=[X])))
        await until_blocked(database)

    assert await attempt == {X}


async def test_an_entity_that_is_removed_while_somebody_waits_to_claim_it_is_created_anew(database: Database) -> None:
    await offer(database, claim("one"))
    async with database.transaction() as other:
        await claims.lock_targets(other, [X])
        attempt = asyncio.create_task(database.run(lambda tx: claims.lock_targets(tx, [], create=[X])))
        await until_blocked(database)
        await removal.remove(other, [X])

    assert await attempt == {X}
    assert await winner(database) is None


async def test_what_is_created_and_removed_while_a_list_is_waited_for_is_no_reason_to_begin_again(
    database: Database,
) -> None:
    await offer(database, claim("one"))

    async def lock_once() -> set[str]:
        async with database.transaction() as tx:
            return await claims.lock_targets(tx, [], create=[X, Y])

    async with database.transaction() as other:
        await claims.lock_targets(other, [X])
        attempt = asyncio.create_task(lock_once())
        await until_blocked(database)
        async with database.transaction() as third:
            await claims.lock_targets(third, [], create=[Y])
        await removal.remove(other, [X])

    assert await attempt == {X, Y}


async def test_an_entity_that_goes_while_it_is_waited_for_is_not_created(database: Database) -> None:
    await offer(database, claim("one"))
    async with database.transaction() as other:
        await claims.lock_targets(other, [X])
        attempt = asyncio.create_task(database.run(lambda tx: claims.lock_targets(tx, [X], create=[Y])))
        await until_blocked(database)
        await removal.remove(other, [X])

    assert await attempt == {Y}
    async with database.transaction() as tx:
        assert await claims.lock_targets(tx, [X, Y]) == {Y}


@pytest.mark.parametrize(
    ("ref", "key"),
    [("component:default/" + "x" * 500, ""), (X, "k" * 1501), ("component:default/\0", ""), (X, "\x1f"), (X, "\ud800")],
    ids=["a-long-ref", "a-long-key", "a-nul", "a-separator", "half-a-character"],
)
def test_names_that_no_index_can_hold_are_refused(ref: str, key: str) -> None:
    with pytest.raises(InvalidInput):
        claims.check_names(ref, key)


async def test_the_longest_names_of_all_fit_together(database: Database) -> None:
    name = hashlib.shake_128(b"name").hexdigest(240)
    claimed = claim(f"entity:{name}", hashlib.shake_128(b"key").hexdigest(750), ref=name)
    claims.check_names(claimed.ref, claimed.location_key)

    await offer(database, claimed)

    assert await winner(database, name) == f"entity:{name}"

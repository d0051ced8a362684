"""Which entities are contested, and by whom."""

import hashlib

import pytest

from callboard.store import claims, conflicts
from callboard.store.claims import Claim, ClaimKey
from callboard.store.database import Database

A, B = "component:default/a", "component:default/b"


def claim(source: str, ref: str, key: str = "") -> Claim:
    content = f'{{"of":"{source}"}}'
    return Claim(
        source=f"provider:{source}",
        ref=ref,
        location_key=key,
        content=content,
        content_hash=hashlib.sha256(content.encode()).digest(),
    )


@pytest.fixture
async def contested(database: Database) -> Database:
    """a is claimed under three keys, and by another source under the key of the winner. b has no conflict."""
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[A, B])
        # One after the other: among keys, the one that was there first holds the entity.
        for one in (claim("p", A, "first"), claim("q", A, "second"), claim("r", A), claim("s", A, "first")):
            await claims.offer(tx, [one])
            await claims.decide(tx, [A])
        await claims.offer(tx, [claim("p", B, "first"), claim("q", B, "first")])
        await claims.decide(tx, [B])
    return database


async def test_claims_under_different_keys_are_a_conflict(contested: Database) -> None:
    async with contested.transaction() as tx:
        assert await conflicts.contested(tx) == [A]
        assert await conflicts.contested(tx, ref=A) == [A]
        assert await conflicts.contested(tx, ref=B) == []
        assert await conflicts.count(tx) == 1


async def test_a_conflict_has_a_winner_and_its_rivals(contested: Database) -> None:
    async with contested.transaction() as tx:
        [conflict] = await conflicts.find(tx, [A, B])

    # Under one key the claim counts that changed last.
    assert (conflict.ref, conflict.winner.source, conflict.winner.location_key) == (A, "provider:s", "first")
    assert conflict.winner.content == '{"of":"provider:s"}'.replace("provider:", "")
    assert [(rival.source, rival.location_key) for rival in conflict.rivals] == [
        ("provider:q", "second"),
        ("provider:r", None),
    ]


async def test_a_conflict_ends_when_one_lets_go(contested: Database) -> None:
    async with contested.transaction() as tx:
        await claims.lock_targets(tx, [A])
        await claims.withdraw(tx, [ClaimKey("provider:q", A, "second"), ClaimKey("provider:r", A, "")])
        await claims.decide(tx, [A])

        assert await conflicts.contested(tx) == []
        assert await conflicts.find(tx, []) == []

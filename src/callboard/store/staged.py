"""Staged entities: a set on its way in, piece by piece, so that no process ever holds all of it.

It counts for nothing until a mutation takes it over.
"""

import datetime as dt
from collections.abc import Sequence

from callboard.store import queries
from callboard.store.claims import Claim, ClaimKey, Difference
from callboard.store.database import Transaction

_SQL = queries.load("staged")

_LEFT_OVER = dt.timedelta(hours=1)


async def add(tx: Transaction, upload: str, rows: Sequence[tuple[int, Claim]]) -> tuple[int, list[int]]:
    """Stage claims, each with its position, but for those whose ref has come before.

    Returns how many were new, and the positions of those that have come with another content before.
    """
    refs = [claim.ref for _, claim in rows]
    positions = [position for position, _ in rows]
    hashes = [claim.content_hash for _, claim in rows]
    new = await tx.run(
        _SQL["add"],
        upload=upload,
        refs=refs,
        positions=positions,
        keys=[claim.location_key for _, claim in rows],
        contents=[claim.content for _, claim in rows],
        hashes=hashes,
        origins=[claim.origin for _, claim in rows],
        now=tx.now,
    )
    others = await tx.rows(_SQL["others"], upload=upload, refs=refs, positions=positions, hashes=hashes)
    return new, [row["position"] for row in others]


async def differing(tx: Transaction, upload: str, source: str) -> list[Difference]:
    """What *source* does not claim like this yet."""
    rows = await tx.rows(_SQL["differing"], upload=upload, source=source)
    return [Difference(row["ref"], row["new"]) for row in rows]


async def absent(tx: Transaction, upload: str, source: str, kept: Sequence[str]) -> list[ClaimKey]:
    """What *source* claims, less what is staged and what is to be *kept*."""
    rows = await tx.rows(_SQL["absent"], upload=upload, source=source, kept=list(kept))
    return [ClaimKey(*row) for row in rows]


async def offer(tx: Transaction, upload: str, source: str, refs: Sequence[str]) -> None:
    """Store the staged content of *refs* as claims of *source*."""
    await tx.run(_SQL["offer"], upload=upload, source=source, refs=list(refs))


async def contents(tx: Transaction, upload: str, refs: Sequence[str]) -> dict[str, str]:
    """The staged content of *refs*."""
    return {row["ref"]: row["content"] for row in await tx.rows(_SQL["contents"], upload=upload, refs=list(refs))}


async def count(tx: Transaction, upload: str) -> int:
    """How many entities are staged."""
    row = await tx.row(_SQL["count"], upload=upload)
    assert row is not None
    return int(row[0])


async def drop(tx: Transaction, upload: str) -> None:
    """Throw the upload away, and what others have left over."""
    await tx.run(_SQL["drop"], upload=upload)
    await tx.run(_SQL["drop_left_over"], until=tx.now - _LEFT_OVER)

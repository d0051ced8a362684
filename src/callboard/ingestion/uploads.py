"""Uploads: a provider's whole set on its way in over HTTP, staged piece by piece.

Only the row that is being looked at, and the piece that is about to be staged, are in memory.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from callboard.errors import DatabaseUnavailable, InvalidInput
from callboard.ingestion import mutations, written
from callboard.ingestion.mutations import Rejected
from callboard.model.json import JsonValue
from callboard.store import claims, staged
from callboard.store.claims import Claim, ClaimKey, Difference
from callboard.store.database import Database, Transaction

Row = tuple[int, JsonValue | InvalidInput]
"""The number of a row, from 1 on, and its value, or why it has none."""

_PIECE = 500
_PIECE_CHARACTERS = 2_000_000

_NAMED = 100
"""So many of the rejected rows are named."""


@dataclass(slots=True)
class Upload:
    """A set that is staged (an `Offer` of `mutations`), and what of it was rejected."""

    provider: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    count: int = 0
    """How many entities have been staged."""
    rejected: list[Rejected] = field(default_factory=list)
    """The first of them."""
    rejected_count: int = 0
    kept: set[str] = field(default_factory=set)
    """The refs of rejected rows: what can't be read now is not withdrawn."""

    def reject(self, row: int, reason: str, ref: str | None) -> None:
        """Note that a row can't be taken over."""
        self.rejected_count += 1
        if ref is not None:
            self.kept.add(ref)
        if len(self.rejected) < _NAMED:
            self.rejected.append(Rejected(ref or "", reason, row))

    async def differing(self, tx: Transaction, source: str) -> list[Difference]:
        """What *source* does not claim like this yet. Raises DatabaseUnavailable if some of the set is not there."""
        if await staged.count(tx, self.id) != self.count:
            # PostgreSQL empties the table when it recovers from a crash. What is missing must not be withdrawn.
            raise DatabaseUnavailable("PostgreSQL was restarted while the set came in; send it again")
        return await staged.differing(tx, self.id, source)

    async def missing(self, tx: Transaction, source: str) -> list[ClaimKey]:
        """What *source* claims and the set has not."""
        return await staged.absent(tx, self.id, source, sorted(self.kept))

    async def store(self, tx: Transaction, source: str, refs: Sequence[str]) -> None:
        """Claim those with these *refs*, and throw the staged set away."""
        await staged.offer(tx, self.id, source, refs)

    async def contents(self, tx: Transaction, refs: Sequence[str]) -> dict[str, str]:
        """What the set says of *refs*, as JSON."""
        return await staged.contents(tx, self.id, refs)


async def receive(database: Database, upload: Upload, rows: AsyncIterator[Row]) -> None:
    """Stage all *rows*. What is wrong with one of them is noted in *upload*."""
    provider = upload.provider
    source = claims.of_provider(provider)
    piece: list[tuple[int, Claim]] = []
    characters = 0
    async for number, value in rows:
        try:
            if isinstance(value, InvalidInput):
                raise value
            claim = mutations.claim_of(source, written.offered(provider, value))
        except (InvalidInput, TypeError) as error:
            upload.reject(number, str(error), mutations.ref_in(value))
            continue
        piece.append((number, claim))
        characters += len(claim.content)
        if len(piece) >= _PIECE or characters >= _PIECE_CHARACTERS:
            await _stage(database, upload, piece)
            piece, characters = [], 0
    await _stage(database, upload, piece)


async def discard(database: Database, upload: Upload) -> None:
    """Throw the staged set away."""
    await database.run(lambda tx: staged.drop(tx, upload.id))


async def _stage(database: Database, upload: Upload, piece: Sequence[tuple[int, Claim]]) -> None:
    if not piece:
        return
    refs = {number: claim.ref for number, claim in piece}
    new, others = await database.run(lambda tx: staged.add(tx, upload.id, piece))
    upload.count += new
    for number in others:
        upload.reject(number, "is there twice, with different content", refs[number])

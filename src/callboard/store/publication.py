"""Publication: the only two functions that change what readers see.

Each writes the visible entity and its event together, at an offset that it takes from the one counter row. Nobody else
can take an offset until the transaction ends; therefore offsets have no holes and are in the order of the commits, and
a reader that has seen offset n has seen everything up to n. (Figures: docs/explanation/decisions/counter-row.md.)

The price is that publishing transactions stand in line. So call these last in a transaction, and in batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callboard.model.causes import Reason
from callboard.store import epochs, queries
from callboard.store.database import Transaction

_SQL = queries.load("publication")

PARTITION = 65_536
"""Offsets in a partition of the history: some 100 MB, which go back to the disk at once when they are forgotten."""

CHANNEL = "callboard_stream"
"""Notified at every publication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalEntity:
    """An entity as readers are to see it."""

    ref: str
    uid: str
    body: str
    hash: bytes
    cause: str | None


async def publish(tx: Transaction, entities: Sequence[FinalEntity]) -> int | None:
    """Make *entities* visible, but for those that were removed meanwhile.

    Returns the last of their offsets; None when there are none. Call it last in the transaction, holding the entities'
    rows in the stitch queue, so that nobody else publishes them.
    """
    if not entities:
        return None
    await tx.prepare(_SQL["publish"], refs=[], uids=[], bodies=[], hashes=[], causes=[], now=tx.now)
    await _hold_counter(tx, len(entities))
    row = await tx.row(
        _SQL["publish"],
        refs=[entity.ref for entity in entities],
        uids=[entity.uid for entity in entities],
        bodies=[entity.body for entity in entities],
        hashes=[entity.hash for entity in entities],
        causes=[entity.cause for entity in entities],
        now=tx.now,
    )
    return int(row["head"]) if row else None


async def retract(tx: Transaction, gone: Mapping[str, Reason]) -> int | None:
    """Make all that has *gone* invisible, each for its reason, and return the last of the offsets; None without any.

    Call it last in the transaction, after the entities have been deleted.
    """
    if not gone:
        return None
    texts = {reason: str(reason) for reason in set(gone.values())}
    await tx.prepare(_SQL["retract"], refs=[], causes=[], now=tx.now)
    await _hold_counter(tx, len(gone))
    row = await tx.row(_SQL["retract"], refs=list(gone), causes=[texts[reason] for reason in gone.values()], now=tx.now)
    return int(row["head"]) if row else None


async def _hold_counter(tx: Transaction, count: int) -> None:
    """Let nobody else take offsets, and have a partition for *count* of them."""
    await tx.prepare(_SQL["extend_history"], upto=0, size=PARTITION)
    held = await epochs.hold_counter(tx)
    if held.head + count >= held.history_until:
        await extend_history(tx, held.head + count)


async def extend_history(tx: Transaction, upto: int, *, size: int = PARTITION) -> None:
    """Have partitions of the history for all offsets up to *upto*, each of *size*. Hold the counter row."""
    await tx.run(_SQL["extend_history"], upto=upto, size=size)

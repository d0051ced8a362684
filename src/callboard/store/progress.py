"""Progress: how far processing and stitching have come with a part of the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("progress")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the catalog: some entities, what some sources claim, and all that hangs below."""

    refs: Sequence[str] = ()
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a part has come. Each entity is settled, pending or failed."""

    entities: int
    due: int
    """Asked for or changed, and not processed since."""
    pending: int
    """That, and what waits to be stitched."""
    failed: int
    conflicts: int
    """Entities that another source claims as well, under another key."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An entity whose last run failed. *errors* is a JSON array."""

    ref: str
    visible: bool
    """Whether readers see an earlier version of it."""
    errors: str


async def look(tx: Transaction, part: Part) -> Progress:
    """How far *part* has come, at one moment."""
    row = await tx.row(_SQL["look"], refs=list(part.refs), sources=list(part.sources))
    assert row is not None
    return Progress(**row)


async def failures(tx: Transaction, part: Part, *, limit: int) -> list[Failure]:
    """The first *limit* failures of *part*, by ref."""
    rows = await tx.rows(_SQL["failures"], refs=list(part.refs), sources=list(part.sources), limit=limit)
    return [Failure(row["ref"], row["visible"], row["errors"]) for row in rows]

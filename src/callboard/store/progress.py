"""Progress: how far processing and stitching have come with a part of the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("progress")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the catalog: some entities, what a source claims, and all that hangs below."""

    refs: Sequence[str] = ()
    source: str | None = None


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
    failing: Sequence[str] = ()
    """The first of those whose last run failed, by ref, also of those that are pending again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An entity whose last run failed. *errors* is a JSON array."""

    ref: str
    visible: bool
    """Whether readers see an earlier version of it."""
    errors: str


_COUNTED = ("entities", "due", "pending", "failed", "conflicts")
_NOTHING = Progress(entities=0, due=0, pending=0, failed=0, conflicts=0)


async def look(tx: Transaction, part: Part, *, named: int) -> Progress:
    """How far *part* has come, at one moment; of what fails *named* entities at most are named."""
    refs = list(part.refs)
    return (await _look(tx, [0] * len(refs), refs, part.source, named)).get(0, _NOTHING)


async def look_at_each(tx: Transaction, refs: Sequence[str], *, named: int) -> list[Progress]:
    """How far each of *refs* has come with all that hangs below it, at one moment."""
    found = await _look(tx, list(range(len(refs))), list(refs), None, named)
    return [found.get(part, _NOTHING) for part in range(len(refs))]


async def _look(
    tx: Transaction, parts: list[int], refs: list[str], source: str | None, named: int
) -> dict[int, Progress]:
    rows = await tx.rows(_SQL["look"], parts=parts, refs=refs, source=source, named=named)
    return {
        row["part"]: Progress(failing=tuple(row["failing"]), **{name: row[name] for name in _COUNTED}) for row in rows
    }


async def failures(tx: Transaction, refs: Sequence[str]) -> list[Failure]:
    """Those of *refs* whose last run failed, by ref."""
    rows = await tx.rows(_SQL["failures"], refs=list(refs)) if refs else []
    return [Failure(row["ref"], row["visible"], row["errors"]) for row in rows]

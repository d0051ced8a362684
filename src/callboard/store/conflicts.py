"""Conflicts: entities that several sources offer under different location keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("conflicts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A claim that has won or lost, with its content."""

    source: str
    location_key: str | None
    content: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """An entity, and who would have it."""

    ref: str
    winner: Contender
    rivals: Sequence[Contender]


async def contested(tx: Transaction, *, ref: str | None = None) -> list[str]:
    """The refs of the entities with a conflict, in order; or *ref* alone, if it has one."""
    return await tx.refs(_SQL["contested"], ref=ref)


async def find(tx: Transaction, refs: Sequence[str]) -> list[Conflict]:
    """The conflicts of *refs*, in order."""
    found: dict[str, tuple[list[Contender], list[Contender]]] = {}
    for row in await tx.rows(_SQL["claims"], refs=list(refs)) if refs else ():
        winners, rivals = found.setdefault(row["ref"], ([], []))
        contender = Contender(source=row["source"], location_key=row["location_key"] or None, content=row["content"])
        (winners if row["won"] else rivals).append(contender)
    return [Conflict(ref, winner, rivals) for ref, ([winner], rivals) in found.items()]


async def count(tx: Transaction) -> int:
    """How many entities have a conflict."""
    row = await tx.row(_SQL["count"])
    assert row is not None
    return int(row[0])

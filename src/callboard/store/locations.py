"""Registered locations."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("locations")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredLocation:
    """A location that somebody registered, and the Location entity that stands for it."""

    id: str
    type: str
    target: str
    entity_ref: str


async def add(tx: Transaction, location: RegisteredLocation) -> bool:
    """Store the location. False when this type and target are registered already."""
    added = await tx.run(
        _SQL["add"],
        id=location.id,
        type=location.type,
        target=location.target,
        entity_ref=location.entity_ref,
        now=tx.now,
    )
    return added == 1


async def every(tx: Transaction) -> list[RegisteredLocation]:
    """All registered locations by id."""
    return [RegisteredLocation(**row) for row in await tx.rows(_SQL["all"])]


async def page(tx: Transaction, *, after: str | None, limit: int) -> list[RegisteredLocation]:
    """The next *limit* locations by id, behind the id *after* (default: from the first one)."""
    key = uuid.UUID(int=0) if after is None else uuid.UUID(after)
    return [RegisteredLocation(**row) for row in await tx.rows(_SQL["page"], after=key, limit=limit)]


async def count(tx: Transaction) -> int:
    """How many locations are registered."""
    row = await tx.row(_SQL["count"])
    assert row is not None
    return int(row["count"])


async def find(tx: Transaction, location_id: str) -> RegisteredLocation | None:
    """The location with this id."""
    if (key := _uuid(location_id)) is None:
        return None
    row = await tx.row(_SQL["by_id"], id=key)
    return RegisteredLocation(**row) if row else None


async def find_target(tx: Transaction, kind: str, target: str) -> RegisteredLocation | None:
    """The location with this type and target."""
    row = await tx.row(_SQL["by_target"], type=kind, target=target)
    return RegisteredLocation(**row) if row else None


async def below(tx: Transaction, kind: str, prefixes: Sequence[str]) -> list[RegisteredLocation]:
    """The locations of this type whose target begins with one of *prefixes*, by target."""
    ranges = [queries.beginning_with(prefix) for prefix in prefixes]
    rows = await tx.rows(
        _SQL["below"], type=kind, firsts=[first for first, _ in ranges], beyonds=[end for _, end in ranges]
    )
    return [RegisteredLocation(**row) for row in rows]


async def emitted(tx: Transaction, refs: Sequence[str]) -> dict[str, set[str]]:
    """The children of each of the Location entities *refs* that has any."""
    children: dict[str, set[str]] = {}
    for row in await tx.rows(_SQL["emitted"], refs=list(refs)):
        children.setdefault(row["ref"], set()).add(row["child"])
    return children


async def retarget(tx: Transaction, location: RegisteredLocation) -> None:
    """Store the type and the target of *location*, which nobody else may have; its entity stays the same."""
    await tx.run(_SQL["retarget"], id=uuid.UUID(location.id), type=location.type, target=location.target)


async def remove(tx: Transaction, location_id: str) -> RegisteredLocation | None:
    """Delete the location and return it; None when there is none with this id."""
    if (key := _uuid(location_id)) is None:
        return None
    row = await tx.row(_SQL["remove"], id=key)
    return RegisteredLocation(**row) if row else None


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

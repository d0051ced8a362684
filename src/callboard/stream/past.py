"""The past of one entity: its versions, and how it was at an offset.

A caller who may not see all entities sees those versions that the permission held for when they were current.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.errors import NotFound, OffsetExpired, OffsetInTheFuture
from callboard.model.changes import Change
from callboard.model.predicates import Predicate
from callboard.store import changes
from callboard.store.database import Database
from callboard.stream.sight import Sight

_PIECE = 100
"""Versions that are read at a time when some of them may be hidden."""


@dataclass(frozen=True, slots=True)
class Past:
    """A page of the history of an entity."""

    changes: Sequence[Change]
    """Newest first, and one more than asked for if there are more."""
    limit: int

    @property
    def asked(self) -> Sequence[Change]:
        """The changes that were asked for."""
        return self.changes[: self.limit]

    @property
    def next_before(self) -> int | None:
        """Before which offset to go on; None at the end."""
        return self.asked[-1].offset if len(self.changes) > self.limit else None

    def before(self, index: int) -> bytes | None:
        """The entity as it was before a change; None if it was not there, or that is not known any more."""
        return self.changes[index + 1].body if index + 1 < len(self.changes) else None


async def history(database: Database, ref: str, *, before: int, limit: int, sight: Sight) -> Past:
    """Up to *limit* changes of *ref* before an offset, as far as they are in *sight*. Raises NotFound without any."""
    size = max(limit + 1, _PIECE) if sight.limited else limit + 1
    shown: list[Change] = []
    pending: list[Change] = []
    async with database.transaction(snapshot=True) as tx:
        while len(shown) <= limit:
            found = await changes.versions(tx, ref, before=before, limit=size)
            pending += found
            # A removal is seen by whoever saw what was removed, which may be in the next piece.
            complete = len(found) < size
            shown += _shown(pending if complete else pending[:-1], pending, sight)
            if complete:
                break
            pending, before = pending[-1:], found[-1].offset
    if not shown:
        raise NotFound(f"No history of {ref} is known")
    return Past(shown[: limit + 1], limit)


def _shown(judged: Sequence[Change], all_of_them: Sequence[Change], sight: Sight) -> list[Change]:
    """Those of *judged* that are in sight."""
    if not sight.limited:
        return list(judged)
    shown = [sight.shows(change.body) for change in all_of_them]
    return [
        sight.disclose(change)
        for index, change in enumerate(judged)
        if shown[index] or (change.body is None and index + 1 < len(shown) and shown[index + 1])
    ]


async def at(database: Database, ref: str, offset: int, *, visible: Predicate | None) -> bytes:
    """The entity as it was at *offset*.

    Raises NotFound when it was not there, OffsetExpired when that is not known any more, and OffsetInTheFuture.
    """
    sight = Sight(permitted=visible)
    async with database.transaction(snapshot=True) as tx:
        position = await changes.position(tx)
        if offset > position.head:
            raise OffsetInTheFuture(f"Offset {offset} is beyond the head of the stream, {position.head}")
        if offset < position.history_floor:
            raise OffsetExpired(f"What was there below offset {position.history_floor} is not known any more")
        found = await changes.versions(tx, ref, before=offset + 1, limit=1)
    body = found[0].body if found else None
    if body is None or not sight.shows(body):
        raise NotFound(f"There was no {ref} at offset {offset}")
    return body

"""Where the stream is read from: PostgreSQL itself, or a replica of it as long as that is good for it.

A replica is behind, by milliseconds as a rule. It is read from while it is at the same epoch and has within seconds
what PostgreSQL had. Otherwise PostgreSQL is read from, and the replica is looked at again later. Whatever writes, and
whoever wants to know where the stream stands now, asks PostgreSQL.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from callboard.clock import Clock
from callboard.errors import DatabaseUnavailable
from callboard.model.changes import Change
from callboard.store import changes
from callboard.store.changes import Position
from callboard.store.database import CUT_SHORT, Database, Transaction

_log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[Transaction, Position], Awaitable[T]]
"""Reads in a snapshot, at this position of it."""

_PATIENCE = 5.0
"""Seconds within which a replica must have what PostgreSQL has; and for which one that is not good is left alone."""


@dataclass(slots=True)
class Source:
    """What one process reads the stream from."""

    primary: Database
    clock: Clock
    connect: Callable[[], Awaitable[Database]] | None = None
    """To a replica, if there is one. Raises DatabaseUnavailable."""
    head: Position | None = None
    """Where PostgreSQL was at the last look. None: it was not to be asked then, or nobody has to ask it."""
    _replica: Database | None = None
    _left_until: float = 0.0
    _reads_replica: bool | None = None
    _expected: tuple[int, float] = (0, 0.0)
    """An offset that the replica has not had yet, and when PostgreSQL had it."""

    @property
    def reads_replica(self) -> bool:
        """Whether the last answer was the replica's."""
        return bool(self._reads_replica)

    @property
    def knows_the_head(self) -> bool:
        """Whether somebody could be asked at the last look who can't be behind."""
        return self.connect is None or self.head is not None or not self.reads_replica

    async def look(self) -> None:
        """Ask PostgreSQL where it is, where that is another one than what is read from."""
        if self.connect is not None:
            try:
                self.head = await changes.now(self.primary)
            except DatabaseUnavailable:
                self.head = None

    def latest(self, found: Position, *, seen: int) -> Position:
        """The position that was *found*, with the head that is known of.

        While PostgreSQL can't be asked a replica that lacks what was *seen* says nothing about that.
        """
        if self.head is not None:
            return replace(found, head=max(found.head, self.head.head))
        return replace(found, head=max(found.head, seen)) if self.reads_replica else found

    async def read(self, work: Work[T], *, epoch: str, needed: int = 0) -> T:
        """The result of *work* in a snapshot: one that has the offset that is *needed*, at this *epoch* if it goes on.

        *work* may begin twice. Raises DatabaseUnavailable.
        """
        if self.connect is not None and self.clock.monotonic() >= self._left_until:
            try:
                found = await self._read_replica(work, epoch, needed)
            except (DatabaseUnavailable, *CUT_SHORT) as error:
                self._leave(str(error))
            else:
                if found is not None:
                    return found[0]
        async with self.primary.transaction(snapshot=True) as tx:
            result = await work(tx, await changes.position(tx))
        self._reads_replica = False
        return result

    async def following(self, offset: int, *, epoch: str, limit: int) -> tuple[Position, list[Change]]:
        """Where the stream stands, and up to *limit* changes that come after *offset* there if it is at this *epoch*.

        Raises DatabaseUnavailable.
        """
        if self.connect is None:
            return await changes.following(self.primary.ask, offset, epoch=epoch, limit=limit)
        return await self.read(lambda tx, _: changes.following(tx.rows, offset, epoch=epoch, limit=limit), epoch=epoch)

    async def close(self) -> None:
        """Close the connections to the replica."""
        if self._replica is not None:
            await self._replica.close()

    async def _read_replica(self, work: Work[T], epoch: str, needed: int) -> tuple[T] | None:
        assert self.connect is not None
        if self._replica is None:
            self._replica = await self.connect()
        async with self._replica.transaction(snapshot=True) as tx:
            position = await changes.position(tx)
            if (objection := self._objection(position, epoch)) is not None:
                self._leave(objection)
                return None
            if position.head < needed:
                return None
            result = await work(tx, position)
        if not self._reads_replica:
            self._reads_replica = True
            _log.info("replica.used", offset=position.head)
        return (result,)

    def _objection(self, position: Position, epoch: str) -> str | None:
        """Why a replica at this *position* is not read from."""
        current = epoch if self.head is None else self.head.epoch
        if current not in ("", position.epoch):
            return "it is at another epoch"
        return None if self._keeps_up(position) else f"it is more than {_PATIENCE:g} s behind"

    def _keeps_up(self, position: Position) -> bool:
        if self.head is None:
            return True
        now = self.clock.monotonic()
        expected, since = self._expected
        has_it, late = position.head >= expected, now - since > _PATIENCE
        if has_it or late:
            # What PostgreSQL has by now is what counts next.
            self._expected = (self.head.head, now)
        return has_it or not late

    def _leave(self, reason: str) -> None:
        self._left_until = self.clock.monotonic() + _PATIENCE
        if self._reads_replica is not False:
            _log.warning("replica.left", reason=reason)
        self._reads_replica = False

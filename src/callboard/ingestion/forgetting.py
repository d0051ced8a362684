"""Forgetting: what becomes of the entities of a provider that is connected no more."""

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from callboard.clock import Clock
from callboard.errors import RemovalRefused
from callboard.extend import Full
from callboard.ingestion import guards, mutations
from callboard.ingestion.guards import Guard
from callboard.loop import Loop
from callboard.model.causes import Because, Reason
from callboard.store import claims, ingestions, leases, providers
from callboard.store.database import Database, Transaction
from callboard.store.providers import ProviderKind

_log = structlog.get_logger(__name__)

_JOB = "forgetting"
_REFUSED_PAUSE = 60.0


@dataclass(slots=True, kw_only=True)
class Forgetting:
    """Looks once, when an engine starts, for providers that no engine has connected; keeps or removes what they have.

    Engines need not have the same configuration, as while a new one is being rolled out. So each says again and again
    which providers it has, and nothing is taken from a provider before every engine that had it is gone.
    """

    database: Database
    clock: Clock
    connected: Sequence[str]
    """The providers of this engine."""
    delete: bool
    """Whether forgotten providers lose what they have."""
    guard_of: Callable[[str], Guard]
    lease: dt.timedelta = dt.timedelta(seconds=15)
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    loop: Loop = field(init=False)
    attending: Loop = field(init=False)
    _kept: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name="forgetting", step=self.look, clock=self.clock)
        self.attending = Loop(name="providers", step=self.attend, clock=self.clock)

    async def attend(self) -> float:
        """Say which providers this engine has."""
        await self.database.run(lambda tx: providers.connect(tx, self.connected, self.lease))
        return self.lease.total_seconds() / 3

    async def look(self) -> float:
        """Settle the matter of all forgotten providers; what can't be settled now is looked at again after a pause."""
        if not await self.database.run(lambda tx: leases.take(tx, _JOB, self.owner, self.lease)):
            return self.lease.total_seconds() / 3
        pauses = await self._settle()
        await self.database.run(lambda tx: leases.release(tx, _JOB, self.owner))
        if not pauses:
            self.loop.stop()
        return min(pauses, default=0.0)

    async def _settle(self) -> list[float]:
        """Returns how long to wait for those that are not settled."""
        found = await self.database.run(lambda tx: providers.forgotten(tx, self.connected))
        now = self.clock.now()
        pauses = [(until - now).total_seconds() for until in found.values() if until is not None]
        free = [name for name, until in found.items() if until is None]
        if not self.delete:
            self._tell_kept(free)
            return pauses
        for name in free:
            try:
                await guards.remembering(self.database, name, ProviderKind.ENGINE, self._removal_of(name))
            except RemovalRefused:
                # It has been told and written down. Somebody may let it through.
                pauses.append(_REFUSED_PAUSE)
        return pauses

    def _tell_kept(self, names: Sequence[str]) -> None:
        if news := [name for name in names if name not in self._kept]:
            _log.info("providers.not_connected", providers=news, entities="kept")
            self._kept.update(news)

    def _removal_of(self, name: str) -> Callable[[], Awaitable[None]]:
        async def remove() -> None:
            removed = await self.database.run(lambda tx: self._remove(tx, name))
            if removed is not None:
                _log.info("providers.forgotten", provider=name, removed=removed)

        return remove

    async def _remove(self, tx: Transaction, name: str) -> int | None:
        """Withdraw everything and forget the provider. Returns how many entities went; None when it is in use again."""
        await leases.hold_for_transaction(tx, claims.of_provider(name))
        # Somebody may have begun to use the name since it was found; they stand in line behind the lock.
        if (await providers.forgotten(tx, self.connected)).get(name, tx.now) is not None:
            return None
        prepared = mutations.prepare(name, Full([]), guard=self.guard_of(name), reason=Reason(Because.FORGOTTEN))
        written = await mutations.write(tx, prepared)
        await ingestions.remove(tx, name)
        await providers.remove(tx, name)
        await mutations.retract(tx, written)
        return len(written.gone)

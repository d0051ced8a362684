"""Rounds: an incremental provider's source, gone through page by page.

A page, what it has shown and where the next one begins are stored in one transaction, and so is the end of a round
with all removals. Whatever becomes of the engine, the next one goes on exactly where it was.
"""

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from callboard.clock import Clock
from callboard.errors import Conflict, DatabaseUnavailable, InvalidInput, RemovalRefused, Unreadable
from callboard.extend import Delta, IncrementalEntityProvider
from callboard.failures import described, pause_after
from callboard.ingestion import connections, guards, mutations
from callboard.ingestion.guards import OPEN, Guard
from callboard.ingestion.mutations import Carried, Prepared, Written
from callboard.loop import Loop
from callboard.metrics import Metrics, Stage
from callboard.model import json
from callboard.store import claims, ingestions, leases, providers
from callboard.store.claims import ClaimKey, Difference
from callboard.store.database import Database, Transaction
from callboard.store.ingestions import Ingestion
from callboard.store.providers import ProviderKind

_log = structlog.get_logger(__name__)

_NAME_TAKEN_PAUSE = 30.0
_LONGEST_REST = 300.0
"""After so many seconds an engine looks again, in case that it has not heard of somebody who wants a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOfRound:
    """The offer that ends a round: its last page, and the withdrawal of what the round has not shown."""

    page: Carried
    provider: str
    count: int
    """How many entities the whole round has shown."""

    async def differing(self, tx: Transaction, source: str) -> list[Difference]:
        """Those of the page."""
        return await self.page.differing(tx, source)

    async def missing(self, tx: Transaction, source: str) -> list[ClaimKey]:
        """What the page replaces, and what was not seen."""
        replaced = await self.page.missing(tx, source)
        return list(dict.fromkeys([*replaced, *await ingestions.unseen(tx, self.provider)]))

    async def store(self, tx: Transaction, source: str, refs: Sequence[str]) -> None:
        """Claim those of the page."""
        await self.page.store(tx, source, refs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turned:
    """A page, checked and ready to be stored."""

    page: Carried
    prepared: Prepared
    cursor: str | None
    """None after the last one."""
    is_first: bool

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its round."""
        return self.is_first and self.cursor is None


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Runs an incremental provider, unless another engine does."""

    database: Database
    clock: Clock
    provider: IncrementalEntityProvider
    guard: Guard = OPEN
    metrics: Metrics = field(default_factory=Metrics)
    lease: dt.timedelta = dt.timedelta(seconds=15)
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    loop: Loop = field(init=False)
    _renewing: Loop = field(init=False)
    _surroundings: contextlib.AsyncExitStack | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name=f"incremental.{self.provider.name}", step=self.step, clock=self.clock)
        self._renewing = Loop(name=f"incremental.{self.provider.name}.renew", step=self.renew, clock=self.clock)

    @property
    def job(self) -> str:
        """The name of the lease under which one engine at a time runs the provider."""
        return f"incremental:{self.provider.name}"

    async def run(self) -> None:
        """Go through the source again and again until this is cancelled; the next engine can go on at once then."""
        renewing = asyncio.create_task(self._renewing.run())
        try:
            await self.loop.run()
        finally:
            self._renewing.stop()
            await renewing
            await self._leave()
            with contextlib.suppress(DatabaseUnavailable):
                await self.database.run(lambda tx: leases.release(tx, self.job, self.owner))

    async def step(self) -> float:
        """Store the next page, if it is time for it and nobody else is at it. Returns the pause after that."""
        try:
            stand = await self.database.run(self._stand)
        except Conflict as error:
            _log.error("provider.refused", provider=self.provider.name, reason=str(error))
            return _NAME_TAKEN_PAUSE
        if stand is None:
            await self._leave()
            return self._patience
        early = (stand.next_at - self.clock.now()).total_seconds()
        if early > 0:
            return min(early, _LONGEST_REST)
        try:
            turned = await self._turn(stand)
        except Exception as error:  # noqa: BLE001 - a source may fail in any way; it is shown with its provider
            return await self._fail(stand, error)
        try:
            with self.metrics.stage(Stage.MUTATE, turned.prepared.offer.count, provider=self.provider.name):
                pause = await self._store(turned)
        except InvalidInput as error:
            return await self._fail(stand, error)
        if turned.cursor is None or pause is None:
            await self._leave()
        return self._patience if pause is None else pause

    async def renew(self) -> float:
        """Hold on to the provider, also while a page takes long."""
        await self.database.run(lambda tx: leases.renew(tx, self.job, self.owner, self.lease))
        return self._patience

    @property
    def _patience(self) -> float:
        return self.lease.total_seconds() / 3

    async def _stand(self, tx: Transaction) -> Ingestion | None:
        """Where the provider stands, None when another engine runs it. Raises Conflict when it can't have its name."""
        if not await leases.take(tx, self.job, self.owner, self.lease):
            return None
        await connections.check_name(tx, self.provider.name)
        # It is known from now on, so that its errors can be shown even if it never delivers anything.
        await providers.add(tx, self.provider.name, ProviderKind.ENGINE)
        stand = await ingestions.begin(tx, self.provider.name, self._first_at(tx.now))
        if stand.cursor is None and stand.next_at <= tx.now:
            # What deltas bring from now on counts as seen in this round, whose pages may be older.
            await ingestions.forget_seen(tx, self.provider.name)
        return stand

    def _first_at(self, now: dt.datetime) -> dt.datetime:
        schedule = self.provider.schedule
        if schedule is None:
            return now
        return ingestions.NEVER if schedule.is_manual else now + dt.timedelta(seconds=schedule.initial_delay)

    def _next_round_at(self, now: dt.datetime) -> dt.datetime:
        schedule = self.provider.schedule
        rest = self.provider.rest_seconds if schedule is None else schedule.rest(now)
        return ingestions.NEVER if rest is None else now + dt.timedelta(seconds=rest)

    async def _turn(self, stand: Ingestion) -> _Turned:
        """Ask the source for the page that comes next. Raises whatever it raises."""
        if self._surroundings is None:
            entering = contextlib.AsyncExitStack()
            await entering.enter_async_context(self.provider.around())
            self._surroundings = entering
        schedule = self.provider.schedule
        async with asyncio.timeout(None if schedule is None else schedule.timeout):
            page = await self.provider.next(None if stand.cursor is None else json.decode(stand.cursor))
        if not page.done and page.cursor is None:
            raise ValueError("a page that is not the last one of its round needs a cursor")
        prepared = mutations.prepare(self.provider.name, Delta(added=page.entities))
        assert isinstance(prepared.offer, Carried)
        cursor = None if page.done else json.encode(page.cursor).decode()
        whole = replace(prepared, page=True)
        return _Turned(page=prepared.offer, prepared=whole, cursor=cursor, is_first=stand.cursor is None)

    async def _leave(self) -> None:
        """Let go of what `next` needed."""
        surroundings, self._surroundings = self._surroundings, None
        if surroundings is None:
            return
        try:
            await surroundings.aclose()
        except Exception as error:  # noqa: BLE001 - nothing depends on it any more
            _log.warning("ingestion.not_left", provider=self.provider.name, error=described(error))

    async def _fail(self, stand: Ingestion, error: Exception) -> float:
        """Write the failure down. Returns the pause, which grows from one second to five minutes."""
        failures = stand.failures + 1
        pause = max(pause_after(failures), self._patience_of(error))
        told = described(error)

        async def work(tx: Transaction) -> None:
            if await leases.keep(tx, self.job, self.owner, self.lease):
                next_at = tx.now + dt.timedelta(seconds=pause)
                await ingestions.fail(tx, self.provider.name, told, failures, next_at)

        await self._leave()
        await self.database.run(work)
        _log.warning("ingestion.failed", provider=self.provider.name, error=told, failures=failures, pause=pause)
        return pause

    def _patience_of(self, error: Exception) -> float:
        """Seconds that the source itself asks for."""
        until = error.retry_at if isinstance(error, Unreadable) else None
        return 0.0 if until is None else (until - self.clock.now()).total_seconds()

    async def _store(self, turned: _Turned) -> float | None:
        """Store a page, and at the last one the end of the round. Returns the pause; None when it is not ours."""
        name = self.provider.name
        for rejection in turned.prepared.rejected:
            _log.warning("ingestion.rejected", provider=name, ref=rejection.entity, reason=rejection.reason)
        if turned.cursor is not None:
            return self.provider.page_pause if await self.database.run(lambda tx: self._advance(tx, turned)) else None
        try:
            written = await self.database.run(lambda tx: self._complete(tx, turned, None))
        except RemovalRefused as error:
            refusal = error
            written = await self.database.run(lambda tx: self._complete(tx, turned, refusal))
            guards.tell(name, refusal)
        else:
            if written is not None:
                _log.info("ingestion.round_ended", provider=name, offered=written.offered, removed=len(written.gone))
        now = self.clock.now()
        rest = (self._next_round_at(now) - now).total_seconds()
        return None if written is None else min(rest, _LONGEST_REST)

    async def _advance(self, tx: Transaction, turned: _Turned) -> Written | None:
        """Take over a page, what it has shown, and where the next one begins."""
        assert turned.cursor is not None
        name, pause = self.provider.name, dt.timedelta(seconds=self.provider.page_pause)
        if not await leases.keep(tx, self.job, self.owner, self.lease):
            return None
        written = await mutations.write(tx, turned.prepared)
        await ingestions.see(tx, name, turned.page.mentioned)
        await ingestions.advance(tx, name, turned.cursor, tx.now + pause)
        await mutations.retract(tx, written)
        return written

    async def _complete(self, tx: Transaction, turned: _Turned, refusal: RemovalRefused | None) -> Written | None:
        """Take over the last page and end the round: with the removals, or without them after a *refusal*.

        What is refused is refused as a whole; only what earlier pages have brought is there already, and so the last
        one of them comes as well.
        """
        name = self.provider.name
        if not await leases.keep(tx, self.job, self.owner, self.lease):
            return None
        if refusal is not None and turned.is_whole:
            written = Written(source=claims.of_provider(name), offered=0)
        else:
            await ingestions.see(tx, name, turned.page.mentioned)
            written = await mutations.write(tx, turned.prepared if refusal else await self._rest(tx, turned))
        if refusal is not None:
            await guards.note(tx, name, ProviderKind.ENGINE, refusal)
        await ingestions.complete(tx, name, self._next_round_at(tx.now))
        await mutations.retract(tx, written)
        return written

    async def _rest(self, tx: Transaction, turned: _Turned) -> Prepared:
        count = await ingestions.count_seen(tx, self.provider.name)
        offer = RestOfRound(page=turned.page, provider=self.provider.name, count=count)
        return replace(turned.prepared, full=True, offer=offer, guard=self.guard, page=False)

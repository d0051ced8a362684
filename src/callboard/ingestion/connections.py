"""Connections: what a provider is handed to reach the catalog."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from callboard.errors import Conflict
from callboard.extend import Delta, Mutation
from callboard.ingestion import guards, mutations
from callboard.ingestion.guards import OPEN, Guard
from callboard.ingestion.mutations import Applied, Carried
from callboard.metrics import Metrics, Stage
from callboard.model.causes import Because, Reason
from callboard.store import claims, ingestions, leases, providers, refresh_keys, schedule
from callboard.store.database import Database, Transaction
from callboard.store.providers import ProviderKind

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connection:
    """One provider's way into the catalog (an `extend.ProviderConnection`)."""

    database: Database
    provider: str
    guard: Guard = OPEN
    metrics: Metrics = field(default_factory=Metrics)

    async def apply(self, mutation: Mutation) -> None:
        """Store the mutation; returns when it is committed.

        Raises RemovalRefused, and Conflict when the name belongs to somebody who writes over HTTP.
        """
        await self.apply_and_tell(mutation)

    async def apply_and_tell(self, mutation: Mutation) -> Applied:
        """Store the mutation and return what it did."""
        started = time.monotonic()
        prepared = mutations.prepare(self.provider, mutation, guard=self.guard)

        async def work(tx: Transaction) -> Applied:
            # Before asking: the name may be given away in this moment.
            await leases.hold_for_transaction(tx, claims.of_provider(self.provider))
            await check_name(tx, self.provider)
            if isinstance(mutation, Delta) and isinstance(prepared.offer, Carried):
                seen = [(ref, key) for ref, key in prepared.offer.mentioned if key is not None]
                await ingestions.see_meanwhile(tx, self.provider, seen)
            return await mutations.apply(tx, prepared)

        with self.metrics.stage(Stage.MUTATE, prepared.offer.count, provider=self.provider):
            applied = await guards.remembering(
                self.database, self.provider, ProviderKind.ENGINE, lambda: self.database.run(work)
            )
        _log.info(
            "ingestion.applied",
            provider=self.provider,
            full=prepared.full,
            offered=applied.offered,
            changed=applied.changed,
            removed=applied.removed,
            rejected=len(applied.rejected),
            ms=round((time.monotonic() - started) * 1000),
        )
        return applied

    async def refresh(self, keys: Sequence[str]) -> int:
        """Process again, soon, all entities that hold one of these refresh keys."""

        async def work(tx: Transaction) -> int:
            refs = await claims.lock_targets(tx, await refresh_keys.holders(tx, keys))
            await schedule.request(tx, list(refs), schedule.Priority.ASKED, reason=Reason(Because.REFRESH))
            return len(refs)

        return await self.database.run(work)


async def check_name(tx: Transaction, provider: str) -> None:
    """Raise Conflict when *provider* is the name of one whose entities are written over HTTP."""
    standing = await providers.standing(tx, provider)
    if standing is not None and standing.kind is ProviderKind.HTTP:
        raise Conflict(
            f"the provider name {provider} is taken: its entities are written over HTTP;"
            f" rename the plugin's provider, or DELETE /api/catalog/providers/{provider}"
        )

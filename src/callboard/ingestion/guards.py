"""Removal guards: a source that is ill must not empty the catalog."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from callboard.errors import RemovalRefused
from callboard.model import json
from callboard.store import providers
from callboard.store.database import Database, Transaction
from callboard.store.providers import ProviderKind

_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Guard:
    """How much a provider may withdraw at once."""

    max_removal_percent: float | None = None
    """Of what it holds. None: everything."""
    refuse_empty: bool = False
    """Whether a full set without a single entity is a mistake, once there have been some."""

    def objection(self, *, held: int, removed: int, full: bool, offered: int) -> str | None:
        """Why a mutation may not withdraw *removed* of the entities that the provider has; None when it may."""
        if self.refuse_empty and full and not offered and held:
            return f"the set is empty, and the provider has {held} entities (refuseEmpty)"
        limit = self.max_removal_percent
        if limit is not None and held and removed * 100 > limit * held:
            share = removed * 100 / held
            return (
                f"it would withdraw {removed} of the {held} entities that the provider has, {share:.3g} %,"
                f" where at most {limit:g} % may go at once (maxRemovalPercent)"
            )
        return None


OPEN = Guard()
"""Lets everything through."""


async def ask(
    tx: Transaction, provider: str, guard: Guard, *, held: int, removed: int, full: bool, offered: int
) -> None:
    """Raise RemovalRefused when *guard* has an objection, unless somebody has said to let it through, once."""
    objection = guard.objection(held=held, removed=removed, full=full, offered=offered)
    if objection is None:
        return
    if await providers.use_let_through(tx, provider):
        _log.warning("ingestion.let_through", provider=provider, reason=objection, held=held, removed=removed)
        return
    reason = f"The removal guard of provider {provider} refused: {objection}"
    raise RemovalRefused(reason, held=held, removed=removed, limit=guard.max_removal_percent)


async def remembering(database: Database, provider: str, kind: ProviderKind, work: Callable[[], Awaitable[T]]) -> T:
    """The result of *work*. If its mutation is refused, that is written down before the error goes on."""
    try:
        return await work()
    except RemovalRefused as error:
        refusal = error
        await database.run(lambda tx: note(tx, provider, kind, refusal))
        tell(provider, refusal)
        raise


async def note(tx: Transaction, provider: str, kind: ProviderKind, refusal: RemovalRefused) -> None:
    """Write down that a mutation was refused."""
    await providers.add(tx, provider, kind)
    await providers.note_refusal(tx, provider, json.encode(_told(refusal)).decode())


def tell(provider: str, refusal: RemovalRefused) -> None:
    """Log that a mutation was refused."""
    _log.warning("ingestion.refused", provider=provider, **_told(refusal))


def _told(refusal: RemovalRefused) -> dict[str, str | int]:
    return {"reason": refusal.reason, "held": refusal.held, "removed": refusal.removed}

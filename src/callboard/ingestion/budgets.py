"""Budgets that all processes share: none of them spends what another one has spent already."""

import asyncio
import datetime as dt
from dataclasses import dataclass, field, replace

from callboard.clock import Clock
from callboard.errors import DatabaseUnavailable
from callboard.extend import Budget
from callboard.metrics import Metrics
from callboard.store import budgets
from callboard.store.database import Database

_FRESH = 1.0
"""Seconds for which what others have spent may be unknown: so often at most the database is asked."""


@dataclass(slots=True)
class SharedBudgets:
    """The budgets of all processes, as far as this one knows them (an `extend.Budgets`)."""

    database: Database
    clock: Clock
    metrics: Metrics
    _known: dict[str, Budget] = field(default_factory=dict)
    _told: dict[str, Budget] = field(default_factory=dict)
    """What others do not know yet."""
    _looked_at: float | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def opening(self, credential: str) -> dt.datetime | None:
        """When the next request may be made; None: now, and then it is counted as made."""
        if credential not in self._known or self._is_old():
            await self._exchange(credential)
        budget = self._known[credential]
        opens = budget.open_at(self.clock.now())
        if opens is None and budget.remaining:
            self._known[credential] = replace(budget, remaining=budget.remaining - 1)
        return opens

    async def tell(self, credential: str, budget: Budget) -> None:
        """Take over what the system has said; what stops everybody is told everybody at once."""
        self._known[credential] = self._told[credential] = budget
        if budget.remaining is not None:
            self.metrics.budgets.labels(credential).set(budget.remaining)
        if budget.open_at(self.clock.now()) is not None:
            await self._exchange(credential)

    def _is_old(self) -> bool:
        return self._looked_at is None or self.clock.monotonic() - self._looked_at > _FRESH

    async def _exchange(self, credential: str) -> None:
        """Tell others what they do not know, and hear what this process does not know."""
        self._known.setdefault(credential, Budget())
        async with self._looking:
            told, self._told = self._told, {}
            self._looked_at = self.clock.monotonic()
            try:
                async with self.database.transaction() as tx:
                    if told:
                        await budgets.share(tx, told)
                    found = await budgets.find(tx, list(self._known))
            except DatabaseUnavailable:
                # Reading goes on with what is known here.
                self._told = {**told, **self._told}
                return
        self._known.update({name: budget for name, budget in found.items() if name not in self._told})

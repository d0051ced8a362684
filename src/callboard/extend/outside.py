"""The outside: what a plugin needs to ask other systems, and how much of their patience is left."""

import datetime as dt
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import httpx2

from callboard.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a credential may still ask, as its host has said last."""

    limit: int | None = None
    remaining: int | None = None
    """Requests until *resets_at*; None where the host does not say."""
    resets_at: dt.datetime | None = None
    blocked_until: dt.datetime | None = None
    """The host wants no request before that."""

    def open_at(self, now: dt.datetime) -> dt.datetime | None:
        """When the next request may be made; None: now."""
        if self.blocked_until is not None and self.blocked_until > now:
            return self.blocked_until
        if self.remaining is not None and self.remaining <= 0 and self.resets_at is not None and self.resets_at > now:
            return self.resets_at
        return None


class Budgets(Protocol):
    """The budgets of credentials, by name. In a server all engines share them, through the database."""

    async def opening(self, credential: str) -> dt.datetime | None:
        """When the next request with *credential* may be made; None: now, and then it is counted as made."""
        ...

    async def tell(self, credential: str, budget: Budget) -> None:
        """Take over what the host has said of *credential*."""
        ...


@dataclass(slots=True)
class OwnBudgets:
    """The budgets of one process alone (a `Budgets`)."""

    clock: Clock = field(default_factory=SystemClock)
    known: dict[str, Budget] = field(default_factory=dict)

    async def opening(self, credential: str) -> dt.datetime | None:
        """As `Budgets` says."""
        budget = self.known.get(credential)
        if budget is None:
            return None
        opens = budget.open_at(self.clock.now())
        if opens is None and budget.remaining:
            self.known[credential] = replace(budget, remaining=budget.remaining - 1)
        return opens

    async def tell(self, credential: str, budget: Budget) -> None:
        """As `Budgets` says."""
        self.known[credential] = budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a plugin asks other systems with."""

    client: httpx2.AsyncClient
    """Shared by all; it follows no redirects."""
    clock: Clock = field(default_factory=SystemClock)
    budgets: Budgets = field(default_factory=OwnBudgets)
    timeout_seconds: float = 30.0
    """For one answer, its body included."""
    per_host: int = 5
    """Requests at once."""
    max_bytes: int = 10 * 1024 * 1024
    """The largest answer."""
    folder: Path | None = None
    """Where files may be kept that can be fetched again; it may not be there yet, and other processes use it too. None:
    nowhere but in temporary folders."""


def nowhere() -> Outside:
    """What reaches no system: for parts of which nothing is asked."""
    return Outside(client=httpx2.AsyncClient(transport=httpx2.MockTransport(_refuse)))


def _refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nothing is asked while a configuration is only checked", request=request)

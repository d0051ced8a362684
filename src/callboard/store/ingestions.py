"""Ingestions: how far incremental providers have come, and what they have seen in their present rounds."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.claims import ClaimKey
from callboard.store.database import Transaction

_SQL = queries.load("ingestions")

CHANNEL = "callboard_ingestions"
"""Notified when somebody asks for a round."""

NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When the next page of a provider is asked for that waits until somebody wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """Where an incremental provider stands."""

    provider: str
    round: int
    cursor: str | None
    """JSON; None at the beginning of a round."""
    pages: int
    """How many pages of the present round are stored."""
    started_at: dt.datetime
    """When the first page of the present round was stored; until then, when that of the last one was."""
    completed_at: dt.datetime | None
    """When the last whole round ended."""
    error: str | None
    """Why the next page could not be had, the last time that this was tried."""
    failures: int
    """How many times in a row that was."""
    next_at: dt.datetime
    """When the next page is asked for."""


async def every(tx: Transaction) -> dict[str, Ingestion]:
    """Where all incremental providers stand, by their names."""
    found = (Ingestion(**row) for row in await tx.rows(_SQL["every"]))
    return {ingestion.provider: ingestion for ingestion in found}


async def find(tx: Transaction, provider: str) -> Ingestion | None:
    """Where the *provider* stands; None for one that is not incremental, or was never run."""
    row = await tx.row(_SQL["find"], provider=provider)
    return Ingestion(**row) if row else None


async def begin(tx: Transaction, provider: str, first_at: dt.datetime) -> Ingestion:
    """Where the *provider* stands. One that was never run is at the beginning, and asked for a page at *first_at*."""
    row = await tx.row(_SQL["begin"], provider=provider, now=tx.now, next_at=first_at)
    if row is not None:
        return Ingestion(**row)
    found = await find(tx, provider)
    assert found is not None
    return found


async def see(tx: Transaction, provider: str, seen: Sequence[tuple[str, str | None]]) -> None:
    """Remember that this round has *seen* these (ref, location key); None stands for all keys that it had before."""
    exact = [(ref, key) for ref, key in seen if key is not None]
    await tx.run(_SQL["see"], provider=provider, refs=[ref for ref, _ in exact], keys=[key for _, key in exact])
    if broken := [ref for ref, key in seen if key is None]:
        await tx.run(_SQL["see_claimed"], provider=provider, refs=broken)


async def see_meanwhile(tx: Transaction, provider: str, seen: Sequence[tuple[str, str]]) -> None:
    """Remember that a delta has brought these (ref, location key), if the *provider* is an incremental one.

    The round that is under way has perhaps gone past the place where it would have seen them.
    """
    refs, keys = [ref for ref, _ in seen], [key for _, key in seen]
    await tx.run(_SQL["see_if_known"], provider=provider, refs=refs, keys=keys)


async def forget_seen(tx: Transaction, provider: str) -> None:
    """Forget what was seen: a round begins."""
    await tx.run(_SQL["drop_seen"], provider=provider)


async def trigger(tx: Transaction, provider: str) -> bool:
    """Let the next page of *provider* be asked for now. False when it is not an incremental one, or was never run."""
    return bool(await tx.refs(_SQL["trigger"], provider=provider, now=tx.now))


async def count_seen(tx: Transaction, provider: str) -> int:
    """How many entities this round has seen."""
    row = await tx.row(_SQL["count_seen"], provider=provider)
    assert row is not None
    return int(row[0])


async def unseen(tx: Transaction, provider: str) -> list[ClaimKey]:
    """What the *provider* claims and has not been seen in this round."""
    return [ClaimKey(*row) for row in await tx.rows(_SQL["unseen"], provider=provider)]


async def advance(tx: Transaction, provider: str, cursor: str, next_at: dt.datetime) -> None:
    """A page is stored; the next one begins at the *cursor* (JSON)."""
    await tx.run(_SQL["advance"], provider=provider, cursor=cursor, next_at=next_at, now=tx.now)


async def complete(tx: Transaction, provider: str, next_at: dt.datetime) -> None:
    """The round is over; the next one begins at *next_at*."""
    await tx.run(_SQL["complete"], provider=provider, next_at=next_at, now=tx.now)
    await tx.run(_SQL["drop_seen"], provider=provider)


async def fail(tx: Transaction, provider: str, error: str, failures: int, next_at: dt.datetime) -> None:
    """Remember why a page could not be had."""
    await tx.run(_SQL["fail"], provider=provider, error=error, failures=failures, next_at=next_at)


async def remove(tx: Transaction, provider: str) -> None:
    """Forget the provider's rounds: it would begin at the beginning."""
    await tx.run(_SQL["drop_seen"], provider=provider)
    await tx.run(_SQL["remove"], provider=provider)

"""Leases: jobs that one process does at a time.

A lease lasts until it runs out, unless its owner renews it; so a job whose owner was killed goes to somebody else.
"""

import datetime as dt
from collections.abc import Sequence

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("leases")


async def hold_for_transaction(tx: Transaction, name: str) -> None:
    """Wait until no other transaction holds *name*, and hold it until this one ends."""
    await tx.rows(_SQL["hold_for_transaction"], name=name)


async def take(tx: Transaction, name: str, owner: str, lease: dt.timedelta) -> bool:
    """Whether the job is *owner*'s now, for the time of the *lease*: it was already, or it was nobody's."""
    return bool(await tx.refs(_SQL["take"], name=name, owner=owner, now=tx.now, until=tx.now + lease))


async def keep(tx: Transaction, name: str, owner: str, lease: dt.timedelta) -> bool:
    """Whether the job still is *owner*'s; if so, nobody can take it before the transaction ends."""
    return await tx.run(_SQL["keep"], name=name, owner=owner, until=tx.now + lease) == 1


async def renew(tx: Transaction, name: str, owner: str, lease: dt.timedelta) -> None:
    """Let the job stay with *owner* for longer, if it still is there and no other transaction is busy with it."""
    await tx.run(_SQL["renew"], name=name, owner=owner, until=tx.now + lease)


async def release(tx: Transaction, name: str, owner: str) -> None:
    """Let somebody else have the job."""
    await tx.run(_SQL["release"], name=name, owner=owner)


async def share(tx: Transaction, names: Sequence[str], lease: dt.timedelta) -> None:
    """Say that *names* are in use, for the time of the *lease*. Any number of processes may do so at once."""
    await tx.run(_SQL["share"], names=list(names), until=tx.now + lease)


async def in_use(tx: Transaction, names: Sequence[str]) -> set[str]:
    """Those of *names* that somebody has, or uses."""
    return set(await tx.refs(_SQL["in_use"], names=list(names), now=tx.now))

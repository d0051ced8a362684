"""Refresh keys: which outside thing an entity depends on."""

import hashlib
from collections.abc import Sequence

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("refresh_keys")
REMOVE = _SQL["remove"]

_LONGEST = 255


def shortened(key: str) -> str:
    """*key*, or its beginning and its hash when it is too long for an index."""
    if len(key) <= _LONGEST:
        return key
    return f"{key[:180]}#sha256:{hashlib.sha256(key.encode()).hexdigest()}"


async def replace(tx: Transaction, owners: Sequence[str], keys: Sequence[tuple[str, str]]) -> None:
    """Make *keys* (ref, key) all that the *owners* depend on."""
    await tx.run(
        _SQL["replace"],
        owners=list(owners),
        refs=[ref for ref, _ in keys],
        keys=[shortened(key) for _, key in keys],
    )


async def add(tx: Transaction, keys: Sequence[tuple[str, str]]) -> None:
    """Let entities depend on *keys* (ref, key) as well."""
    if keys:
        await tx.run(_SQL["add"], refs=[ref for ref, _ in keys], keys=[shortened(key) for _, key in keys])


async def holders(tx: Transaction, keys: Sequence[str]) -> list[str]:
    """The entities that depend on any of *keys*."""
    return await tx.refs(_SQL["holders"], keys=[shortened(key) for key in keys])

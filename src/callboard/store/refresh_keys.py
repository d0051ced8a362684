"""Refresh keys: which outside thing an entity depends on."""

import hashlib
from collections.abc import Iterator, Sequence

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("refresh_keys")
REMOVE = _SQL["remove"]

_LONGEST = 255
_KEPT = 180
_HASHED = "#sha256:"


def shortened(key: str) -> str:
    """*key*, or its beginning and its hash when it is too long for an index."""
    if len(key) <= _LONGEST:
        return key
    return f"{key[:_KEPT]}{_HASHED}{hashlib.sha256(key.encode()).hexdigest()}"


def beginning_of(key: str) -> str | None:
    """What is left of a key that was shortened, None for one that is whole."""
    return key[:_KEPT] if key.startswith(_HASHED, _KEPT) else None


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


async def below(tx: Transaction, prefixes: Sequence[str]) -> list[tuple[str, str]]:
    """The entities (ref, key) that depend on a key which begins with one of *prefixes*."""
    ranges = [bounds for prefix in prefixes for bounds in _ranges(prefix)]
    rows = await tx.rows(_SQL["below"], firsts=[first for first, _ in ranges], beyonds=[end for _, end in ranges])
    return [(row["ref"], row["key"]) for row in rows]


def _ranges(prefix: str) -> Iterator[tuple[str, str]]:
    yield queries.beginning_with(prefix)
    if len(prefix) > _KEPT:
        yield queries.beginning_with(prefix[:_KEPT] + _HASHED)

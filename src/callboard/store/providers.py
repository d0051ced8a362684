"""Providers: the sources at the beginning of every chain, and what became of their last mutations."""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from callboard.store import leases, queries
from callboard.store.database import Transaction

_SQL = queries.load("providers")


class ProviderKind(enum.StrEnum):
    """Who speaks for a provider."""

    ENGINE = "engine"
    """Code that the engines run."""
    HTTP = "http"
    """Whoever writes its entities over the REST API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider, as it is known to the catalog from its first mutation on."""

    name: str
    kind: ProviderKind
    owner: str | None
    """The principal that its entities belong to; None: everybody may write them."""
    created_at: dt.datetime
    entities: int
    """How many entities it claims."""
    mutation: str | None
    """JSON about the last mutation that changed something."""
    mutated_at: dt.datetime | None
    refused: str | None
    """JSON about the last mutation that the removal guard refused, unless another one came through since."""
    refused_at: dt.datetime | None
    let_through: bool
    """Whether the guard lets the next mutation through that it would refuse."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides who may write for a provider."""

    kind: ProviderKind
    owner: str | None


async def every(tx: Transaction) -> list[Provider]:
    """All providers by name."""
    return [_provider(row) for row in await tx.rows(_SQL["every"])]


async def find(tx: Transaction, name: str) -> Provider | None:
    """The provider with this name."""
    row = await tx.row(_SQL["find"], name=name)
    return _provider(row) if row else None


def _provider(row: asyncpg.Record) -> Provider:
    return Provider(**{**row, "kind": ProviderKind(row["kind"])})


async def standing(tx: Transaction, name: str) -> Standing | None:
    """Whose provider this is; None when nobody has used the name yet."""
    row = await tx.row(_SQL["standing"], name=name)
    return Standing(ProviderKind(row["kind"]), row["owner"]) if row else None


async def add(tx: Transaction, name: str, kind: ProviderKind, *, owner: str | None = None) -> None:
    """Make the provider known; one that is known stays as it is."""
    await tx.run(_SQL["add"], name=name, kind=kind, owner=owner, now=tx.now)


async def note_mutation(tx: Transaction, name: str, mutation: str, *, absolve: bool = True) -> None:
    """Remember what the last mutation did (JSON), and with *absolve* forget what was refused before."""
    await tx.run(_SQL["note_mutation"], name=name, mutation=mutation, now=tx.now, absolve=absolve)


async def absolve(tx: Transaction, name: str) -> None:
    """Forget what was refused before."""
    await tx.run(_SQL["absolve"], name=name)


async def note_refusal(tx: Transaction, name: str, refused: str) -> None:
    """Remember why the guard refused a mutation (JSON)."""
    await tx.run(_SQL["note_refusal"], name=name, refused=refused, now=tx.now)


async def let_through(tx: Transaction, name: str) -> bool:
    """Let the next mutation through that the guard would refuse. False when there is no such provider."""
    return await tx.run(_SQL["let_through"], name=name) == 1


async def use_let_through(tx: Transaction, name: str) -> bool:
    """Whether a mutation may pass the guard; only one may."""
    return bool(await tx.refs(_SQL["use_let_through"], name=name))


async def remove(tx: Transaction, name: str) -> None:
    """Forget the provider. Its claims are another matter."""
    await tx.run(_SQL["remove"], name=name)


async def refused(tx: Transaction) -> list[str]:
    """The providers whose last mutation was refused."""
    return await tx.refs(_SQL["refused"])


async def connect(tx: Transaction, names: Sequence[str], lease: dt.timedelta) -> None:
    """Say that an engine has these providers connected, for the time of the *lease*."""
    await leases.share(tx, [f"connected:{name}" for name in names], lease)


async def forgotten(tx: Transaction, connected: Sequence[str]) -> dict[str, dt.datetime | None]:
    """The providers that hold entities and are none of the *connected* ones.

    For each, until when another engine has it connected, at the least; None when none has.
    """
    rows = await tx.rows(_SQL["forgotten"], connected=list(connected), now=tx.now)
    return {row["name"]: row["in_use_until"] for row in rows}

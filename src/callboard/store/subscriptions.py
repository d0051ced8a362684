"""Subscriptions: cursors that the server keeps for consumers and sinks, each with the lease of whoever is at it."""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, fields

import asyncpg

from callboard.store import leases, queries
from callboard.store.database import Transaction

_SQL = queries.load("subscriptions")

_OF_PLUGINS = "plugin:"
"""What the names of those begin with that lead to a handler of a plugin. Nobody else can give such a name."""


class State(enum.StrEnum):
    """Whether anything is told."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Somebody wants it to wait."""
    DEAD = "dead"
    """It can't go on by itself: what it needs is forgotten, or its sink takes nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as it is stored."""

    name: str
    owner: str | None
    """The principal that it belongs to; None: everybody."""
    created_at: dt.datetime
    wanted: str
    """What is told, as JSON with `filter`, `query` and `fields`."""
    permitted: str | None
    """A query (JSON): what its sink may be told; None for everything."""
    sink: str | None
    """JSON; None when consumers read it over HTTP."""
    secrets: str | None = None
    """JSON. Never to be shown."""
    state: State
    generation: int
    """Another one after each seek and each change of what is told."""
    epoch: str
    offset: int
    """The cursor: everything up to it has been acknowledged."""
    compacted: bool
    """Whether each entity is told once until the consumer has caught up."""
    began: int | None
    """Where the way through the compacted stream began that it is on; None when it is on none."""
    acked_at: dt.datetime | None
    holder: str | None
    leased_until: dt.datetime | None
    handed_out: int | None
    """The offset up to which the holder was given events."""
    handed_began: int | None
    """Where the way there began."""
    handed_until: int | None
    """From which offset on that does not matter any more."""
    handed_caught_up: bool | None
    """Whether that was the head of the stream."""
    attempts: int
    """How many times in a row the sink has failed."""
    failing_since: dt.datetime | None
    next_at: dt.datetime
    """When a sink is tried again."""
    error: str | None

    @property
    def is_of_plugin(self) -> bool:
        """Whether it leads to a handler of a plugin."""
        return is_of_plugin(self.name)

    def __repr__(self) -> str:
        return f"Subscription({self.name!r}, {self.state}, {self.offset})"


_COLUMNS = tuple(field.name for field in fields(Subscription))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a subscription is to be."""

    wanted: str
    permitted: str | None = None
    sink: str | None = None
    secrets: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a cursor stands."""

    epoch: str
    offset: int
    compacted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a holder is given."""

    offset: int
    """Up to where."""
    began: int | None
    """Where the way there began, if it may have gone through the compacted stream."""
    until: int | None
    """From which offset on that does not matter any more; None where it always does."""
    caught_up: bool
    """Whether that is the head of the stream."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Who is at which generation of a subscription. What it does takes no effect once somebody else is."""

    name: str
    holder: str
    generation: int


def name_of_handler(plugin: str, handler: str) -> str:
    """The subscription that leads to a handler of a plugin."""
    return f"{_OF_PLUGINS}{plugin}.{handler}"


def is_of_plugin(name: str) -> bool:
    """Whether a subscription with this name leads to a handler of a plugin."""
    return name.startswith(_OF_PLUGINS)


async def every(tx: Transaction) -> list[Subscription]:
    """All subscriptions by name."""
    return [_subscription(row) for row in await tx.rows(_SQL["every"])]


async def find(tx: Transaction, name: str) -> Subscription | None:
    """The subscription with this name."""
    return _found(await tx.row(_SQL["find"], name=name))


async def lock(tx: Transaction, name: str) -> Subscription | None:
    """The same, which nobody else can change before the transaction ends."""
    return _found(await tx.row(_SQL["lock"], name=name))


async def add(tx: Transaction, name: str, owner: str | None, wish: Wish, place: Place) -> Subscription | None:
    """Make a subscription; None when there is one by now."""
    return _found(
        await tx.row(
            _SQL["add"],
            name=name,
            owner=owner,
            wanted=wish.wanted,
            permitted=wish.permitted,
            sink=wish.sink,
            secrets=wish.secrets,
            epoch=place.epoch,
            offset=place.offset,
            compacted=place.compacted,
            now=tx.now,
        )
    )


async def change(tx: Transaction, name: str, wish: Wish) -> Subscription | None:
    """Let it tell something else, or tell it elsewhere, from where it stands."""
    return _found(
        await tx.row(
            _SQL["change"],
            name=name,
            wanted=wish.wanted,
            permitted=wish.permitted,
            sink=wish.sink,
            secrets=wish.secrets,
            now=tx.now,
        )
    )


async def remove(tx: Transaction, name: str) -> bool:
    """Forget it. False when there is none."""
    return await tx.run(_SQL["remove"], name=name) == 1


async def pause(tx: Transaction, name: str) -> Subscription | None:
    """Let nothing be told until it is resumed."""
    return _found(await tx.row(_SQL["pause"], name=name))


async def resume(tx: Transaction, name: str) -> Subscription | None:
    """Let it go on where it stands, and forget what has failed."""
    return _found(await tx.row(_SQL["resume"], name=name, now=tx.now))


async def seek(tx: Transaction, name: str, place: Place) -> Subscription | None:
    """Move the cursor, forwards or back. A dead one lives again."""
    return _found(
        await tx.row(
            _SQL["seek"], name=name, offset=place.offset, epoch=place.epoch, compacted=place.compacted, now=tx.now
        )
    )


async def take(tx: Transaction, name: str, holder: str, lease: dt.timedelta) -> Subscription | None:
    """Let *holder* be the one consumer; None when another one is, or there is no such subscription."""
    return _found(await tx.row(_SQL["take"], name=name, holder=holder, now=tx.now, until=tx.now + lease))


async def keep(tx: Transaction, hold: Hold, lease: dt.timedelta) -> bool:
    """Whether the holder still is the one consumer; if so, for longer."""
    return await tx.run(_SQL["keep"], **_of(hold), until=tx.now + lease) == 1


async def hand_out(tx: Transaction, hold: Hold, lease: dt.timedelta, batch: Batch) -> bool:
    """Remember up to where the holder is given events. False when it is not the holder any more."""
    handed = {"offset": batch.offset, "began": batch.began, "until_offset": batch.until, "caught_up": batch.caught_up}
    return await tx.run(_SQL["hand_out"], **_of(hold), until=tx.now + lease, **handed) == 1


async def advance(
    tx: Transaction, hold: Hold, lease: dt.timedelta, *, offset: int, compacted: bool, began: int | None = None
) -> Subscription | None:
    """Everything up to *offset* is acknowledged. None when it is not for this holder to say any more."""
    return _found(
        await tx.row(
            _SQL["advance"],
            **_of(hold),
            until=tx.now + lease,
            now=tx.now,
            offset=offset,
            compacted=compacted,
            began=began,
        )
    )


async def release(tx: Transaction, name: str, holder: str) -> None:
    """Let somebody else have it."""
    await tx.run(_SQL["release"], name=name, holder=holder)


async def claim(
    tx: Transaction, holder: str, lease: dt.timedelta, *, limit: int, handlers: Sequence[str] = ()
) -> list[Subscription]:
    """Take up to *limit* sinks for which there is something to deliver; of handlers of plugins, these only."""
    rows = await tx.rows(
        _SQL["claim"], holder=holder, now=tx.now, until=tx.now + lease, limit=limit, handlers=list(handlers)
    )
    return [_subscription(row) for row in rows]


async def connect(tx: Transaction, names: Sequence[str], lease: dt.timedelta) -> None:
    """Say that an engine has the handlers that these subscriptions lead to, for the time of the *lease*."""
    await leases.share(tx, [_lease_of(name) for name in names], lease)


async def connected(tx: Transaction, names: Sequence[str]) -> set[str]:
    """Those of *names* whose handler some engine has."""
    in_use = await leases.in_use(tx, [_lease_of(name) for name in names]) if names else set()
    return {name for name in names if _lease_of(name) in in_use}


async def renew(tx: Transaction, holder: str, names: Sequence[str], lease: dt.timedelta) -> None:
    """Hold on to sinks for longer."""
    await tx.run(_SQL["renew"], holder=holder, names=list(names), until=tx.now + lease)


async def fail(tx: Transaction, hold: Hold, error: str, *, next_at: dt.datetime) -> None:
    """Remember why a sink took nothing, and let it be until *next_at*."""
    await tx.run(_SQL["fail"], **_of(hold), error=error, now=tx.now, next_at=next_at)


async def die(tx: Transaction, hold: Hold, error: str) -> bool:
    """Let it be until somebody takes care of it. False when it is not for this holder to say any more."""
    return await tx.run(_SQL["die"], **_of(hold), error=error, now=tx.now) == 1


def _lease_of(name: str) -> str:
    return f"handler:{name}"


def _of(hold: Hold) -> dict[str, object]:
    return {"name": hold.name, "holder": hold.holder, "generation": hold.generation}


def _found(row: asyncpg.Record | None) -> Subscription | None:
    return _subscription(row) if row is not None else None


def _subscription(row: asyncpg.Record) -> Subscription:
    values = {name: row[name] for name in _COLUMNS}
    return Subscription(**{**values, "state": State(row["state"])})

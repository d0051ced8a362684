"""Explanation: all that the tables know of one entity."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from callboard.store import queries
from callboard.store.database import Transaction
from callboard.store.schedule import Priority

_SQL = queries.load("explanation")


class State(enum.StrEnum):
    """How far an entity has come."""

    VISIBLE = "visible"
    FAILING = "failing"
    """Readers have its last good version, with errors."""
    FAILED = "failed"
    """It has never been good."""
    PENDING = "pending"
    """It waits for its first run, or for being stitched after that."""


class Role(enum.StrEnum):
    """What a claim is to the entity that it is for."""

    WINNER = "winner"
    EQUAL = "equal"
    """It has the winner's location key, so that it is no rival."""
    RIVAL = "rival"


class Link(NamedTuple):
    """A claim."""

    source: str
    location_key: str | None
    role: Role
    line: int | None
    """Where in its file the entity begins, if that is known."""


@dataclass(frozen=True, slots=True)
class Node:
    """An entity on a way from a provider to the one that is explained."""

    state: State
    orphan: bool
    claims: Sequence[Link]
    """All claims on it, in the order in which they came."""


class Ran(NamedTuple):
    """The last run. What is not known of runs in earlier times is None."""

    at: dt.datetime
    because: str | None
    outcome: str | None


class Coming(NamedTuple):
    """The next run."""

    at: dt.datetime
    because: str | None
    priority: Priority
    attempts: int
    """How many runs have failed in a row."""


class Relation(NamedTuple):
    """A relation that the entity has emitted."""

    source_ref: str
    type: str
    target_ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One entity, beside who claims it."""

    uid: str
    body: str | None
    """What readers have."""
    offsets: tuple[int, int] | None
    """Where readers have got it, and where it has changed last."""
    errors: str | None
    """JSON array."""
    discovered_at: dt.datetime
    ran: Ran | None
    coming: Coming | None
    """None: only a change or a request makes it due."""
    processed_until: dt.datetime | None
    """Until when a worker has it; None when none has."""
    stitch_at: dt.datetime | None
    """When it is due for stitching; None when it is not marked."""
    stitched_until: dt.datetime | None
    """Until when a stitcher has it."""
    children: Sequence[str]
    relations: Sequence[Relation]
    refresh_keys: Sequence[str]


async def find(tx: Transaction, ref: str) -> Explanation | None:
    """What there is to say about the entity; None when there is none."""
    row = await tx.row(_SQL["of_entity"], ref=ref, now=tx.now)
    if row is None:
        return None
    return Explanation(
        uid=row["uid"],
        body=row["body"],
        offsets=None if row["body"] is None else (row["first_offset"], row["last_offset"]),
        errors=row["errors"],
        discovered_at=row["discovered_at"],
        ran=_ran(row),
        coming=_coming(row),
        processed_until=row["processed_until"],
        stitch_at=row["stitch_at"],
        stitched_until=row["stitched_until"],
        children=row["children"],
        relations=[Relation(*relation) for relation in row["relations"]],
        refresh_keys=row["refresh_keys"],
    )


def _ran(row: asyncpg.Record) -> Ran | None:
    if row["ran_at"] is not None:
        return Ran(row["ran_at"], row["ran_because"], row["outcome"])
    return None if row["processed_at"] is None else Ran(row["processed_at"], None, None)


def _coming(row: asyncpg.Record) -> Coming | None:
    if row["due_at"] is None:
        return None
    return Coming(row["due_at"], row["because"], Priority(row["priority"]), row["attempts"])


async def chains(tx: Transaction, ref: str) -> Mapping[str, Node]:
    """The entity and all above it, over all claims and not only those that win."""
    found: dict[str, tuple[State, bool, list[Link]]] = {}
    for row in await tx.rows(_SQL["chains"], ref=ref):
        _, _, links = found.setdefault(row["ref"], (_state(row), row["orphan"], []))
        if row["source"] is not None:
            links.append(Link(row["source"], row["location_key"] or None, _role(row), row["line"]))
    return {ref: Node(*node) for ref, node in found.items()}


def _state(row: asyncpg.Record) -> State:
    if row["visible"]:
        return State.FAILING if row["failing"] else State.VISIBLE
    return State.FAILED if row["failing"] and not row["good"] else State.PENDING


def _role(row: asyncpg.Record) -> Role:
    if row["won"]:
        return Role.WINNER
    return Role.EQUAL if row["equal"] else Role.RIVAL

"""Resources that identity providers push, as they wrote them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("resources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A user or a group."""

    id: str
    type: str
    name: str
    """The userName or displayName, without case."""
    external_id: str | None
    ref: str
    """The entity that it stands for."""
    entity_name: str
    shown: bool
    """Whether there is such an entity."""
    content: str
    """JSON, without members."""
    version: int
    created_at: dt.datetime
    modified_at: dt.datetime


async def find(tx: Transaction, provider: str, id_: str) -> Resource | None:
    """The resource with this id."""
    row = await tx.row(_SQL["find"], provider=provider, id=id_)
    return Resource(**row) if row else None


async def find_by_ref(tx: Transaction, provider: str, ref: str) -> Resource | None:
    """The resource that stands for this entity, be it there or not."""
    row = await tx.row(_SQL["by_ref"], provider=provider, ref=ref)
    return Resource(**row) if row else None


async def page(tx: Transaction, provider: str, type_: str, *, skip: int = 0, limit: int) -> list[Resource]:
    """Resources of one type, in the order in which they came."""
    rows = await tx.rows(_SQL["page"], provider=provider, type=type_, skip=skip, limit=limit)
    return [Resource(**row) for row in rows]


async def count(tx: Transaction, provider: str, type_: str) -> int:
    """How many of them there are."""
    row = await tx.row(_SQL["count"], provider=provider, type=type_)
    assert row is not None
    return int(row["count"])


async def named(tx: Transaction, provider: str, type_: str, name: str) -> list[Resource]:
    """Those with this userName or displayName, which is without case here."""
    return [Resource(**row) for row in await tx.rows(_SQL["named"], provider=provider, type=type_, name=name)]


async def external(tx: Transaction, provider: str, type_: str, external_id: str) -> list[Resource]:
    """Those that their writer knows by this id."""
    rows = await tx.rows(_SQL["external"], provider=provider, type=type_, external_id=external_id)
    return [Resource(**row) for row in rows]


async def save(
    tx: Transaction,
    provider: str,
    *,
    id_: str,
    type_: str,
    name: str,
    external_id: str | None,
    ref: str,
    entity_name: str,
    shown: bool,
    content: str,
) -> Resource:
    """Store a resource, or its next version."""
    row = await tx.row(
        _SQL["save"],
        provider=provider,
        id=id_,
        type=type_,
        name=name,
        external_id=external_id,
        ref=ref,
        entity_name=entity_name,
        shown=shown,
        content=content,
        now=tx.now,
    )
    assert row is not None
    return Resource(**row)


async def remove(tx: Transaction, provider: str, id_: str) -> None:
    """Delete a resource, and its place in all groups."""
    await tx.run(_SQL["leave"], provider=provider, id=id_)
    await tx.run(_SQL["remove"], provider=provider, id=id_)


async def members(tx: Transaction, provider: str, ids: Sequence[str]) -> dict[str, list[str]]:
    """The members of each of these groups, as JSON."""
    found: dict[str, list[str]] = {}
    for row in await tx.rows(_SQL["members"], provider=provider, ids=list(ids)):
        found.setdefault(row["group_id"], []).append(row["content"])
    return found


async def inside(tx: Transaction, provider: str, ids: Sequence[str]) -> dict[str, list[str]]:
    """The refs of those members of each of these groups that have an entity."""
    found: dict[str, list[str]] = {}
    for row in await tx.rows(_SQL["inside"], provider=provider, ids=list(ids)):
        found.setdefault(row["group_id"], []).append(row["ref"])
    return found


async def around(tx: Transaction, provider: str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each of these that is in groups, the ids of the groups and their content."""
    found: dict[str, dict[str, str]] = {}
    for row in await tx.rows(_SQL["around"], provider=provider, ids=list(ids)):
        found.setdefault(row["member_id"], {})[row["id"]] = row["content"]
    return found


async def set_members(tx: Transaction, provider: str, id_: str, content: Mapping[str, str]) -> int:
    """Make these the members of a group, by id. Returns how many came, went, or are other than before."""
    ids = list(content)
    gone = await tx.run(_SQL["drop_members"], provider=provider, id=id_, ids=ids)
    values = list(content.values())
    return gone + await tx.run(_SQL["add_members"], provider=provider, id=id_, ids=ids, contents=values)

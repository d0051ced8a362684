"""Entities as the write side knows them: processed content, errors and what the processors remember."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction
from callboard.store.queries import Query

_SQL = queries.load("entities")
REMOVE = _SQL["remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """The good end of a run."""

    ref: str
    processed: str
    result_hash: bytes
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The bad end of a run: JSON array of errors."""

    ref: str
    errors: str
    result_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """An entity whose last run ended with errors, and the line on which it begins now."""

    ref: str
    errors: str
    location_key: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToStitch:
    """What stitching reads of one entity."""

    ref: str
    uid: str
    processed: str
    errors: str | None
    source: str | None
    location_key: str | None
    rivals: str | None
    """JSON array of the claims that lost: source and location key of each. None when there is no conflict."""
    because: str | None
    """JSON: the beginning of the cause. None when it is stitched for a reason of an earlier release."""
    published_hash: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprocessed:
    """An entity that readers can't see yet."""

    ref: str
    uid: str
    content: str
    errors: str | None
    state: str | None
    due_at: dt.datetime | None
    discovered_at: dt.datetime
    location_key: str | None
    result_hash: bytes | None
    unprocessed_hash: bytes | None


async def save_processed(tx: Transaction, results: Sequence[Processed], *, processors: str) -> None:
    """Store good results, made by the set of *processors* with this fingerprint."""
    if results:
        await tx.run(
            _SQL["save_processed"],
            refs=[result.ref for result in results],
            processed=[result.processed for result in results],
            hashes=[result.result_hash for result in results],
            states=[result.state for result in results],
            processors=processors,
            now=tx.now,
        )


async def save_failed(tx: Transaction, results: Sequence[Failed], *, processors: str) -> None:
    """Store errors beside the last good results."""
    if results:
        await tx.run(
            _SQL["save_failed"],
            refs=[result.ref for result in results],
            errors=[result.errors for result in results],
            hashes=[result.result_hash for result in results],
            processors=processors,
            now=tx.now,
        )


async def failing(tx: Transaction, refs: Sequence[str]) -> list[Failing]:
    """Those of *refs* that fail, and of which it is known where they begin."""
    return [Failing(**row) for row in await tx.rows(_SQL["failing"], refs=list(refs))] if refs else []


async def correct_errors(tx: Transaction, corrected: Sequence[tuple[str, str]]) -> None:
    """Store the errors of failing entities in other words, given as (ref, JSON)."""
    if corrected:
        refs, errors = zip(*corrected, strict=True)
        await tx.run(_SQL["correct_errors"], refs=list(refs), errors=list(errors))


async def save_states(tx: Transaction, states: Sequence[tuple[str, str | None]]) -> None:
    """Store what processors remember, given as (ref, JSON)."""
    if states:
        await tx.run(_SQL["save_state"], refs=[ref for ref, _ in states], states=[state for _, state in states])


async def to_stitch(tx: Transaction, refs: Sequence[str]) -> list[ToStitch]:
    """Those of *refs* that have ever been processed well."""
    return [ToStitch(**row) for row in await tx.rows(_SQL["to_stitch"], refs=list(refs))]


async def with_location_ancestors(tx: Transaction, ref: str) -> list[str]:
    """*ref* and all Locations above it; empty when there is no such entity."""
    return await tx.refs(_SQL["ancestors"], ref=ref)


async def ancestry(tx: Transaction, ref: str) -> list[tuple[str, list[str]]]:
    """*ref* and all entities above it, nearest first, each with the refs of its parents."""
    parents: dict[str, list[str]] = {row["ref"]: row["parents"] for row in await tx.rows(_SQL["ancestry"], ref=ref)}
    ordered: list[str] = []
    level = [ref]
    while level:
        ordered += level
        above = dict.fromkeys(parent for member in level for parent in parents.get(member, ()))
        level = [parent for parent in above if parent not in ordered]
    return [(member, parents[member]) for member in ordered if member in parents]


async def uids(tx: Transaction, refs: Sequence[str]) -> dict[str, str]:
    """The uids of those of *refs* that exist."""
    return {row["ref"]: row["uid"] for row in await tx.rows(_SQL["uids"], refs=list(refs))}


async def find_by_uid(tx: Transaction, uid: str) -> str | None:
    """The ref of the entity with this uid."""
    return await _find(tx, _SQL["by_uid"], uid)


async def find_unprocessed(tx: Transaction, uid: str) -> str | None:
    """The ref of the entity with this uid, if it has never been good or fails now."""
    return await _find(tx, _SQL["unprocessed_by_uid"], uid)


async def _find(tx: Transaction, query: Query, uid: str) -> str | None:
    parsed = _parse_uid(uid)
    row = None if parsed is None else await tx.row(query, uid=parsed)
    return row["ref"] if row else None


def _parse_uid(text: str) -> uuid.UUID | None:
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        return None
    # Python reads more than is ever written.
    return parsed if str(parsed) == text else None


async def forget_results(tx: Transaction, refs: Sequence[str]) -> None:
    """Make the next run of *refs* write all its results, equal or not."""
    if refs:
        await tx.run(_SQL["forget_results"], refs=list(refs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of the unprocessed entities are asked for."""

    uid: str | None = None
    owner: str | None = None
    """What their `spec.owner` must be, to the letter."""
    limit: int | None = None
    offset: int = 0
    """How many of them, by ref, come before."""
    count_up_to: int | None = None
    """They are counted no further than this, or than what is listed."""

    @property
    def counted(self) -> int | None:
        """How many of them are looked at, at most; None: all."""
        if self.count_up_to is None or self.limit is None:
            return None
        return max(self.count_up_to, self.offset + self.limit)


async def unprocessed(tx: Transaction, *, failed: bool, wanted: Wanted | None = None) -> tuple[list[Unprocessed], int]:
    """The entities without a good result: those that *failed*, or those that are still waiting; and how many there are.

    *wanted* narrows both, but for its place and limit, which are about what is returned. Only what is counted is.
    """
    wanted = wanted or Wanted()
    uid = None if wanted.uid is None else _parse_uid(wanted.uid)
    if uid is None and wanted.uid is not None:
        return [], 0
    found = await tx.row(
        _SQL["without_good_result"],
        failed=failed,
        uid=uid,
        owner=wanted.owner,
        limit=wanted.limit,
        offset=wanted.offset,
        most=wanted.counted,
    )
    assert found is not None
    rows = await tx.rows(_SQL["unprocessed"], refs=found["refs"]) if found["refs"] else []
    return [Unprocessed(**row) for row in rows], found["total"]


async def processed_by_others(tx: Transaction, fingerprint: str) -> list[str]:
    """The entities whose result another set of processors made."""
    return await tx.refs(_SQL["processed_by_others"], fingerprint=fingerprint)


@dataclass(frozen=True, slots=True)
class Ailing:
    """How many entities are not as they should be."""

    failing: int
    """Their last run failed."""
    failed: int
    """Of these, those that were never good."""
    pending: int
    """They wait for their first run."""


async def ailing(tx: Transaction) -> Ailing:
    """The numbers of those that fail, and that wait for their first run. Costs nothing for those that are well."""
    row = await tx.row(_SQL["ailing"])
    assert row is not None
    return Ailing(row["failing"], row["failed"], row["pending"])

"""Soundness: what must hold between the tables, how to see that it doesn't, and how it is put right.

None of it can come from a crash: data, follow-up work and event are one transaction. It comes from a hand in the
tables, a restored part of them, a broken disk, or a mistake of ours.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from callboard.model import json
from callboard.model.causes import Because, Reason
from callboard.model.json import JsonValue
from callboard.store import claims, epochs, publication, queries, refresh_keys, relations, schedule, stitch_queue
from callboard.store.claims import ClaimKey
from callboard.store.database import Transaction
from callboard.store.queries import Query

_SQL = queries.load("soundness")
_REASON = Reason(Because.CHANGED, "callboard doctor")
_EXAMPLES = 3

Repair = Callable[[Transaction, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something that must hold."""

    name: str
    broken: str
    """What is wrong when it does not, with the number of what was found before it."""
    advice: str
    """How to put it right, when `repair` does not."""
    repair: Repair | None = None
    """Puts it right without losing anything; None where nobody can know how."""
    harmless: bool = False
    """It needs to be looked at, and nothing is lost or wrong."""

    @property
    def query(self) -> Query:
        """Finds what breaks it."""
        return _SQL[self.name]


@dataclass(frozen=True, slots=True)
class Found:
    """What breaks a rule."""

    count: int
    examples: Sequence[str] = ()


async def _decide_anew(tx: Transaction, refs: Sequence[str]) -> None:
    """Let the claims decide again, and process what comes of it."""
    there = await claims.lock_targets(tx, refs)
    decision = await claims.decide(tx, sorted(there))
    await schedule.request(tx, sorted(there), reason=_REASON)
    await stitch_queue.mark(tx, decision.to_stitch, reason=_REASON)


async def _make_entities(tx: Transaction, refs: Sequence[str]) -> None:
    await claims.lock_targets(tx, [], create=refs)
    await _decide_anew(tx, refs)


async def _withdraw(tx: Transaction, sources: Sequence[str]) -> None:
    rows = await tx.rows(_SQL["claims_of_these"], refs=list(sources))
    gone = [ClaimKey(*row) for row in rows]
    await claims.lock_targets(tx, sorted({key.ref for key in gone}))
    await claims.withdraw(tx, gone)
    await _decide_anew(tx, sorted({key.ref for key in gone}))


async def _process(tx: Transaction, refs: Sequence[str]) -> None:
    await schedule.request(tx, refs, reason=_REASON)


async def _stitch(tx: Transaction, refs: Sequence[str]) -> None:
    await stitch_queue.mark(tx, refs, reason=_REASON)


async def _forget_relations(tx: Transaction, refs: Sequence[str]) -> None:
    """Delete what these emitted, and stitch whoever shows it."""
    neighbours = await relations.remove(tx, refs)
    await claims.lock_targets(tx, list(neighbours))
    await stitch_queue.mark(tx, [], neighbours=neighbours)


async def _release(tx: Transaction, refs: Sequence[str]) -> None:
    await tx.run(_SQL["release_due"], refs=list(refs))
    await tx.run(_SQL["release_stitches"], refs=list(refs))


async def _advance_head(tx: Transaction, _refs: Sequence[str]) -> None:
    """Bring the counter to the last offset that was given out: until then each publication would give it out again."""
    await epochs.hold_counter(tx)
    await tx.run(_SQL["advance_head"])


async def _make_partitions(tx: Transaction, starts: Sequence[str]) -> None:
    """Make empty partitions where there is no table. One that is there and not attached may hold what is missing."""
    counter = await epochs.hold_counter(tx)
    for start in map(int, starts):
        hole = await tx.row(_SQL["hole_in_the_history"], starts_at=start)
        if hole is None:
            continue
        await tx.run(_SQL["forget_partition"], starts_at=start)
        await tx.run(_SQL["extend_from"], starts_at=start)
        await publication.extend_history(tx, hole["ends_before"] - 1, size=hole["ends_before"] - start)
    await tx.run(_SQL["extend_from"], starts_at=counter.history_until)


async def _retract(tx: Transaction, refs: Sequence[str]) -> None:
    await publication.retract(tx, dict.fromkeys(refs, _REASON))


def _by(removal: Query) -> Repair:
    async def delete(tx: Transaction, refs: Sequence[str]) -> None:
        await tx.run(removal, refs=list(refs))

    return delete


_ANOTHER_EPOCH = "callboard epoch --begin lets every reader begin again; restore a backup if the past matters"

RULES: Sequence[Rule] = (
    Rule(
        name="claims_of_nothing",
        broken="claims for entities that do not exist",
        advice="offer them again",
        repair=_make_entities,
    ),
    Rule(
        name="claims_by_nobody",
        broken="claims by entities that do not exist",
        advice="they keep entities alive that nothing emits; withdraw them",
        repair=_withdraw,
    ),
    Rule(
        name="winners_without_claim",
        broken="entities whose winner claims nothing",
        advice="let the claims decide again",
        repair=_decide_anew,
    ),
    Rule(
        name="claimed_without_winner",
        broken="entities that are claimed and have no winner",
        advice="let the claims decide again",
        repair=_decide_anew,
    ),
    Rule(
        name="due_and_not_there",
        broken="entries of the schedule for entities that do not exist",
        advice="delete them",
        repair=_by(schedule.REMOVE),
    ),
    Rule(
        name="relations_by_nobody",
        broken="relations by entities that do not exist",
        advice="delete them, and stitch those who show them",
        repair=_forget_relations,
    ),
    Rule(
        name="keys_of_nobody",
        broken="refresh keys of entities that do not exist",
        advice="delete them",
        repair=_by(refresh_keys.REMOVE),
    ),
    Rule(
        name="visible_and_not_there",
        broken="visible entities that do not exist, or are others by now",
        advice="retract them",
        repair=_retract,
    ),
    Rule(
        name="never_processed",
        broken="entities that were never processed, and are on no list",
        advice="POST /refresh for each",
        repair=_process,
    ),
    Rule(
        name="never_stitched",
        broken="entities that were processed well, and are not visible",
        advice="POST /refresh for each",
        repair=_stitch,
    ),
    Rule(
        name="half_tombstones",
        broken="removals that still have a body, or visible entities without",
        advice="restore final_entities from a backup",
    ),
    Rule(
        name="missing_partitions",
        broken="parts of the history without their table, from the offsets",
        advice="empty ones are made; a table history_<offset> that is there must be attached by hand",
        repair=_make_partitions,
    ),
    Rule(name="missing_offsets", broken="holes in the stream, after the offsets", advice=_ANOTHER_EPOCH),
    Rule(
        name="beyond_the_head",
        broken="changes beyond the head of the stream",
        advice="move the head: nothing can be published before that",
        repair=_advance_head,
    ),
    Rule(
        name="other_than_told",
        broken="visible entities that are others than the stream has told",
        advice=_ANOTHER_EPOCH,
    ),
    Rule(
        name="without_event",
        broken="visible entities that the stream knows nothing of",
        advice=_ANOTHER_EPOCH,
    ),
    Rule(
        name="expired_leases",
        broken="entities whose engine has said nothing for ten minutes",
        advice="let others have them, which any engine does as well",
        repair=_release,
        harmless=True,
    ),
    Rule(
        name="dead_subscriptions",
        broken="subscriptions that are dead",
        advice="callboard subscriptions says why; resume them when their receiver is there again",
        harmless=True,
    ),
)

WAITING = Rule(
    name="waiting_for_engines",
    broken="entities that have been due for ten minutes",
    advice="no engine runs, or too few: start callboard engine",
    harmless=True,
)


async def find(tx: Transaction, rule: Rule, **values: object) -> Found:
    """What breaks the *rule* now."""
    text = f"select count(*), (array_agg(ref))[1:{_EXAMPLES}] from ({rule.query.text}) found"  # noqa: S608 - a file of ours
    row = await tx.connection.fetchrow(text, *rule.query.arguments(values))
    assert row is not None
    return Found(row[0], sorted(set(row[1] or ())))


async def refs(tx: Transaction, rule: Rule, limit: int) -> list[str]:
    """Up to *limit* of those that break the *rule*."""
    return sorted({row[0] for row in await tx.connection.fetch(f"{rule.query.text} limit {limit}")})


async def server(tx: Transaction) -> Mapping[str, object]:
    """What PostgreSQL says of itself."""
    row = await tx.row(_SQL["server"])
    assert row is not None
    return dict(row)


async def wrong_etags(tx: Transaction, seen: Mapping[str, str], offset: int) -> list[str]:
    """Those of the entities, *seen* at an *offset* with these etags, that were others, or none, in the tables."""
    rows = {row["ref"]: row for row in await tx.rows(_SQL["last_bodies"], refs=list(seen))}
    return [
        ref
        for ref, etag in seen.items()
        # What has changed, or gone, after that offset says nothing of what was right there.
        if (row := rows.get(ref)) is None or (row["last_offset"] <= offset and _etag_in(row["body"]) != etag)
    ]


def _etag_in(body: str | None) -> JsonValue:
    entity = json.decode(body) if body else None
    metadata = entity["metadata"] if isinstance(entity, dict) else None
    return metadata.get("etag") if isinstance(metadata, dict) else None


async def visible(tx: Transaction) -> tuple[int, int]:
    """How many entities are visible, and at which offset."""
    row = await tx.row(_SQL["visible_count"])
    assert row is not None
    return row["visible"], row["head"]

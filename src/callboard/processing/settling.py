"""Settling: a batch of results is stored in one transaction.

Locks: entities in the order of their refs, all in one go, then the schedule, then the stitch queue in the order of its
refs, the stream's counter row last.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from callboard.model.causes import CHANGED, Because, Reason
from callboard.processing import lines
from callboard.processing.results import Bad, Good, Result
from callboard.store import (
    claims,
    entities,
    publication,
    refresh_keys,
    relations,
    removal,
    schedule,
    statistics,
    stitch_queue,
)
from callboard.store.claims import Claim, ClaimKey, Decision
from callboard.store.database import Overtaken, Transaction
from callboard.store.removal import Removed
from callboard.store.schedule import Settled

NextDue = Callable[[Result, dt.datetime], Settled]
"""Says when the entity of a result is due again."""


async def settle(
    tx: Transaction,
    results: Sequence[Result],
    *,
    next_due: NextDue,
    fingerprint: str,
    delete_orphans: bool,
    backlog: bool,
) -> int:
    """Store *results* and return how many counted: work whose lease was lost, or whose entity went, is dropped.

    With a *backlog* the neighbours wait longer for being stitched. May raise Overtaken.
    """
    held = await schedule.holding(tx, [(result.due.ref, result.due.lease) for result in results])
    results = [result for result in results if (result.due.ref, result.due.lease) in held]
    family = await _family(tx, _good(results), delete_orphans=delete_orphans)
    others = [*(result.due.ref for result in results), *family.lost, *(claim.ref for claim in family.moved)]
    await removal.lock_trees(tx, family.doomed, others=others, create=family.found)
    held = await schedule.holding(tx, list(held), lock=True)
    asked_again = [r.due.ref for r in results if held.get((r.due.ref, r.due.lease), r.due.ticket) != r.due.ticket]
    results = [result for result in results if (result.due.ref, result.due.lease) in held]
    family = family.of(claims.of_entity(result.due.ref) for result in results)

    runs = {result.due.ref: result.due.reason for result in results}
    removed, decision, uprooted = await _reassign(tx, family)
    results = [result for result in results if result.due.ref not in removed.refs]
    neighbours = {**removed.neighbours, **await _save(tx, _good(results), _bad(results), fingerprint)}
    await lines.follow(tx, family.moved, failed=[result.due.ref for result in _bad(results)])
    await entities.save_states(tx, [(r.due.ref, r.state) for r in results if isinstance(r, Good) and r.only_remembers])
    # Whoever asked may have wanted that everything is emitted anew, which these results would make unnecessary.
    await entities.forget_results(tx, [*asked_again, *uprooted])
    await schedule.settle(tx, [next_due(result, tx.now) for result in results])
    reasons = family.reasons(removed, runs)
    await schedule.request(tx, sorted({*decision.to_process, *uprooted}), reasons=reasons)
    await _mark(tx, results, decision.reasons(CHANGED, reasons), neighbours, backlog=backlog)
    await publication.retract(tx, {ref: reasons[ref].being(Because.ORPHANED) for ref in removed.refs})
    return len(results)


async def _mark(
    tx: Transaction,
    results: Sequence[Result],
    decided: Mapping[str, Reason],
    neighbours: Mapping[str, str],
    *,
    backlog: bool,
) -> None:
    own = {**{result.due.ref: result.due.reason for result in results if result.changed}, **decided}
    others = {ref: by for ref, by in neighbours.items() if ref not in own}
    delay = stitch_queue.LATER if backlog else stitch_queue.SOON
    await stitch_queue.mark(tx, list(own), reasons=own, neighbours=others, delay=delay)


@dataclass(frozen=True, slots=True)
class _Family:
    """How the children of a batch differ from those that are stored."""

    offered: Sequence[Claim]
    moved: Sequence[Claim]
    severed: Sequence[ClaimKey]
    new: frozenset[str]
    delete_orphans: bool

    def of(self, parents: Iterable[str]) -> "_Family":
        """What is left of it without parents that somebody else has taken over. May raise Overtaken."""
        staying = set(parents)
        if any(claim.source not in staying for claim in self.offered):
            # Entities were created for these claims, so it doesn't do to leave the claims out.
            raise Overtaken("a parent was taken over")
        severed = [key for key in self.severed if key.source in staying]
        moved = [claim for claim in self.moved if claim.source in staying]
        return replace(self, moved=moved, severed=severed)

    def reasons(self, removed: Removed, runs: Mapping[str, Reason]) -> dict[str, Reason]:
        """Why something becomes of children: for what their parents were run, whose reasons are *runs*.

        What is gone, and what hung on that, has the parent as its source that let go of it.
        """
        led = {claims.of_entity(ref): reason for ref, reason in runs.items()}
        found = {claim.ref: led[claim.source] for claim in self.offered}
        found |= {key.ref: led[key.source] for key in self.severed if key.ref not in found}
        gone = {key.ref: replace(led[key.source], source=key.source) for key in self.severed}
        return found | removed.spread(gone)

    @property
    def found(self) -> list[str]:
        return [claim.ref for claim in self.offered]

    @property
    def lost(self) -> list[str]:
        return [key.ref for key in self.severed]

    @property
    def doomed(self) -> list[str]:
        """Those that go, with all below them, if nothing else keeps them."""
        return self.lost if self.delete_orphans else []


async def _family(tx: Transaction, good: Sequence[Good], *, delete_orphans: bool) -> _Family:
    emitted = [child for result in good for child in result.children]
    standing = [item for result in good for item in result.standing]
    found = await claims.compare(tx, emitted)
    # Only what has emitted before can have lost a child.
    parents = [claims.of_entity(result.due.ref) for result in good if result.due.state is not None]
    severed = await claims.severed(tx, parents, emitted, standing) if parents else []
    return _Family(found.changed, found.moved, severed, found.new, delete_orphans)


async def _reassign(tx: Transaction, family: _Family) -> tuple[Removed, Decision, list[str]]:
    """Give the children to whom they belong. Returns also who has to emit its own children anew for that."""
    await claims.withdraw(tx, family.severed)
    await claims.offer(tx, family.offered)
    await statistics.correct(tx, ["claims", "entities"], rows=len(family.offered))
    removed = await removal.remove(tx, await removal.unreachable(tx, family.doomed))
    touched = {*family.found, *family.lost, *removed.offered_by_others}.difference(removed.refs)
    decision = await claims.decide(tx, sorted(touched))
    return removed, decision, await claims.uprooted(tx, sorted(touched.difference(family.new)))


def _good(results: Sequence[Result]) -> list[Good]:
    return [result for result in results if isinstance(result, Good) and result.changed]


def _bad(results: Sequence[Result]) -> list[Bad]:
    return [result for result in results if isinstance(result, Bad) and result.changed]


async def _save(tx: Transaction, good: Sequence[Good], bad: Sequence[Bad], fingerprint: str) -> Mapping[str, str]:
    """Store processed content, errors, relations and refresh keys; returns whose relations changed, and by whom."""
    await entities.save_processed(
        tx,
        [
            entities.Processed(ref=r.due.ref, processed=r.processed, result_hash=r.result_hash, state=r.state)
            for r in good
        ],
        processors=fingerprint,
    )
    await entities.save_failed(
        tx,
        [entities.Failed(ref=r.due.ref, errors=r.errors, result_hash=r.result_hash) for r in bad],
        processors=fingerprint,
    )
    if good:
        refs = [result.due.ref for result in good]
        await refresh_keys.replace(tx, refs, [key for result in good for key in result.refresh_keys])
    await refresh_keys.add(tx, [key for result in bad for key in result.refresh_keys])
    related = [(result.due.ref, result.relations) for result in good]
    related += [(result.due.ref, result.relations) for result in bad if result.relations is not None]
    if not related:
        return {}
    emitted = [relation for _, found in related for relation in found]
    return await relations.replace(tx, [ref for ref, _ in related], emitted)

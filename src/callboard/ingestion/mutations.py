"""A provider's bucket: how one mutation is applied, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from callboard.errors import InvalidInput
from callboard.extend import Delta, Full, Mutation, Offered
from callboard.ingestion import guards
from callboard.ingestion.guards import OPEN, Guard
from callboard.model import json
from callboard.model.causes import CHANGED, Because, Reason
from callboard.model.entities import check_envelope, entity_ref, origin_in
from callboard.model.hashing import content_hash
from callboard.store import (
    claims,
    entities,
    leases,
    providers,
    publication,
    removal,
    schedule,
    statistics,
    stitch_queue,
)
from callboard.store.claims import Claim, ClaimKey, Difference
from callboard.store.database import Transaction
from callboard.store.providers import ProviderKind

_log = structlog.get_logger(__name__)

_MANY = 10_000
"""Entities of which a machine that has much else to do may have to think for seconds."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entity of a mutation that could not be taken over."""

    entity: str
    """Its ref, or whatever names it best."""
    reason: str
    row: int | None = None
    """Where it stands in the set, from 1 on, if that is known."""


class Offer(Protocol):
    """What a mutation brings: a few entities in memory, or a whole set that is staged in the database."""

    @property
    def count(self) -> int:
        """How many entities it has."""
        ...

    async def differing(self, tx: Transaction, source: str) -> list[Difference]:
        """Those of them that *source* does not claim like this yet."""
        ...

    async def missing(self, tx: Transaction, source: str) -> list[ClaimKey]:
        """What *source* claims and is to be withdrawn, after the offer."""
        ...

    async def store(self, tx: Transaction, source: str, refs: Sequence[str]) -> None:
        """Claim those with these *refs*, of the differing ones."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """An offer in memory."""

    full: bool
    offered: Sequence[Claim]
    mentioned: Sequence[tuple[str, str | None]] = ()
    """(ref, key) of all that is offered, and (ref, None) of what was rejected: what is broken is not withdrawn."""
    withdrawn: Sequence[str] = ()

    @property
    def count(self) -> int:
        """How many entities it has."""
        return len(self.offered)

    async def differing(self, tx: Transaction, source: str) -> list[Difference]:
        """Those that are new, or other than before."""
        found = await claims.compare(tx, self.offered)
        return [Difference(claim.ref, claim.ref in found.new) for claim in found.changed]

    async def missing(self, tx: Transaction, source: str) -> list[ClaimKey]:
        """What a full set does not mention, or what a delta withdraws."""
        if self.full:
            return await claims.absent(tx, source, self.mentioned)
        refs = [*self.withdrawn, *(claim.ref for claim in self.offered)]
        return await claims.superseded(tx, source, refs, self.offered) if refs else []

    async def store(self, tx: Transaction, source: str, refs: Sequence[str]) -> None:
        """Claim them."""
        wanted = set(refs)
        await claims.offer(tx, [claim for claim in self.offered if claim.ref in wanted])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A mutation that has been checked and is ready to be stored."""

    provider: str
    full: bool
    offer: Offer
    rejected: Sequence[Rejected] = ()
    kind: ProviderKind = ProviderKind.ENGINE
    guard: Guard = OPEN
    reason: Reason = CHANGED
    """Why everything is processed that comes of it, and who asked for that."""
    page: bool = False
    """One of many: what the guard has refused of the whole stays refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a mutation has written so far. What it removes is still visible, until it is retracted."""

    source: str
    offered: int
    reason: Reason = CHANGED
    differing: Sequence[Difference] = ()
    withdrawn: Sequence[str] = ()
    """What the provider claims no more."""
    asked: Sequence[str] = ()
    """What has to be processed for it, be it somebody else's."""
    gone: Sequence[str] = ()
    """What is in the catalog no more: that, unless somebody else keeps it, and all that only hung on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a mutation has done."""

    offered: int = 0
    changed: int = 0
    removed: int = 0
    offset: int | None = None
    """Where in the stream the removals are; None when there were none."""
    rejected: Sequence[Rejected] = field(default_factory=tuple)


def prepare(provider: str, mutation: Mutation, *, guard: Guard = OPEN, reason: Reason = CHANGED) -> Prepared:
    """Check every entity of the *mutation*. Pure: this part of the work needs no transaction."""
    withdrawn: Sequence[str] = ()
    match mutation:
        case Full(entities):
            full, offered = True, entities
        case Delta(added, removed):
            full, offered, withdrawn = False, added, [str(ref) for ref in removed if _storable(str(ref))]
    source = claims.of_provider(provider)
    accepted: dict[str, Claim] = {}
    mentioned: list[tuple[str, str | None]] = []
    rejected: list[Rejected] = []
    for item in offered:
        try:
            check_envelope(item.entity)
            claim = claim_of(source, item)
        except (InvalidInput, TypeError) as error:
            ref = ref_in(item.entity)
            rejected.append(Rejected(ref or _best_name(item), str(error)))
            mentioned += [(ref, None)] if ref else []
            continue
        if accepted.setdefault(claim.ref, claim) != claim:
            rejected.append(Rejected(claim.ref, "is offered twice in one mutation, with different content"))
    mentioned += [(claim.ref, claim.location_key) for claim in accepted.values()]
    offer = Carried(full=full, offered=list(accepted.values()), mentioned=mentioned, withdrawn=withdrawn)
    return Prepared(provider=provider, full=full, offer=offer, rejected=rejected, guard=guard, reason=reason)


async def apply(tx: Transaction, prepared: Prepared) -> Applied:
    """Store a prepared mutation. Must be the last thing that the transaction does, for it may publish removals.

    Raises RemovalRefused when the guard does not let it pass.
    """
    for rejection in prepared.rejected:
        _log.warning("ingestion.rejected", provider=prepared.provider, ref=rejection.entity, reason=rejection.reason)
    written = await write(tx, prepared)
    return Applied(
        offered=written.offered,
        changed=len(written.differing),
        removed=len(written.gone),
        offset=await retract(tx, written),
        rejected=prepared.rejected,
    )


async def write(tx: Transaction, prepared: Prepared) -> Written:
    """Store a prepared mutation, but for the retraction of what goes, which has to come last in the transaction."""
    if not prepared.full and prepared.offer.count < _MANY:
        return await _write(tx, prepared)
    async with tx.unhurried():
        return await _write(tx, prepared)


async def _write(tx: Transaction, prepared: Prepared) -> Written:
    source, offer = claims.of_provider(prepared.provider), prepared.offer
    await leases.hold_for_transaction(tx, source)
    differing = await offer.differing(tx, source)
    withdrawn = await offer.missing(tx, source)
    if not differing and not withdrawn:
        if not prepared.page:
            # The source is well again.
            await providers.absolve(tx, prepared.provider)
        return Written(source=source, offered=offer.count)
    changed = [difference.ref for difference in differing]
    lost = sorted({key.ref for key in withdrawn})
    # A claim that is replaced by one under another key is none that goes.
    leaving = sorted(set(lost).difference(changed))
    await _ask_the_guard(tx, prepared, source, removed=len(leaving))
    await removal.lock_trees(tx, lost, create=changed)
    await claims.withdraw(tx, withdrawn)
    await offer.store(tx, source, changed)
    await statistics.correct(tx, ["claims", "entities"], rows=len(changed))
    gone = await removal.remove(tx, await removal.unreachable(tx, lost))
    touched = ({*changed, *lost} - set(gone.refs)) | set(gone.offered_by_others)
    decision = await claims.decide(tx, sorted(touched))
    known = touched.difference(difference.ref for difference in differing if difference.new)
    uprooted = await claims.uprooted(tx, sorted(known))
    await entities.forget_results(tx, uprooted)
    reason = prepared.reason
    asked = sorted({*decision.to_process, *uprooted})
    await schedule.request(tx, asked, reason=reason)
    await statistics.correct(tx, ["schedule"], rows=len(asked))
    await _note(tx, prepared, changed=len(changed), removed=len(gone.refs))
    await stitch_queue.mark(tx, decision.to_stitch, reasons=decision.reasons(reason), neighbours=gone.neighbours)
    return Written(
        source=source,
        offered=offer.count,
        reason=reason,
        differing=differing,
        withdrawn=leaving,
        asked=asked,
        gone=gone.refs,
    )


async def retract(tx: Transaction, written: Written) -> int | None:
    """Make what has gone invisible, and return the last offset of that; the end of the transaction."""
    reason = written.reason
    because = Because.WITHDRAWN if reason.because == Because.CHANGED else reason.because
    return await publication.retract(tx, dict.fromkeys(written.gone, reason.being(because, source=written.source)))


async def _ask_the_guard(tx: Transaction, prepared: Prepared, source: str, *, removed: int) -> None:
    if not removed or prepared.guard == OPEN:
        return
    held = await claims.count(tx, source)
    await guards.ask(
        tx,
        prepared.provider,
        prepared.guard,
        held=held,
        removed=removed,
        full=prepared.full,
        offered=prepared.offer.count,
    )


async def _note(tx: Transaction, prepared: Prepared, *, changed: int, removed: int) -> None:
    told = {
        "full": prepared.full,
        "offered": prepared.offer.count,
        "changed": changed,
        "removed": removed,
        "rejected": len(prepared.rejected),
    }
    await providers.add(tx, prepared.provider, prepared.kind)
    await providers.note_mutation(tx, prepared.provider, json.encode(told).decode(), absolve=not prepared.page)


def claim_of(source: str, item: Offered) -> Claim:
    """The claim that *source* makes with *item*.

    Raises InvalidInput for what can't be a claim, TypeError for an entity that can't be written as JSON."""
    ref, location_key = str(entity_ref(item.entity)), item.location_key or ""
    claims.check_names(ref, location_key)
    return Claim(
        source=source,
        ref=ref,
        location_key=location_key,
        content=json.encode(item.entity).decode(),
        content_hash=content_hash(item.entity),
        origin=origin_in(item.entity),
    )


def ref_in(entity: object) -> str | None:
    """The ref that a broken *entity* would have; None if that can't be told."""
    if not isinstance(entity, dict):
        return None
    kind, metadata = entity.get("kind"), entity.get("metadata")
    if not isinstance(kind, str) or not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    if not isinstance(metadata.get("namespace", ""), str):
        return None
    ref = str(entity_ref(entity))
    return ref if _storable(ref) else None


def _storable(ref: str) -> bool:
    try:
        claims.check_names(ref)
    except InvalidInput:
        return False
    return True


def _best_name(item: Offered) -> str:
    metadata = item.entity.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{item.entity.get('kind')}:{name}"

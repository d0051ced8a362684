"""A provider's bucket: how one mutation is applied, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from callboard.errors import InvalidInput
from callboard.extend import Delta, Full, Mutation, Offered
from callboard.model import json
from callboard.model.entities import check_envelope, entity_ref
from callboard.model.hashing import content_hash
from callboard.store import claims, leases, publication, removal, schedule, stitch_queue
from callboard.store.claims import Claim
from callboard.store.database import Transaction

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entity of a mutation that could not be taken over."""

    entity: str
    """Its ref, or whatever names it best."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A mutation that has been checked and is ready to be stored."""

    provider: str
    full: bool
    offered: Sequence[Claim]
    mentioned: Sequence[tuple[str, str | None]]
    """(ref, key) of all that is offered, and (ref, None) of what was rejected: what is broken is not withdrawn."""
    withdrawn: Sequence[str]
    rejected: Sequence[Rejected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a mutation has done."""

    offered: int = 0
    changed: int = 0
    removed: int = 0
    offset: int | None = None
    """Where in the stream the removals are; None when there were none."""
    rejected: Sequence[Rejected] = field(default_factory=tuple)


def prepare(provider: str, mutation: Mutation) -> Prepared:
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
            claim = _claim(source, item)
        except (InvalidInput, TypeError) as error:
            ref = _named(item)
            rejected.append(Rejected(ref or _best_name(item), str(error)))
            mentioned += [(ref, None)] if ref else []
            continue
        if accepted.setdefault(claim.ref, claim) != claim:
            rejected.append(Rejected(claim.ref, "is offered twice in one mutation, with different content"))
    mentioned += [(claim.ref, claim.location_key) for claim in accepted.values()]
    return Prepared(
        provider=provider,
        full=full,
        offered=list(accepted.values()),
        mentioned=mentioned,
        withdrawn=withdrawn,
        rejected=rejected,
    )


async def apply(tx: Transaction, prepared: Prepared) -> Applied:
    """Store a prepared mutation. Must be the last thing that the transaction does, for it may publish removals."""
    source = claims.of_provider(prepared.provider)
    await leases.hold_for_transaction(tx, source)
    changed = await claims.differing(tx, prepared.offered) if prepared.offered else []
    withdrawn = await _withdrawn(tx, source, prepared)
    for rejection in prepared.rejected:
        _log.warning("ingestion.rejected", provider=prepared.provider, ref=rejection.entity, reason=rejection.reason)
    if not changed and not withdrawn:
        return Applied(offered=len(prepared.offered), rejected=prepared.rejected)

    refs = [claim.ref for claim in changed]
    lost = [key.ref for key in withdrawn]
    await removal.lock_trees(tx, lost, create=refs)
    await claims.withdraw(tx, withdrawn)
    await claims.offer(tx, changed)
    gone = await removal.remove(tx, await removal.unreachable(tx, lost))
    touched = ({*refs, *lost} - set(gone.refs)) | set(gone.offered_by_others)
    decision = await claims.decide(tx, sorted(touched))
    await schedule.request(tx, decision.to_process)
    await stitch_queue.mark(tx, decision.to_stitch, neighbours=gone.neighbours)
    offset = await publication.retract(tx, gone.refs, cause=json.encode({"source": source}).decode())
    return Applied(
        offered=len(prepared.offered),
        changed=len(changed),
        removed=len(gone.refs),
        offset=offset,
        rejected=prepared.rejected,
    )


async def _withdrawn(tx: Transaction, source: str, prepared: Prepared) -> list[claims.ClaimKey]:
    if prepared.full:
        return await claims.absent(tx, source, prepared.mentioned)
    refs = [*prepared.withdrawn, *(claim.ref for claim in prepared.offered)]
    return await claims.superseded(tx, source, refs, prepared.offered) if refs else []


def _claim(source: str, item: Offered) -> Claim:
    """Raises InvalidInput for what can't be a claim, TypeError for an entity that can't be written as JSON."""
    ref, location_key = str(entity_ref(item.entity)), item.location_key or ""
    claims.check_names(ref, location_key)
    return Claim(
        source=source,
        ref=ref,
        location_key=location_key,
        content=json.encode(item.entity).decode(),
        content_hash=content_hash(item.entity),
    )


def _named(item: Offered) -> str | None:
    kind, metadata = item.entity.get("kind"), item.entity.get("metadata")
    if not isinstance(kind, str) or not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    if not isinstance(metadata.get("namespace", ""), str):
        return None
    ref = str(entity_ref(item.entity))
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

"""Pushing: entities that somebody outside writes over HTTP, the third kind of provider.

Who may write is decided under the provider's lock, together with what the writer knows of the entity and whether the
same request has come before. All of that, the mutation and the answer to give to a repetition are one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from callboard.errors import Conflict, KeyReused, NotAllowed, NotFound, PreconditionFailed, RemovalRefused
from callboard.ingestion import guards, mutations, written
from callboard.ingestion.guards import OPEN, Guard
from callboard.ingestion.locations import CONFIGURED, REGISTERED
from callboard.ingestion.mutations import Carried, Offer, Prepared, Written
from callboard.ingestion.uploads import Upload
from callboard.model import json
from callboard.model.causes import Because, Reason
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.store import claims, idempotency, leases, providers
from callboard.store.claims import Claim, ClaimKey, Difference
from callboard.store.database import Database, Transaction
from callboard.store.idempotency import Answered
from callboard.store.progress import Part
from callboard.store.providers import ProviderKind

_log = structlog.get_logger(__name__)

_OF_ENGINES = frozenset((CONFIGURED, REGISTERED))

_NAMED = 100
_COMPARED = 1_000
"""So many entities that a mutation would change are shown with both their contents."""


@dataclass(frozen=True, slots=True)
class Once:
    """A request that may be sent again, and its fingerprint."""

    key: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """What the writer believes to be there."""

    ref: str
    etags: Sequence[str] | None = None
    """One of these versions; `*` is any. None: it does not matter."""
    absent: bool = False
    """Nothing at all."""
    wanted: bool = False
    """Anything: without it there is nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A wish to write a provider's entities."""

    provider: str
    writer: str | None
    """Who writes; None where nobody has to log in."""
    guard: Guard = OPEN
    once: Once | None = None
    expected: Expected | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An entity that a mutation would change: both contents, as JSON, as far as there are two."""

    ref: str
    change: str
    """`added`, `changed` or `removed`."""
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did."""

    body: JsonObject
    """For the answer, also to a repetition."""
    offset: int | None = None
    """Where in the stream the removals are; None when there are none."""
    part: Part
    """What has to have settled for it: what was offered, and what others had to take over."""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a push would do."""

    body: JsonObject
    differences: Sequence[Changed] = field(default_factory=tuple)
    gone: Sequence[str] = ()


async def check(database: Database, provider: str, writer: str | None) -> None:
    """Raise unless *writer* may write, before much is read of what is sent. Raises NotAllowed and Conflict."""
    await database.run(lambda tx: admit(tx, provider, writer))


async def push(database: Database, writing: Writing, offer: Offer, *, full: bool, rejected: int = 0) -> Pushed:
    """Store what somebody has written.

    Raises NotAllowed for a provider of somebody else, Conflict for one that is not written over HTTP, KeyReused,
    PreconditionFailed, and RemovalRefused.
    """

    async def work(tx: Transaction) -> Pushed:
        await leases.hold_for_transaction(tx, claims.of_provider(writing.provider))
        await admit(tx, writing.provider, writing.writer)
        if writing.once is not None and (answered := await _answered(tx, writing, writing.once)) is not None:
            return answered
        await _meet(tx, writing)
        await providers.add(tx, writing.provider, ProviderKind.HTTP, owner=writing.writer)
        done = await mutations.write(tx, prepare(writing, offer, full=full))
        body = await _told(tx, writing, done, rejected)
        if writing.once is not None:
            answer = json.encode(body).decode()
            await idempotency.save(tx, writing.provider, writing.once.key, Answered(writing.once.request, answer))
        part = _part(writing, offer, done.asked)
        return Pushed(body=body, part=part, offset=await mutations.retract(tx, done))

    async def run() -> Pushed:
        return await database.run(work)

    pushed = await guards.remembering(database, writing.provider, ProviderKind.HTTP, run)
    _log.info("ingestion.pushed", full=full, rejected=rejected, replayed=pushed.replayed, **_counts(pushed.body))
    return pushed


async def try_out(database: Database, writing: Writing, offer: Offer, *, full: bool, rejected: int = 0) -> Tried:
    """What `push` would do, without doing it. What the guard would refuse is told and not raised."""

    async def work(tx: Transaction) -> Tried:
        source = claims.of_provider(writing.provider)
        await leases.hold_for_transaction(tx, source)
        await admit(tx, writing.provider, writing.writer)
        await _meet(tx, writing)
        differing = await offer.differing(tx, source)
        missing = sorted({key.ref for key in await offer.missing(tx, source)}.difference(d.ref for d in differing))
        before = await _before(tx, source, differing)
        after = await _after(tx, offer, differing)
        refused: str | None = None
        try:
            done = await mutations.write(tx, prepare(writing, offer, full=full))
        except RemovalRefused as refusal:
            refused = refusal.reason
            done = await mutations.write(tx, prepare(replace(writing, guard=OPEN), offer, full=full))
        body = await _told(tx, writing, done, rejected)
        body["dryRun"] = True
        if refused is not None:
            body["refused"] = refused
        differences = [_changed(difference, before, after) for difference in differing]
        differences += [Changed(ref=ref, change="removed") for ref in missing]
        return Tried(body=body, differences=sorted(differences, key=lambda each: each.ref), gone=done.gone)

    return await database.try_out(work)


async def forget(database: Database, writing: Writing, *, operator: bool) -> Pushed:
    """Withdraw everything that a provider has, and forget it. An *operator* may do so with what belongs to others.

    Raises NotFound, NotAllowed and Conflict.
    """

    async def work(tx: Transaction) -> Pushed:
        await leases.hold_for_transaction(tx, claims.of_provider(writing.provider))
        standing = await providers.standing(tx, writing.provider)
        if standing is None:
            raise NotFound(f"There is no provider {writing.provider}")
        await admit(tx, writing.provider, standing.owner if operator else writing.writer)
        # Whoever forgets a whole provider means it; the guard is for sources that are ill.
        unguarded = replace(writing, guard=OPEN)
        prepared = prepare(unguarded, Carried(full=True, offered=()), full=True)
        done = await mutations.write(tx, replace(prepared, reason=Reason(Because.FORGOTTEN, writing.writer)))
        body = await _told(tx, writing, done, 0)
        await idempotency.remove(tx, writing.provider)
        await providers.remove(tx, writing.provider)
        return Pushed(body=body, part=Part(refs=done.asked), offset=await mutations.retract(tx, done))

    return await database.run(work)


def claimed(provider: str, value: JsonValue) -> Claim:
    """The claim of an entity that is written over HTTP. Raises InvalidEntity for what is none."""
    return mutations.claim_of(claims.of_provider(provider), written.offered(provider, value))


def carried(added: Sequence[Claim], removed: Sequence[EntityRef] = ()) -> Carried:
    """A delta of a few entities; of those with one ref the last one counts."""
    offered = {claim.ref: claim for claim in added}
    return Carried(full=False, offered=list(offered.values()), withdrawn=[str(ref) for ref in removed])


async def get(tx: Transaction, provider: str, ref: EntityRef) -> claims.Stored:
    """An entity as *provider* has it. Raises NotFound."""
    found = await claims.find(tx, key_of(provider, ref))
    if found is None:
        raise NotFound(f"Provider {provider} has no entity {ref}")
    return found


def etag_of(content_hash: bytes) -> str:
    """The version of an entity as its provider has it."""
    return f'"{content_hash.hex()[:40]}"'


def key_of(provider: str, ref: EntityRef | str) -> ClaimKey:
    """Under what an entity is claimed that is written over HTTP."""
    return ClaimKey(claims.of_provider(provider), str(ref), str(written.home(provider)))


def prepare(writing: Writing, offer: Offer, *, full: bool) -> Prepared:
    """The mutation that stores *offer*, as `mutations.write` wants it."""
    return Prepared(
        provider=writing.provider,
        full=full,
        offer=offer,
        kind=ProviderKind.HTTP,
        guard=writing.guard,
        reason=Reason(by=writing.writer),
    )


async def admit(tx: Transaction, provider: str, writer: str | None) -> None:
    """Raise NotAllowed for a provider of somebody else, and Conflict for one that is not written over HTTP."""
    standing = await providers.standing(tx, provider)
    if provider in _OF_ENGINES or (standing is not None and standing.kind is not ProviderKind.HTTP):
        raise Conflict(f"Provider {provider} is not written over HTTP: engines speak for it")
    if standing is not None and standing.owner is not None and standing.owner != writer:
        raise NotAllowed(f"Provider {provider} belongs to {standing.owner}")


async def _answered(tx: Transaction, writing: Writing, once: Once) -> Pushed | None:
    found = await idempotency.find(tx, writing.provider, once.key)
    if found is None:
        return None
    if found.request != once.request:
        raise KeyReused(f"The idempotency key {once.key!r} has stood for another request of the last day")
    body = json.decode(found.answer)
    assert isinstance(body, dict)
    return Pushed(body=body, part=_all_of(writing), replayed=True)


async def _meet(tx: Transaction, writing: Writing) -> None:
    """Raise PreconditionFailed unless what is there is what the writer expects."""
    expected = writing.expected
    if expected is None:
        return
    found = await claims.find(tx, key_of(writing.provider, expected.ref))
    if expected.wanted and expected.etags is None and found is None:
        raise NotFound(f"Provider {writing.provider} has no entity {expected.ref}")
    if expected.absent and found is not None:
        raise PreconditionFailed(f"{expected.ref} is there already, as {etag_of(found.hash)}")
    if expected.etags is None:
        return
    if found is None:
        raise PreconditionFailed(f"{expected.ref} is not there")
    if "*" not in expected.etags and etag_of(found.hash) not in expected.etags:
        raise PreconditionFailed(f"{expected.ref} has changed: it is {etag_of(found.hash)} by now")


async def _told(tx: Transaction, writing: Writing, done: Written, rejected: int) -> JsonObject:
    added = sum(difference.new for difference in done.differing)
    changed = [difference.ref for difference in done.differing]
    beaten = await claims.beaten(tx, done.source, changed) if changed else []
    return {
        "provider": writing.provider,
        "entities": await claims.count(tx, done.source),
        "added": added,
        "changed": len(changed) - added,
        "unchanged": done.offered - len(changed),
        "removed": len(done.withdrawn),
        "gone": len(done.gone),
        "rejectedCount": rejected,
        "conflicts": [*beaten[:_NAMED]],
    }


def _counts(body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: body.get(name) for name in ("provider", "added", "changed", "unchanged", "removed", "gone")}


def _part(writing: Writing, offer: Offer, asked: Sequence[str]) -> Part:
    if isinstance(offer, Carried):
        return Part(refs=[*asked, *(claim.ref for claim in offer.offered)])
    return replace(_all_of(writing), refs=asked)


def _all_of(writing: Writing) -> Part:
    return Part(source=claims.of_provider(writing.provider))


async def _before(tx: Transaction, source: str, differing: Sequence[Difference]) -> Mapping[str, str]:
    return await claims.contents(tx, source, _compared(differing))


async def _after(tx: Transaction, offer: Offer, differing: Sequence[Difference]) -> Mapping[str, str]:
    refs = _compared(differing)
    if isinstance(offer, Upload):
        return await offer.contents(tx, refs)
    assert isinstance(offer, Carried)
    return {claim.ref: claim.content for claim in offer.offered}


def _compared(differing: Sequence[Difference]) -> list[str]:
    return [difference.ref for difference in differing if not difference.new][:_COMPARED]


def _changed(difference: Difference, before: Mapping[str, str], after: Mapping[str, str]) -> Changed:
    ref = difference.ref
    if difference.new:
        return Changed(ref=ref, change="added")
    return Changed(ref=ref, change="changed", before=before.get(ref), after=after.get(ref) if ref in before else None)

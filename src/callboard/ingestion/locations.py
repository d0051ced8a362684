"""The two providers of locations: those of the configuration, and those that users register.

Both turn a location into an entity of kind Location, whose name is derived from what it points at, and leave the
reading to processing.
"""

import enum
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from callboard.errors import Conflict, NotFound
from callboard.extend import Delta, Full, Offered, ProviderConnection
from callboard.ingestion import mutations, removals
from callboard.ingestion.mutations import Written
from callboard.ingestion.removals import Removal
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.causes import Because, Reason
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.store import claims, entities, leases, locations, publication, removal, schedule, stitch_queue
from callboard.store.claims import Claim, Decision
from callboard.store.database import Database, Transaction
from callboard.store.locations import RegisteredLocation

CONFIGURED = "config"
"""The name of the provider of configured locations."""

REGISTERED = "locations"
"""The name of the provider of registered locations."""


_SOURCE = claims.of_provider(REGISTERED)

_RETARGETED, _UNREGISTERED = Reason(Because.RETARGETED), Reason(Because.UNREGISTERED)


def entity_ref_of(location: LocationRef, salt: str = "") -> EntityRef:
    """The ref of the Location entity that stands for *location*; another one for each *salt*."""
    name = hashlib.sha1(f"{location}{salt}".encode(), usedforsecurity=False).hexdigest()
    return EntityRef("location", "default", f"generated-{name}")


def location_entity(location: LocationRef, ref: EntityRef | None = None) -> JsonObject:
    """The Location entity that stands for *location*, under the name of *ref* if there is one."""
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {
            "name": (ref or entity_ref_of(location)).name,
            "annotations": {MANAGED_BY_LOCATION: str(location), MANAGED_BY_ORIGIN_LOCATION: str(location)},
        },
        "spec": {"type": location.type, "target": location.target},
    }


def offered(location: LocationRef, ref: EntityRef | None = None) -> Offered:
    """What a provider offers for *location*."""
    return Offered(location_entity(location, ref), str(location))


@dataclass(frozen=True, slots=True)
class ConfiguredLocations:
    """The provider of `catalog.locations`: one full mutation at start."""

    targets: Sequence[LocationRef]
    name: str = CONFIGURED

    async def connect(self, connection: ProviderConnection) -> None:
        """Deliver all configured locations."""
        await connection.apply(Full([offered(target) for target in self.targets]))


@dataclass(frozen=True, slots=True)
class RegisteredLocations:
    """The provider of the locations that users have registered.

    Registering writes the location and its claim in one transaction, so at start there is nothing left to deliver but
    what a restore of older data may have taken apart.
    """

    database: Database
    name: str = REGISTERED

    async def connect(self, connection: ProviderConnection) -> None:
        """Deliver all registered locations."""

        async def work(tx: Transaction) -> None:
            # Before reading: a location that is registered between the two would be taken for a withdrawn one.
            await leases.hold_for_transaction(tx, claims.of_provider(self.name))
            registered = [_offered(row) for row in await locations.every(tx)]
            await mutations.apply(tx, mutations.prepare(self.name, Full(registered)))

        await self.database.run(work)


class OnConflict(enum.StrEnum):
    """What to do about a location that is registered already."""

    REJECT = "reject"
    REFRESH = "refresh"


async def register(
    database: Database, location: LocationRef, *, on_conflict: OnConflict, by: str | None = None
) -> RegisteredLocation:
    """Register *location*, as asked *by* somebody, and claim its entity.

    Raises Conflict when it is there and is to be rejected.
    """
    ref = str(entity_ref_of(location))
    claims.check_names(ref, str(location))
    new = RegisteredLocation(id=str(uuid.uuid4()), type=location.type, target=location.target, entity_ref=ref)

    async def work(tx: Transaction) -> RegisteredLocation:
        # Whoever changes locations stands in one line, before the first row.
        await leases.hold_for_transaction(tx, _SOURCE)
        existing = await locations.find_target(tx, location.type, location.target)
        if existing is not None:
            return await _register_again(tx, existing, on_conflict, by)
        row = await _with_free_ref(tx, new)
        await locations.add(tx, row)
        await mutations.apply(tx, mutations.prepare(REGISTERED, Delta(added=[_offered(row)]), reason=Reason(by=by)))
        return row

    return await database.run(work)


async def _register_again(
    tx: Transaction, existing: RegisteredLocation, on_conflict: OnConflict, by: str | None
) -> RegisteredLocation:
    match on_conflict:
        case OnConflict.REJECT:
            raise Conflict(f"Location {existing.type}:{existing.target} already exists")
        case OnConflict.REFRESH:
            refs = list(await claims.lock_targets(tx, [existing.entity_ref]))
            await entities.forget_results(tx, refs)
            await schedule.request(tx, refs, schedule.Priority.ASKED, reason=Reason(Because.REFRESH, by))
            return existing
        case _:
            assert_never(on_conflict)


async def _with_free_ref(tx: Transaction, row: RegisteredLocation) -> RegisteredLocation:
    """*row*, with another ref if its own one belongs to a location that pointed here once and was re-targeted."""
    if not await claims.superseded(tx, _SOURCE, [row.entity_ref], [_claim(row)]):
        return row
    return replace(row, entity_ref=str(entity_ref_of(LocationRef(row.type, row.target), salt=row.id)))


async def retarget(
    database: Database, location_id: str, location: LocationRef, reason: Reason = _RETARGETED, *, is_moved: bool = False
) -> tuple[RegisteredLocation, int | None]:
    """Let a registered location point at *location*, for a *reason*; its entity keeps its name.

    What only the old target kept alive goes at once; if the file itself *is_moved*, it stays until the new target has
    been read. Returns the offset of the last removal with the location, None when nothing visible went. Raises
    NotFound, and Conflict when the target is registered already, or when another provider claims the same Location
    entity for the old target.
    """
    claims.check_names(str(entity_ref_of(location)), str(location))

    async def work(tx: Transaction) -> tuple[RegisteredLocation, int | None]:
        await leases.hold_for_transaction(tx, _SOURCE)
        existing = await locations.find(tx, location_id)
        if existing is None:
            raise NotFound(f"Found no location with ID {location_id}")
        row = replace(existing, type=location.type, target=location.target)
        if row == existing:
            return existing, None
        if await locations.find_target(tx, row.type, row.target) is not None:
            raise Conflict(f"Location {location} already exists")
        await locations.retarget(tx, row)
        return row, await _turn(tx, row, _about(existing, reason), is_moved=is_moved)

    return await database.run(work)


async def _turn(tx: Transaction, row: RegisteredLocation, reason: Reason, *, is_moved: bool) -> int | None:
    """Give the Location entity of *row* its new content, and remove what came from the old one."""
    ref, claim = row.entity_ref, _claim(row)
    await removal.lock_trees(tx, [ref], create=[ref])
    await claims.withdraw(tx, await claims.superseded(tx, _SOURCE, [ref], [claim]))
    await claims.offer(tx, [claim])
    decision = await claims.decide(tx, [ref])
    if ref not in decision.to_process:
        raise Conflict(f"Location {row.id} can't be changed: another provider claims its entity {ref} as well")
    # The old target may be about to be processed, or be processed now: none of that counts any more.
    await entities.forget_results(tx, [ref])
    await schedule.drop(tx, [ref])
    if is_moved:
        await schedule.request(tx, decision.to_process, schedule.Priority.ASKED, reason=reason)
        await stitch_queue.mark(tx, decision.to_stitch, reasons=decision.reasons(reason))
        return None
    return await _prune(tx, ref, decision, reason)


async def _prune(tx: Transaction, ref: str, decision: Decision, reason: Reason) -> int | None:
    """Remove what only *ref* keeps alive, and ask for the work that this and *decision* bring."""
    emitted = await claims.severed(tx, [claims.of_entity(ref)], [], [])
    lost = [key.ref for key in emitted]
    await claims.withdraw(tx, emitted)
    gone = await removal.remove(tx, await removal.unreachable(tx, lost))
    touched = sorted({*lost, *gone.offered_by_others} - set(gone.refs))
    kept = await claims.decide(tx, touched)
    uprooted = await claims.uprooted(tx, touched)
    await entities.forget_results(tx, uprooted)
    await schedule.request(tx, sorted({*decision.to_process, *kept.to_process, *uprooted}), reason=reason)
    reasons = decision.reasons(reason) | kept.reasons(reason)
    await stitch_queue.mark(tx, list(reasons), reasons=reasons, neighbours=gone.neighbours)
    return await publication.retract(tx, dict.fromkeys(gone.refs, reason))


async def unregister(database: Database, location_id: str, reason: Reason = _UNREGISTERED) -> int | None:
    """Delete a registered location and everything that only it kept alive, for a *reason*.

    Returns the offset of the last removal, None when nothing visible went. Raises NotFound.
    """

    async def work(tx: Transaction) -> int | None:
        row = await _take_out(tx, location_id)
        return await mutations.retract(tx, await _withdraw(tx, row, reason))

    return await database.run(work)


async def preview(database: Database, location_id: str) -> Removal:
    """What `unregister` would do. Raises NotFound."""
    async with database.transaction(snapshot=True) as tx:
        row = await locations.find(tx, location_id)
        if row is None:
            raise NotFound(f"Found no location with ID {location_id}")
        tree = await removal.tree(tx, [row.entity_ref])
    return removals.of_withdrawal(tree, row.entity_ref, _SOURCE)


async def _take_out(tx: Transaction, location_id: str) -> RegisteredLocation:
    """Delete the row of the location and return it."""
    await leases.hold_for_transaction(tx, _SOURCE)
    row = await locations.remove(tx, location_id)
    if row is None:
        raise NotFound(f"Found no location with ID {location_id}")
    return row


async def _withdraw(tx: Transaction, row: RegisteredLocation, reason: Reason) -> Written:
    withdrawal = Delta(removed=[EntityRef.parse(row.entity_ref)])
    return await mutations.write(tx, mutations.prepare(REGISTERED, withdrawal, reason=_about(row, reason)))


def _about(row: RegisteredLocation, reason: Reason) -> Reason:
    """*reason*, with the registered location that it is about."""
    return replace(reason, source=_SOURCE, location=f"{row.type}:{row.target}", location_id=row.id)


def _offered(row: RegisteredLocation) -> Offered:
    """What a registered location offers: its own name, which may stem from an earlier target."""
    return offered(LocationRef(row.type, row.target), EntityRef.parse(row.entity_ref))


def _claim(row: RegisteredLocation) -> Claim:
    return mutations.claim_of(_SOURCE, _offered(row))

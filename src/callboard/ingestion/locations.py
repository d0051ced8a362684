"""The two providers of locations: those of the configuration, and those that users register.

Both turn a location into an entity of kind Location, whose name is derived from what it points at, and leave the
reading to processing.
"""

import enum
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from callboard.errors import Conflict, NotFound
from callboard.extend import Delta, Full, Offered, ProviderConnection
from callboard.ingestion import mutations
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.store import claims, entities, leases, locations, schedule
from callboard.store.database import Database, Transaction
from callboard.store.locations import RegisteredLocation

CONFIGURED = "config"
"""The name of the provider of configured locations."""

REGISTERED = "locations"
"""The name of the provider of registered locations."""


def location_entity(location: LocationRef) -> JsonObject:
    """The Location entity that stands for *location*."""
    name = hashlib.sha1(str(location).encode(), usedforsecurity=False).hexdigest()
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {
            "name": f"generated-{name}",
            "annotations": {MANAGED_BY_LOCATION: str(location), MANAGED_BY_ORIGIN_LOCATION: str(location)},
        },
        "spec": {"type": location.type, "target": location.target},
    }


def offered(location: LocationRef) -> Offered:
    """What a provider offers for *location*."""
    return Offered(location_entity(location), str(location))


def entity_ref_of(location: LocationRef) -> EntityRef:
    """The ref of the Location entity that stands for *location*."""
    metadata = location_entity(location)["metadata"]
    assert isinstance(metadata, dict)
    return EntityRef("location", "default", str(metadata["name"]))


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
            registered = [offered(LocationRef(row.type, row.target)) for row in await locations.every(tx)]
            await mutations.apply(tx, mutations.prepare(self.name, Full(registered)))

        await self.database.run(work)


class OnConflict(enum.StrEnum):
    """What to do about a location that is registered already."""

    REJECT = "reject"
    REFRESH = "refresh"


async def register(database: Database, location: LocationRef, *, on_conflict: OnConflict) -> RegisteredLocation:
    """Register *location* and claim its entity. Raises Conflict when it is there and is to be rejected."""
    row = RegisteredLocation(
        id=str(uuid.uuid4()), type=location.type, target=location.target, entity_ref=str(entity_ref_of(location))
    )
    prepared = mutations.prepare(REGISTERED, Delta(added=[offered(location)]))

    async def work(tx: Transaction) -> RegisteredLocation:
        if await locations.add(tx, row):
            await mutations.apply(tx, prepared)
            return row
        existing = await locations.find_target(tx, location.type, location.target)
        if existing is None:
            raise Conflict(f"Location {location} was removed at this moment; try again")
        match on_conflict:
            case OnConflict.REJECT:
                raise Conflict(f"Location {location} already exists")
            case OnConflict.REFRESH:
                refs = list(await claims.lock_targets(tx, [existing.entity_ref]))
                await entities.forget_results(tx, refs)
                await schedule.request(tx, refs, schedule.Priority.ASKED)
                return existing
            case _:
                assert_never(on_conflict)

    return await database.run(work)


async def unregister(database: Database, location_id: str) -> int | None:
    """Delete a registered location and everything that only it kept alive.

    Returns the offset of the last removal, None when nothing visible went. Raises NotFound.
    """

    async def work(tx: Transaction) -> int | None:
        ref = await locations.remove(tx, location_id)
        if ref is None:
            raise NotFound(f"Found no location with ID {location_id}")
        prepared = mutations.prepare(REGISTERED, Delta(removed=[EntityRef.parse(ref)]))
        return (await mutations.apply(tx, prepared)).offset

    return await database.run(work)

"""Permissions: what can be asked for, under the names and attributes of the Backstage catalog."""

from dataclasses import dataclass

from callboard.model.json import JsonObject

CATALOG_ENTITY = "catalog-entity"
"""The resource type of entities: such a permission may be granted under conditions."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that a caller wants to do."""

    name: str
    action: str | None = None
    """`read`, `create`, `update` or `delete`; None when it is neither."""
    resource_type: str | None = None
    """None: it is granted or not, without conditions."""

    def describe(self) -> JsonObject:
        """The permission, as Backstage writes it."""
        described: JsonObject = {
            "type": "basic" if self.resource_type is None else "resource",
            "name": self.name,
            "attributes": {} if self.action is None else {"action": self.action},
        }
        if self.resource_type is not None:
            described["resourceType"] = self.resource_type
        return described


ENTITY_READ = Permission("catalog.entity.read", "read", CATALOG_ENTITY)
ENTITY_CREATE = Permission("catalog.entity.create", "create")
ENTITY_DELETE = Permission("catalog.entity.delete", "delete", CATALOG_ENTITY)
ENTITY_REFRESH = Permission("catalog.entity.refresh", "update", CATALOG_ENTITY)
ENTITY_VALIDATE = Permission("catalog.entity.validate")
LOCATION_READ = Permission("catalog.location.read", "read")
LOCATION_CREATE = Permission("catalog.location.create", "create")
LOCATION_DELETE = Permission("catalog.location.delete", "delete")
LOCATION_ANALYZE = Permission("catalog.location.analyze")
INGESTION_READ = Permission("catalog.ingestion.read", "read")
INGESTION_MANAGE = Permission("catalog.ingestion.manage", "update")
UNPROCESSED_READ = Permission("catalog.entities.unprocessed.read", "read")
UNPROCESSED_DELETE = Permission("catalog.entities.unprocessed.delete", "delete")

ALL = (
    ENTITY_READ,
    ENTITY_CREATE,
    ENTITY_DELETE,
    ENTITY_REFRESH,
    ENTITY_VALIDATE,
    LOCATION_READ,
    LOCATION_CREATE,
    LOCATION_DELETE,
    LOCATION_ANALYZE,
    INGESTION_READ,
    INGESTION_MANAGE,
    UNPROCESSED_READ,
    UNPROCESSED_DELETE,
)
"""Everything that there is, in the order in which it is described to others."""

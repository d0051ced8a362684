"""The annotations that the catalog itself reads or writes (reference, section 2.5)."""

MANAGED_BY_LOCATION = "backstage.io/managed-by-location"
"""The location that an entity was read from, as a location ref."""

MANAGED_BY_ORIGIN_LOCATION = "backstage.io/managed-by-origin-location"
"""The location at the root of the chain that led to an entity."""

VIEW_URL = "backstage.io/view-url"
EDIT_URL = "backstage.io/edit-url"
SOURCE_LOCATION = "backstage.io/source-location"

ORPHAN = "backstage.io/orphan"
"""Set to "true" by stitching while no source claims the entity."""

"""Locations: what somebody has registered, and how it is."""

from typing import Final

from starlette.responses import Response

from callboard.access.permissions import INGESTION_READ, LOCATION_CREATE, LOCATION_DELETE
from callboard.ingestion.locations import entity_ref_of
from callboard.model.json import JsonObject
from callboard.model.refs import LocationRef
from callboard.ui.asking import Refused
from callboard.ui.operations.frame import TABS
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_ON_A_PAGE: Final = 20
"""All that hangs below each is looked at."""
_MOST_FAILURES: Final = 10
"""Of one location. Its own page, and the list of what failed, have the others."""
_MOST_CONFIGURED: Final = 200


async def locations(visit: Visit) -> Response:
    """Registered locations, those of the configuration, and the state of each registered one."""
    text, cursor = visit.text("q").strip()[:200], visit.text("cursor")
    body: JsonObject = {"limit": _ON_A_PAGE}
    if cursor:
        body["cursor"] = cursor
    elif text:
        # What is searched for is one exact target, or the beginning of several.
        body["query"] = {"target": {"$hasPrefix": text}}
    try:
        found = await visit.catalog.post_object("/locations/by-query", body, status="true")
    except Refused as refused:
        if cursor and refused.status == 400:
            return visit.go("/operations/locations")
        raise
    items = mappings(found["items"])
    return visit.page(
        "operations/locations.html",
        tabs=TABS,
        text=text,
        found=found,
        rows=items,
        most_failures=_MOST_FAILURES,
        onward=mapping(found["pageInfo"]).get("nextCursor"),
        configured=await _configured(visit),
        may_register=await visit.may(LOCATION_CREATE),
        may_unregister=await visit.may(LOCATION_DELETE),
    )


async def _configured(visit: Visit) -> list[tuple[str, str, JsonObject | None]]:
    """Type and target of each location that the configuration names, and the entity that stands for it.

    Who does not see that entity is told of the location only if what engines do is theirs to know.
    """
    settings = visit.context.settings.catalog.locations[:_MOST_CONFIGURED]
    refs = [str(entity_ref_of(LocationRef(each.type, each.target))) for each in settings]
    entities = await visit.catalog.by_refs(refs, ["kind", "metadata.name", "metadata.namespace", "status"])
    knows_all = await visit.may(INGESTION_READ)
    return [
        (each.type, each.target, entity)
        for each, entity in zip(settings, entities, strict=True)
        if entity is not None or knows_all
    ]

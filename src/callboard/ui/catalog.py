"""Catalog: the list of entities, with everything that narrows it down."""

from starlette.responses import Response

from callboard.ui.visits import Visit


async def index(visit: Visit) -> Response:
    """One page of the list."""
    kind = visit.text("kind", "component")
    found = await visit.catalog.get_object(
        "/entities/by-query", filter=f"kind={kind}", orderField="metadata.name,asc", limit=20
    )
    return visit.page("catalog/index.html", kind=kind, found=found)

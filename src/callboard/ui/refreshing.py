"""Refreshing: asking for an entity to be read again."""

from starlette.responses import Response

from callboard.ui import subjects
from callboard.ui.presenting import page_of, with_query
from callboard.ui.visits import Visit


async def refresh(visit: Visit) -> Response:
    """Ask, and lead to the page of the entity, which shows how far that is."""
    since = visit.context.view.offset
    subject = await subjects.find(visit)
    await visit.catalog.post("/refresh", {"entityRef": subject.ref})
    return visit.go(with_query(page_of(subject.ref), {"refreshed": since}))

"""Overview: the first tab of an entity, which says what it is, whose it is, and what it has to do with."""

from starlette.responses import Response

from callboard.ui import subjects
from callboard.ui.visits import Visit


async def overview(visit: Visit) -> Response:
    """The overview of one entity."""
    subject = await subjects.find(visit)
    return await subjects.page(visit, subject, "entity/overview.html")

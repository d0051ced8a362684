"""The client: ask a catalog, and follow its changes, from Python.

    with CatalogClient("http://127.0.0.1:7007") as catalog:
        for news in catalog.follow():
            match news:
                case Event(): ...       # put or remove one entity
                case Bookmark(): ...    # store the offset and the epoch: from there it goes on after a restart

`AsyncCatalogClient` is the same with `await`. Both are faces of one core without I/O.
"""

from callboard.client.awaiting import AsyncCatalogClient
from callboard.client.blocking import CatalogClient
from callboard.client.core import Filter, Filters, Mode
from callboard.client.following import News
from callboard.client.results import (
    Bookmark,
    Entity,
    EntityLink,
    EntityMetadata,
    EntityPage,
    EntityRelation,
    Event,
    EventPage,
    Facet,
    Facets,
    Location,
)

__all__ = [
    "AsyncCatalogClient",
    "Bookmark",
    "CatalogClient",
    "Entity",
    "EntityLink",
    "EntityMetadata",
    "EntityPage",
    "EntityRelation",
    "Event",
    "EventPage",
    "Facet",
    "Facets",
    "Filter",
    "Filters",
    "Location",
    "Mode",
    "News",
]

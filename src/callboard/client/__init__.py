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
from callboard.client.changes import Include, Mode
from callboard.client.core import Token
from callboard.client.filters import Filter, Filters, Query
from callboard.client.following import News
from callboard.client.results import (
    AddedLocation,
    Ancestor,
    Ancestry,
    Bookmark,
    DraftedEntity,
    Entity,
    EntityHistory,
    EntityLink,
    EntityMetadata,
    EntityPage,
    EntityRelation,
    EntityVersion,
    Event,
    EventPage,
    Facet,
    Facets,
    FieldAdvice,
    FoundEntity,
    Listing,
    Location,
    LocationAnalysis,
    LocationPage,
    Problem,
    Validation,
)

__all__ = [
    "AddedLocation",
    "Ancestor",
    "Ancestry",
    "AsyncCatalogClient",
    "Bookmark",
    "CatalogClient",
    "DraftedEntity",
    "Entity",
    "EntityHistory",
    "EntityLink",
    "EntityMetadata",
    "EntityPage",
    "EntityRelation",
    "EntityVersion",
    "Event",
    "EventPage",
    "Facet",
    "Facets",
    "FieldAdvice",
    "Filter",
    "Filters",
    "FoundEntity",
    "Include",
    "Listing",
    "Location",
    "LocationAnalysis",
    "LocationPage",
    "Mode",
    "News",
    "Problem",
    "Query",
    "Token",
    "Validation",
]

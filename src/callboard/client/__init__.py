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
from callboard.client.claim_results import (
    ChainEdge,
    ChainNode,
    Chains,
    Claim,
    ConflictPage,
    Contest,
    Emitted,
    EmittedRelation,
    EntityConflict,
    Explanation,
    Holder,
    KeptEntity,
    LastRun,
    NextRun,
    OffsetRange,
    ProcessingState,
    Removal,
    RemovedEntity,
    ReturningEntity,
    Rival,
    StitchingState,
)
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
    "ChainEdge",
    "ChainNode",
    "Chains",
    "Claim",
    "ConflictPage",
    "Contest",
    "DraftedEntity",
    "Emitted",
    "EmittedRelation",
    "Entity",
    "EntityConflict",
    "EntityHistory",
    "EntityLink",
    "EntityMetadata",
    "EntityPage",
    "EntityRelation",
    "EntityVersion",
    "Event",
    "EventPage",
    "Explanation",
    "Facet",
    "Facets",
    "FieldAdvice",
    "Filter",
    "Filters",
    "FoundEntity",
    "Holder",
    "Include",
    "KeptEntity",
    "LastRun",
    "Listing",
    "Location",
    "LocationAnalysis",
    "LocationPage",
    "Mode",
    "News",
    "NextRun",
    "OffsetRange",
    "Problem",
    "ProcessingState",
    "Query",
    "Removal",
    "RemovedEntity",
    "ReturningEntity",
    "Rival",
    "StitchingState",
    "Token",
    "Validation",
]

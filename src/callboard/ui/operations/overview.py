"""Overview: is everything well?"""

from starlette.responses import Response

from callboard.model.json import JsonObject
from callboard.ui.narrowing import ORPHANED
from callboard.ui.operations.frame import TABS, permitted, rate
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_ORPHANS: JsonObject = {ORPHANED: {"$exists": True}}


async def overview(visit: Visit) -> Response:
    """Big numbers, each of which leads on."""
    processing = await permitted(visit, "/processing/status")
    stream = await permitted(visit, "/events/status")
    providers = await permitted(visit, "/providers")
    follower, clock = visit.context.follower, visit.context.read_side.clock
    return visit.page(
        "operations/overview.html",
        tabs=TABS,
        rate=rate,
        processing=processing,
        stream=stream,
        troubled=None if providers is None else [each for each in mappings(providers["items"]) if is_troubled(each)],
        orphans=await _count(visit, _ORPHANS),
        errors=await _count(visit, {"status.level": "error"}),
        visible=await _count(visit, {}),
        age=max(0.0, clock.monotonic() - follower.seen_at),
        lag=max(0, int(str(mapping(stream).get("head", 0))) - follower.view.offset),
    )


async def _count(visit: Visit, predicate: JsonObject) -> int:
    found = await visit.catalog.post_object("/entities/by-query", {"query": predicate, "limit": 0})
    return int(str(found["totalItems"]))


def is_troubled(provider: JsonObject) -> bool:
    """Whether the removal guard has refused something of a provider, or an incremental one can't get on."""
    return provider.get("refused") is not None or bool(mapping(provider.get("ingestion")).get("error"))

"""Search: entities of any kind, by a text that they have somewhere."""

from starlette.responses import Response

from callboard.model.json import JsonObject
from callboard.ui.asking import Refused
from callboard.ui.narrowing import TEXT_FIELDS
from callboard.ui.presenting import with_query
from callboard.ui.visits import Visit

_FIELDS = [
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.title",
    "metadata.description",
    "metadata.tags",
    "spec.type",
    "spec.owner",
    "spec.profile.displayName",
]
_ON_A_PAGE = 50


async def search(visit: Visit) -> Response:
    """What has the text, by name; a ref that is meant exactly comes first."""
    text = visit.text("q").strip()[:200]
    if not text:
        return visit.page("search/results.html", text="", found=None, exact=None)
    body: JsonObject = {"limit": _ON_A_PAGE, "fields": [*_FIELDS]}
    if cursor := visit.text("cursor"):
        body["cursor"] = cursor
    else:
        body["orderBy"] = [{"field": "metadata.name", "order": "asc"}]
        body["fullTextFilter"] = {"term": text, "fields": [*TEXT_FIELDS, "metadata.tags"]}
    try:
        found = await visit.catalog.post_object("/entities/by-query", body)
    except Refused as refused:
        if cursor and refused.status == 400:
            return visit.go(with_query("/search", {"q": text}))
        raise
    return visit.page("search/results.html", text=text, found=found, exact=await _exact(visit, text))


async def _exact(visit: Visit, text: str) -> JsonObject | None:
    """The entity whose ref *text* is."""
    if ":" not in text or visit.text("cursor"):
        return None
    try:
        items = (await visit.catalog.post_object("/entities/by-refs", {"entityRefs": [text], "fields": [*_FIELDS]}))[
            "items"
        ]
    except Refused:
        # What somebody types need not be a ref at all.
        return None
    return items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else None

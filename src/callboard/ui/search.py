"""Search: entities of any kind, by a text that they have somewhere."""

from starlette.responses import Response

from callboard.model.json import JsonObject
from callboard.ui import narrowing
from callboard.ui.asking import Refused
from callboard.ui.presenting import ref_of, with_query
from callboard.ui.shapes import mappings
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
_MOST_NAMESAKES = 10


async def search(visit: Visit) -> Response:
    """What has the text, by name; what is called exactly so comes first."""
    text, kind, cursor = visit.text("q").strip()[:200], visit.text("kind").lower(), visit.text("cursor")
    if not text:
        return visit.page("search/results.html", text="", kind="", found=None, exact=[], others=[], kinds=[])
    body: JsonObject = {"limit": _ON_A_PAGE, "fields": [*_FIELDS]}
    body |= {"cursor": cursor} if cursor else _query(text, kind)
    try:
        found = await visit.catalog.post_object("/entities/by-query", body)
    except Refused as refused:
        if cursor and refused.status == 400:
            return visit.go(with_query("/search", {"q": text, "kind": kind}))
        raise
    exact = [] if cursor or kind else await _exact(visit, text)
    first = {ref_of(each) for each in exact}
    return visit.page(
        "search/results.html",
        text=text,
        kind=kind,
        found=found,
        exact=exact,
        others=[each for each in mappings(found["items"]) if ref_of(each) not in first],
        kinds=await narrowing.kinds_of(visit, {}, text),
    )


def _query(text: str, kind: str) -> JsonObject:
    return {
        "query": {"kind": kind} if kind else {},
        "orderBy": [{"field": "metadata.name", "order": "asc"}],
        "fullTextFilter": narrowing.text_filter(text),
    }


async def _exact(visit: Visit, text: str) -> list[JsonObject]:
    """The entity whose ref *text* is, or those that have it as their name."""
    if ":" not in text:
        named: JsonObject = {"query": {"metadata.name": text}, "limit": _MOST_NAMESAKES, "fields": [*_FIELDS]}
        return mappings((await visit.catalog.post_object("/entities/by-query", named))["items"])
    try:
        found = await visit.catalog.by_refs([text], _FIELDS)
    except Refused:
        # What somebody types need not be a ref at all.
        return []
    return [entity for entity in found if entity is not None]

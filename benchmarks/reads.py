"""Reads: what readers ask a catalog for, each kind under a name. `README.md` says what they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import click
import httpx2

from benchmarks.wire import Ask
from callboard.model.json import JsonObject

CATALOG = "/api/catalog"

COMPONENTS = "entities-components"

_SAMPLED = 500
_WITH_TAG = 50
_BATCH = 100
_EVENTS = 100

_Parameters = Mapping[str, str | int]

_COMPONENTS: _Parameters = {"filter": "kind=component"}
_PAGE: _Parameters = {**_COMPONENTS, "orderField": "metadata.name,asc", "limit": 20, "totalItems": "include"}
_TEXT_FIELDS = "metadata.name,metadata.description,spec.owner"
_PREDICATE: JsonObject = {
    "query": {"$all": [{"kind": "component"}, {"$not": {"spec.lifecycle": "deprecated"}}]},
    "orderBy": [{"field": "metadata.name", "order": "asc"}],
    "limit": 20,
    "totalItems": "include",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A kind of read: requests to make in turn, and the status that the answers have."""

    name: str
    asks: Sequence[Ask]
    """Empty when the server holds nothing that this read could be made of."""
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a server holds, as far as reads are made for it."""

    total: int
    """How many entities there are."""
    paths: Sequence[str]
    """Namespace and name of some Components."""
    uids: Sequence[str]
    term: str
    """A word that begins the name of a Component, and of others."""
    tags: Sequence[str]
    """The entity tags of the first answers by name, if the server sends any."""
    next_cursor: str | None
    """Of the second page of `query-20`."""
    head: int | None
    """The last offset of the stream, if the server has one."""


async def sample(url: str, headers: Mapping[str, str] | None = None) -> Sample:
    """Look at what the server at *url* holds; *headers* go with each request."""
    async with httpx2.AsyncClient(base_url=f"{url}{CATALOG}", timeout=60, headers=headers) as http:
        found = await _json(http, "/entities/by-query", {"filter": "kind=component", "limit": _SAMPLED})
        if not found["items"]:
            raise click.ClickException(f"{url} has no Component to ask for")
        everything = await _json(http, "/entities/by-query", {"limit": 0})
        page = await _json(http, "/entities/by-query", _PAGE)
        metadata = [entity["metadata"] for entity in found["items"]]
        paths = [f"{each.get('namespace', 'default')}/{each['name']}" for each in metadata]
        return Sample(
            total=everything["totalItems"],
            paths=paths,
            uids=[each["uid"] for each in metadata],
            term=re.split(r"[^a-z0-9]", metadata[0]["name"].lower())[0],
            tags=await _tags(http, paths[:_WITH_TAG]),
            next_cursor=page["pageInfo"].get("nextCursor"),
            head=await _head(http),
        )


def of(held: Sample) -> list[Read]:
    """The reads, made for what the server holds."""
    return [*_single(held), *_queries(held), *_batches(held), *_facets(), *_lists(), *_others(held)]


def _single(held: Sample) -> list[Read]:
    by_name = [f"/entities/by-name/component/{path}" for path in held.paths]
    conditional = [
        Ask(CATALOG + path, headers={"if-none-match": tag}) for path, tag in zip(by_name, held.tags, strict=False)
    ]
    return [
        Read("by-name", [_get(path) for path in by_name]),
        Read("by-name-304", conditional, status=304),
        Read("by-uid", [_get(f"/entities/by-uid/{uid}") for uid in held.uids]),
    ]


def _queries(held: Sample) -> list[Read]:
    second = [_query({"cursor": held.next_cursor, "limit": 20})] if held.next_cursor else []
    text = {**_PAGE, "fullTextFilterTerm": held.term, "fullTextFilterFields": _TEXT_FIELDS}
    return [
        Read("query-20", [_query(_PAGE)]),
        Read("query-post-predicate", [_post("/entities/by-query", _PREDICATE)]),
        Read("query-page2", second),
        Read("query-count", [_query({**_COMPONENTS, "limit": 0})]),
        Read("query-text-3-fields", [_query(text)]),
    ]


def _batches(held: Sample) -> list[Read]:
    refs = [f"component:{path}".lower() for path in held.paths]
    batches = [list(refs[start : start + _BATCH]) for start in range(0, len(refs), _BATCH)]
    whole = [batch for batch in batches if len(batch) == _BATCH] or batches
    fields = ["kind", "metadata.name"]
    return [
        Read("by-refs-100", [_post("/entities/by-refs", {"entityRefs": [*batch]}) for batch in whole]),
        Read(
            "by-refs-100-fields",
            [_post("/entities/by-refs", {"entityRefs": [*batch], "fields": [*fields]}) for batch in whole],
        ),
    ]


def _facets() -> list[Read]:
    in_production = {"filter": "kind=component,spec.lifecycle=production"}
    return [
        Read("facet-kind", [_get("/entity-facets", {"facet": "kind"})]),
        Read("facet-tags", [_get("/entity-facets", {"facet": "metadata.tags", **_COMPONENTS})]),
        Read("facet-type-filtered", [_get("/entity-facets", {"facet": "spec.type", **in_production})]),
    ]


def _lists() -> list[Read]:
    page = {**_COMPONENTS, "order": "asc:metadata.name", "limit": 20}
    components = _get("/entities", _COMPONENTS)
    return [
        Read("entities-20", [_get("/entities", page)]),
        Read(COMPONENTS, [components]),
        Read("entities-components-fields", [_get("/entities", {**_COMPONENTS, "fields": "kind,metadata.name"})]),
        Read("entities-components-gzip", [Ask(components.path, headers={"accept-encoding": "gzip"})]),
    ]


def _others(held: Sample) -> list[Read]:
    by_name = [f"/entities/by-name/component/{path}" for path in held.paths]
    newest = [] if held.head is None else [{"offset": max(0, held.head - _EVENTS), "limit": _EVENTS}]
    return [
        Read("ancestry", [_get(f"{path}/ancestry") for path in by_name]),
        Read("history-20", [_get(f"{path}/history", {"limit": 20}) for path in by_name]),
        Read("locations", [_get("/locations")]),
        Read("events-100", [_get("/events", page) for page in newest]),
        Read("readiness", [Ask("/.backstage/health/v1/readiness")]),
    ]


def _get(path: str, parameters: _Parameters | None = None) -> Ask:
    return Ask(f"{CATALOG}{path}?{urlencode(parameters)}" if parameters else CATALOG + path)


def _query(parameters: _Parameters) -> Ask:
    return _get("/entities/by-query", parameters)


def _post(path: str, body: JsonObject) -> Ask:
    return Ask(CATALOG + path, body)


async def _json(http: httpx2.AsyncClient, path: str, parameters: _Parameters) -> Any:
    answer = await http.get(path, params=parameters)
    answer.raise_for_status()
    return answer.json()


async def _tags(http: httpx2.AsyncClient, paths: Sequence[str]) -> list[str]:
    answers = [await http.get(f"/entities/by-name/component/{path}") for path in paths]
    tags = [answer.headers.get("etag") for answer in answers]
    return [tag for tag in tags if tag is not None] if all(tags) else []


async def _head(http: httpx2.AsyncClient) -> int | None:
    answer = await http.get("/events", params={"offset": 0, "limit": 1})
    return int(answer.json()["lastEventOffset"]) if answer.status_code == 200 else None

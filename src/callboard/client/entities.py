"""Calls about entities."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias, TypedDict, Unpack

from callboard.client import answers
from callboard.client.core import Call, by_name, canonical, fits, optional, present, quoted
from callboard.client.filters import Filters, Query, predicate, texts
from callboard.client.results import Ancestry, Entity, EntityPage, Facets, Listing
from callboard.model.refs import EntityRef

Total: TypeAlias = Literal["include", "exclude"]

_LARGEST_BATCH = 1_000
_LONGEST_BATCH = 90 * 1024
"""Bytes of refs in a body; Backstage takes 100 kB altogether."""


class _Reading(TypedDict, total=False):
    min_offset: int | None
    """Wait until the server has seen this offset. Only Callboard knows it."""


class _Filtered(_Reading, total=False):
    filters: Filters
    fields: Sequence[str]
    """Dotted paths to keep, such as `metadata.name`; everything by default."""


class EntityList(_Filtered, total=False):
    """Which entities to list, and what of them."""

    order: Sequence[str]
    """Dotted paths to sort by, each with `,desc` behind it for the reverse order."""
    limit: int
    offset: int


class EntityBatch(_Filtered, total=False):
    """What must hold for the entities of a batch, and what of them to get."""

    query: Query | None


class EntitySelection(_Filtered, total=False):
    """Which entities to read page by page."""

    query: Query | None
    """A predicate that must hold beside the filters."""
    order: Sequence[str]
    """A dotted path to sort by, with `,desc` behind it for the reverse order. Only the first one counts."""
    text: str
    """Words that the text fields, or *text_fields*, must contain."""
    text_fields: Sequence[str]
    total: Total
    """Whether to count all pages, as is usual."""


class EntityQuery(EntitySelection, total=False):
    """Which page of which entities."""

    limit: int
    """Entities in a page; with 0 they are only counted."""
    offset: int


def by_ref(ref: str | EntityRef, *, min_offset: int | None = None) -> Call[Entity]:
    """The entity with this ref."""
    return Call(path=f"/entities/by-name/{by_name(ref)}", params=optional(minOffset=min_offset), read=answers.entity)


def ancestry(ref: str | EntityRef, *, min_offset: int | None = None) -> Call[Ancestry]:
    """What led to the entity with this ref."""
    return Call(
        path=f"/entities/by-name/{by_name(ref)}/ancestry",
        params=optional(minOffset=min_offset),
        read=answers.ancestry,
    )


def listing(**wanted: Unpack[EntityList]) -> Call[Listing[Entity]]:
    """All entities, or a range of them."""
    params = [("filter", text) for text in texts(wanted.get("filters", ()))]
    params += optional(
        fields=",".join(wanted.get("fields", ())) or None,
        limit=wanted.get("limit"),
        offset=wanted.get("offset"),
        minOffset=wanted.get("min_offset"),
    )
    params += [("order", ":".join(_order(text)[::-1])) for text in wanted.get("order", ())]
    return Call(path="/entities", params=params, read=answers.entities)


def batches(refs: Sequence[str | EntityRef], **wanted: Unpack[EntityBatch]) -> Iterator[Call[Listing[Entity | None]]]:
    """The entities with these refs, in as many calls as it takes."""
    params = optional(minOffset=wanted.get("min_offset"))
    extra = present(
        fields=list(wanted.get("fields", ())),
        query=predicate(wanted.get("filters", ()), wanted.get("query")),
    )
    for chunk in _chunks([str(canonical(ref)) for ref in refs]):
        body = {"entityRefs": chunk, **extra}
        yield Call(method="POST", path="/entities/by-refs", params=params, body=body, read=answers.batch)


def _chunks(refs: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    room = _LONGEST_BATCH
    for ref in refs:
        # Quotes and a comma.
        size = len(ref.encode()) + 3
        if chunk and (len(chunk) == _LARGEST_BATCH or size > room):
            yield chunk
            chunk, room = [], _LONGEST_BATCH
        chunk.append(ref)
        room -= size
    if chunk:
        yield chunk


def first_page(**wanted: Unpack[EntityQuery]) -> Call[EntityPage]:
    """The first page of a query."""
    params = [("filter", text) for text in texts(wanted.get("filters", ()))]
    params += [("orderField", ",".join(_order(text))) for text in wanted.get("order", ())]
    params += optional(
        fields=",".join(wanted.get("fields", ())) or None,
        limit=wanted.get("limit"),
        offset=wanted.get("offset"),
        fullTextFilterTerm=wanted.get("text") or None,
        fullTextFilterFields=",".join(wanted.get("text_fields", ())) or None,
        totalItems=wanted.get("total"),
    )
    if wanted.get("query") is None and fits(params):
        return _page(params, wanted.get("min_offset"))
    return _page(_asked(wanted), wanted.get("min_offset"))


def _asked(wanted: EntityQuery) -> Mapping[str, object]:
    text = present(term=wanted.get("text"), fields=list(wanted.get("text_fields", ())))
    return present(
        query=predicate(wanted.get("filters", ()), wanted.get("query")),
        fields=list(wanted.get("fields", ())),
        limit=wanted.get("limit"),
        offset=wanted.get("offset"),
        orderBy=[dict(zip(("field", "order"), _order(path), strict=True)) for path in wanted.get("order", ())],
        fullTextFilter=text if "term" in text else None,
        totalItems=wanted.get("total"),
    )


def page_at(
    cursor: str, *, limit: int | None = None, fields: Sequence[str] = (), min_offset: int | None = None
) -> Call[EntityPage]:
    """The page that a cursor of another one leads to. The cursor knows the filters and the order, no more."""
    params = optional(cursor=cursor, limit=limit, fields=",".join(fields) or None)
    if fits(params):
        return _page(params, min_offset)
    return _page(present(cursor=cursor, limit=limit, fields=list(fields)), min_offset)


def _page(asked: Sequence[tuple[str, str]] | Mapping[str, object], min_offset: int | None) -> Call[EntityPage]:
    path, at_least = "/entities/by-query", optional(minOffset=min_offset)
    if isinstance(asked, Mapping):
        return Call(method="POST", path=path, params=at_least, body=asked, read=answers.page)
    return Call(path=path, params=[*asked, *at_least], read=answers.page)


def page_after(page: EntityPage, *, page_size: int, wanted: EntitySelection) -> Call[EntityPage] | None:
    """The page that follows; None when there is none."""
    if page.next_cursor is None:
        return None
    fields, min_offset = wanted.get("fields", ()), wanted.get("min_offset")
    return page_at(page.next_cursor, limit=page_size, fields=fields, min_offset=min_offset)


def facets(
    paths: Sequence[str], *, filters: Filters = (), query: Query | None = None, min_offset: int | None = None
) -> Call[Facets]:
    """The values of the fields at *paths* among the entities that are meant."""
    params = [("facet", path) for path in paths] + [("filter", text) for text in texts(filters)]
    at_least = optional(minOffset=min_offset)
    if query is None and fits(params):
        return Call(path="/entity-facets", params=[*params, *at_least], read=answers.facets)
    body = present(facets=list(paths), query=predicate(filters, query))
    return Call(method="POST", path="/entity-facets", params=at_least, body=body, read=answers.facets)


def remove(uid: str) -> Call[int]:
    """Delete one entity."""
    return Call(method="DELETE", path=f"/entities/by-uid/{quoted(uid)}", read=answers.visible)


def refresh(ref: str | EntityRef) -> Call[None]:
    """Read an entity again at its source."""
    return Call(method="POST", path="/refresh", body={"entityRef": str(canonical(ref))}, read=answers.nothing)


def _order(text: str) -> tuple[str, str]:
    field, _, direction = text.partition(",")
    return field, direction or "asc"

"""Exporting: the list of entities as a file, for a spreadsheet or for a program, whole and while it is read."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from anyio.lowlevel import checkpoint
from starlette.responses import Response, StreamingResponse

from callboard.errors import NotFound
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.ui import narrowing
from callboard.ui.narrowing import Wanted, text_filter
from callboard.ui.presenting import ref_of, tags_of, targets_of, title_of
from callboard.ui.shapes import mapping, mappings, text
from callboard.ui.visits import Visit

_AT_ONCE = 500
_FIELDS: Final[list[JsonValue]] = ["kind", "metadata", "spec"]
_HEADINGS: Final = (
    "ref", "kind", "namespace", "name", "title",
    "owner", "system", "type", "lifecycle", "description", "tags", "targets",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet calculates."""


async def export(visit: Visit) -> Response:
    """All that the address of the list says, by name, in the format that the path names."""
    name = visit.request.path_params["format"]
    if name not in _FORMATS:
        raise NotFound(f"The list comes as {' or '.join(_FORMATS)}, and not as '{name}'")
    media_type, fields, write = _FORMATS[name]
    wanted = narrowing.parse(visit)
    # The first page is asked for before anything is answered, so that an error of the API is still a page.
    first = await visit.catalog.post_object("/entities/by-query", _query(wanted, fields))
    headers = {
        "content-disposition": f'attachment; filename="{_file_name(wanted)}.{name}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(write(_pages(visit, first, fields)), media_type=media_type, headers=headers)


def _query(wanted: Wanted, fields: list[JsonValue] | None) -> JsonObject:
    return {
        "query": wanted.predicate(),
        "fullTextFilter": text_filter(wanted.text),
        "orderBy": [{"field": "metadata.name", "order": "asc"}],
        "limit": _AT_ONCE,
        "fields": fields,
    }


async def _pages(visit: Visit, page: JsonObject, fields: list[JsonValue] | None) -> AsyncIterator[list[JsonObject]]:
    yield mappings(page["items"])
    while cursor := mapping(page["pageInfo"]).get("nextCursor"):
        asked: JsonObject = {"cursor": cursor, "limit": _AT_ONCE, "fields": fields}
        # Neither the API nor a quick reader makes this wait; others want an answer meanwhile.
        await checkpoint()
        page = await visit.catalog.post_object("/entities/by-query", asked)
        yield mappings(page["items"])


def _file_name(wanted: Wanted) -> str:
    safe = wanted.kind.isascii() and wanted.kind.isalnum()
    return f"catalog-{wanted.kind}" if safe else "catalog"


async def _as_json(pages: AsyncIterator[list[JsonObject]]) -> AsyncIterator[bytes]:
    before = b"[\n"
    async for page in pages:
        if page:
            yield before + b",\n".join(map(json.encode, page))
            before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


async def _as_csv(pages: AsyncIterator[list[JsonObject]]) -> AsyncIterator[bytes]:
    yield _lines([_HEADINGS])
    async for page in pages:
        yield _lines(map(_row, page))


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows([map(_cell, row) for row in rows])
    return written.getvalue().encode()


def _row(entity: JsonObject) -> list[str]:
    metadata, spec = mapping(entity.get("metadata")), mapping(entity.get("spec"))
    return [
        ref_of(entity),
        text(entity.get("kind")),
        text(metadata.get("namespace")),
        text(metadata.get("name")),
        title_of(entity),
        *(text(spec.get(key)) for key in ("owner", "system", "type", "lifecycle")),
        text(metadata.get("description")),
        " ".join(tags_of(entity)),
        " ".join(targets_of(entity)),
    ]


def _cell(value: str) -> str:
    """*value* so that a spreadsheet shows it instead of calculating it: entities come from strangers.

    >>> _cell("=1+1"), _cell("a=b")
    ("'=1+1", 'a=b')
    """
    return f"'{value}" if value.startswith(_FORMULA) else value


_Writing = Callable[[AsyncIterator[list[JsonObject]]], AsyncIterator[bytes]]
_FORMATS: Final[dict[str, tuple[str, list[JsonValue] | None, _Writing]]] = {
    "csv": ("text/csv; charset=utf-8", _FIELDS, _as_csv),
    "json": ("application/json", None, _as_json),
}
"""By the ending: the type of the content, which fields it needs, and who writes it."""

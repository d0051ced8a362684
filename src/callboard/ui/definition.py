"""Definition: the tab of an API that says how it is used."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from callboard.errors import NotFound
from callboard.model.json import JsonValue
from callboard.model.notation import as_yaml
from callboard.ui import subjects
from callboard.ui.definitions import asyncapi, documents, openapi
from callboard.ui.definitions.documents import Document, Unreadable
from callboard.ui.definitions.parts import Definition, Page
from callboard.ui.shapes import text
from callboard.ui.sources import highlighted, is_cut
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit

_FORMATS: Final[Mapping[str, Callable[[Document, Page], Definition]]] = {
    "openapi": openapi.definition,
    "swagger": openapi.definition,
    "asyncapi": asyncapi.definition,
}
_ENDINGS: Final = {"graphql": "graphql", "grpc": "proto", "protobuf": "proto", "trpc": "ts", "wsdl": "wsdl"}
_SOURCE: Final = "source"


async def definition(visit: Visit) -> Response:
    """The definition of an API: read, as it was written, or as a file."""
    subject = await subjects.find(visit)
    written = _written(subject.spec.get("definition"))
    type_ = text(subject.spec.get("type")).lower()
    if visit.text("as") == "file":
        return _file(subject, type_, written)
    told = _Told()
    if type_ in _FORMATS and written and visit.text("as") != _SOURCE:
        told = await asyncio.to_thread(_read, type_, written, visit.text("show"))
    is_source = told.definition is None
    return await subjects.page(
        visit,
        subject,
        "entity/definition.html",
        told=told.definition,
        problem=told.problem,
        only=visit.text("show") if told.definition else "",
        shown=_shown(told.definition) if told.definition else set(),
        readable=type_ in _FORMATS,
        type=type_,
        written=written,
        source=_coloured(written, type_) if is_source and written else None,
        is_cut=is_cut(written),
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """A definition, or why it can't be read."""

    definition: Definition | None = None
    problem: str = ""


def _read(type_: str, written: str, only: str) -> _Told:
    try:
        found = _FORMATS[type_](documents.read(written), Page(only))
    except Unreadable as error:
        return _Told(problem=str(error))
    if only and only not in _shown(found):
        raise NotFound(f"The definition has nothing under '{only}'")
    return _Told(found)


def _shown(found: Definition) -> set[str]:
    operations = {each.anchor for group in found.groups for each in group.operations if each.details is not None}
    return operations | {each.anchor for each in found.schemas if each.node is not None}


def _written(value: JsonValue) -> str:
    """The text of a definition, also of one that somebody has not made a text."""
    return as_yaml(value) if isinstance(value, dict) else text(value)


def _coloured(written: str, type_: str) -> Markup:
    language = "json" if written.lstrip()[:1] == "{" and type_ in _FORMATS else type_
    return highlighted(written, language)


def _file(subject: Subject, type_: str, written: str) -> Response:
    if not written:
        raise NotFound(f"{subject.ref} has no definition")
    described = "json" if written.lstrip()[:1] == "{" else "yaml"
    ending = described if type_ in _FORMATS else _ENDINGS.get(type_, "txt")
    name = quote(f"{subject.ref.rpartition('/')[2]}.{ending}")
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{name}",
        "content-security-policy": "default-src 'none'",
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
    }
    return Response(written, media_type="text/plain", headers=headers)

"""History: the versions of an entity, what each has changed and why, any of them whole, and two of them compared."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from callboard.errors import InvalidInput, NotFound
from callboard.model.json import JsonObject
from callboard.model.notation import as_yaml
from callboard.ui import causes, comparing, presence, sources
from callboard.ui.asking import Refused, entity_path
from callboard.ui.causes import Cause
from callboard.ui.comparing import Comparison
from callboard.ui.shapes import mappings
from callboard.ui.visits import Visit

_PAGE: Final = 15
_UNFOLDED: Final = 3
_LONGEST_OFFSET: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One change of an entity, as a page tells it."""

    offset: int
    type: str
    at: str
    cause: Cause | None
    entity: JsonObject | None
    """What it has made of it; None when it was removed."""


async def history(visit: Visit) -> Response:
    """The tab: one version at `at`, two between `from` and `to`, or else the list of them."""
    found = await presence.find(visit)
    if visit.text("at"):
        return await _one(visit, found)
    if visit.text("from") or visit.text("to"):
        return await _two(visit, found)
    before = _offset(visit, "before") if visit.text("before") else None
    versions, more = await _versions(visit, found.ref, before=before)
    entries = await asyncio.to_thread(_entries, versions)
    return await presence.page(
        visit,
        found,
        "entity/history.html",
        before=before,
        entries=entries,
        versions=versions[:_PAGE],
        next_before=more,
        unfolded=_UNFOLDED,
    )


async def change(visit: Visit) -> Response:
    """What one change has done: a page of its own, that the live events show in a row as well."""
    ref = visit.ref
    offset = number(visit.request.path_params["offset"], "offset")
    versions, _ = await _versions(visit, ref, before=offset + 1, limit=2)
    if not versions or versions[0].offset != offset:
        raise NotFound(f"The change of {ref} at offset {offset} is not known, or not any more")
    compared = await asyncio.to_thread(_entries, versions)
    return visit.page("entity/change.html", ref=ref, version=versions[0], compared=compared[0][1])


def read(item: JsonObject) -> Version:
    """A version out of an item of the history, or out of an event."""
    entity, offset = item.get("entity"), item.get("offset")
    assert isinstance(offset, int)
    return Version(
        offset=offset,
        type=str(item.get("type", "")),
        at=str(item.get("at", "")),
        cause=causes.read(item.get("cause")),
        entity=entity if isinstance(entity, dict) else None,
    )


async def _one(visit: Visit, found: presence.Found) -> Response:
    """The entity as it was at an offset, whole."""
    at = _offset(visit, "at")
    version = await _at(visit, found.ref, at)
    text = "" if version is None or version.entity is None else as_yaml(version.entity)
    return await presence.page(
        visit,
        found,
        "entity/version.html",
        at=at,
        version=version,
        source=sources.highlighted(text, "yaml"),
        is_cut=sources.is_cut(text),
    )


async def _two(visit: Visit, found: presence.Found) -> Response:
    """What is other at one offset than at another."""
    first, last = _offset(visit, "from"), _offset(visit, "to")
    older, newer = await asyncio.gather(_at(visit, found.ref, first), _at(visit, found.ref, last))
    compared = await asyncio.to_thread(comparing.compare, _entity(older), _entity(newer))
    return await presence.page(
        visit,
        found,
        "entity/compared.html",
        first=first,
        last=last,
        older=older,
        newer=newer,
        compared=compared,
    )


async def _at(visit: Visit, ref: str, offset: int) -> Version | None:
    """The version that was current at *offset*; None where none is known.

    The history is asked for it, since below its floor it still has the last version of what is there.
    """
    versions, _ = await _versions(visit, ref, before=offset + 1, limit=1)
    return versions[0] if versions else None


async def _versions(
    visit: Visit, ref: str, *, before: int | None, limit: int = _PAGE + 1
) -> tuple[list[Version], int | None]:
    """Up to *limit* versions, newest first, and where a page that shows all but the last goes on."""
    try:
        told = await visit.catalog.get_object(entity_path(ref, "history"), before=before, limit=limit, include="entity")
    except Refused as refused:
        if refused.status != 404:
            raise
        return [], None
    versions = [read(item) for item in mappings(told["items"])]
    return versions, versions[_PAGE - 1].offset if len(versions) > _PAGE else None


def _entries(versions: Sequence[Version]) -> list[tuple[Version, Comparison | None]]:
    """Those of *versions* that a page shows, with what each has changed; None where the one before is not known."""
    shown: list[tuple[Version, Comparison | None]] = []
    for index, version in enumerate(versions[:_PAGE]):
        older = versions[index + 1] if index + 1 < len(versions) else None
        is_told = version.type == "updated" and older is not None
        shown.append((version, comparing.compare(_entity(older), version.entity) if is_told else None))
    return shown


def _offset(visit: Visit, name: str) -> int:
    return number(visit.text(name), name)


def number(digits: str, name: str) -> int:
    """The offset that a parameter says. Raises InvalidInput."""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_OFFSET):
        raise InvalidInput(f"'{name}' must be an offset, a whole number, and not '{digits[:50]}'")
    return int(digits)


def _entity(version: Version | None) -> JsonObject | None:
    return None if version is None else version.entity

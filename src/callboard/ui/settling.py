"""Settling: how far something that was asked for has come, told until it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from callboard.errors import InvalidInput
from callboard.model.json import JsonObject
from callboard.ui import problems
from callboard.ui.asking import entity_path
from callboard.ui.problems import Problem
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_MOST_ABOVE = 10
"""So many entities above one are looked at: each costs a question. Chains have two to four."""
_MOST_CHANGES = 100
_OF_ENTITY = "entity:"


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far the refresh of an entity has come."""

    ref: str
    settled: bool
    exists: bool = True
    orphan: bool = False
    waiting: Sequence[str] = ()
    """The entities, this one or others above it, that are not done yet."""
    offset: int = 0
    """The offset of the view that has all of it."""
    changes: int = 0
    """How often the entity has changed meanwhile."""
    problems: Sequence[tuple[str, Problem]] = ()
    """What is wrong, each with the entity that it is wrong with."""


async def entity(visit: Visit) -> Response:
    """A refresh that was asked for at the offset `since`."""
    ref, since = visit.ref, _offset(visit.text("since", "0"))
    progress = await _look(visit, ref)
    if progress.settled and progress.exists:
        progress.changes = await _changes(visit, ref, since)
    return visit.page("settling/entity.html", since=since, progress=progress)


def _offset(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput(f"'{text}' is no offset")
    return int(text)


async def _look(visit: Visit, ref: str) -> Progress:
    """What the explanations of the entity, and of those above it, say.

    They are asked for one after the other, from the top down: what is quiet up there has handed down whatever it had
    for those below before these are looked at.
    """
    first = await _explained(visit, ref)
    explained = [(ref, first)]
    if first is not None:
        others = _above(first, ref)
        explained = [(each, await _explained(visit, each)) for each in (*others, ref)]
    waiting = [each for each, found in explained if found is not None and _is_due(found)]
    last = explained[-1][1]
    seen = visit.context.view.offset
    return Progress(
        ref=ref,
        settled=not waiting and (last is None or _last_offset(last) <= seen),
        exists=last is not None,
        orphan=last is not None and last["orphan"] is True,
        waiting=waiting,
        offset=seen,
        problems=[
            (each, problems.of_error(error))
            for each, found in explained
            if found is not None
            for error in mappings(found["errors"])
        ],
    )


async def _explained(visit: Visit, ref: str) -> JsonObject | None:
    found = await visit.catalog.find(entity_path(ref, "explain"))
    return found if isinstance(found, dict) else None


def _above(explained: JsonObject, ref: str) -> list[str]:
    """The Locations on the way to the entity, which a refresh is about as well, the farthest first."""
    named = [str(node["source"]) for node in mappings(mapping(explained["chains"])["nodes"])]
    above = [source.removeprefix(_OF_ENTITY) for source in named if source.startswith(f"{_OF_ENTITY}location:")]
    return [each for each in above if each != ref][:_MOST_ABOVE][::-1]


def _is_due(explained: JsonObject) -> bool:
    processing, stitching = mapping(explained["processing"]), mapping(explained["stitching"])
    return any((processing["waiting"], processing["heldUntil"], stitching["next"], stitching["heldUntil"]))


def _last_offset(explained: JsonObject) -> int:
    last = mapping(explained["offsets"]).get("last")
    return last if isinstance(last, int) else 0


async def _changes(visit: Visit, ref: str, since: int) -> int:
    found = mapping(await visit.catalog.find(entity_path(ref, "history"), limit=_MOST_CHANGES))
    offsets = [item.get("offset") for item in mappings(found.get("items"))]
    return sum(isinstance(offset, int) and offset > since for offset in offsets)

"""Conflicts: entities that several sources claim."""

from starlette.responses import Response

from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.asking import Refused
from callboard.ui.operations.frame import TABS
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_ON_A_PAGE = 20
_OPERATIONS = 30
"""Of one difference; the rest is counted."""
_LONGEST = 200
"""Characters of a value."""


async def conflicts(visit: Visit) -> Response:
    """One page of them: who won, who else offers the entity, and in what that is other."""
    cursor = visit.text("cursor")
    try:
        found = await visit.catalog.get_object(
            "/conflicts",
            limit=None if cursor else _ON_A_PAGE,
            cursor=cursor or None,
            entityRef=visit.text("entityRef") or None,
        )
    except Refused as refused:
        if refused.status == 400 and cursor:
            return visit.go("/operations/conflicts")
        raise
    return visit.page(
        "operations/conflicts.html",
        tabs=TABS,
        found=found,
        items=[_shown(each) for each in mappings(found["items"])],
        onward=mapping(found["pageInfo"]).get("nextCursor"),
    )


def _shown(conflict: JsonObject) -> JsonObject:
    """A conflict whose differences have at most so many lines."""
    rivals: list[JsonObject] = []
    for rival in mappings(conflict.get("rivals")):
        patch = mappings(rival.get("patch"))
        told: list[JsonValue] = [{**each, "value": _written(each.get("value"))} for each in patch[:_OPERATIONS]]
        rivals.append({**rival, "patch": told, "more": max(0, len(patch) - _OPERATIONS)})
    return {**conflict, "rivals": [*rivals]}


def _written(value: JsonValue) -> str:
    """A value as its source has it, as far as there is room for it."""
    written = value if isinstance(value, str) and value else json.encode(value).decode()
    return written if len(written) <= _LONGEST else written[: _LONGEST - 1] + "…"

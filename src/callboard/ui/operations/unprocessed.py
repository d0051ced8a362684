"""Failed and pending: what readers can't see, and why."""

from typing import Final

from starlette.responses import Response

from callboard.access.permissions import ENTITY_REFRESH, UNPROCESSED_DELETE
from callboard.model.json import JsonObject
from callboard.model.notation import as_yaml
from callboard.ui import problems
from callboard.ui.asking import path_of
from callboard.ui.operations.frame import TABS
from callboard.ui.presenting import with_query
from callboard.ui.shapes import mapping, mappings
from callboard.ui.sources import highlighted
from callboard.ui.visits import Visit

_TYPES: Final = ("failed", "pending")
_ON_A_PAGE: Final = 50


async def unprocessed(visit: Visit) -> Response:
    """One page of those that have never been good, or wait for their first run."""
    kind = visit.text("type", "failed")
    kind = kind if kind in _TYPES else "failed"
    owner = visit.text("owner").strip()
    found = await visit.catalog.get_object(f"/entities/unprocessed/{kind}", owner=owner or None)
    every = mappings(found["entities"])
    start = _start(visit, len(every))
    return visit.page(
        "operations/unprocessed.html",
        tabs=TABS,
        type=kind,
        owner=owner,
        count=len(every),
        start=start,
        size=_ON_A_PAGE,
        items=[_row(each) for each in every[start : start + _ON_A_PAGE]],
        may_delete=await visit.may(UNPROCESSED_DELETE),
        may_refresh=await visit.may(ENTITY_REFRESH),
    )


def _start(visit: Visit, count: int) -> int:
    text = visit.text("from")
    start = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    return start if start < count else 0


def _row(entity: JsonObject) -> dict[str, object]:
    return {
        "id": entity["entity_id"],
        "ref": str(entity["entity_ref"]),
        "problems": [problems.of_error(each) for each in mappings(entity.get("errors"))],
        "discovered": entity.get("last_discovery_at"),
        "next": entity.get("next_update_at"),
        "key": entity.get("location_key"),
        "source": highlighted(as_yaml(mapping(entity.get("unprocessed_entity"))), "yaml"),
    }


async def delete(visit: Visit) -> Response:
    """Delete one of them. What still emits it brings it back, and is named."""
    entity_id = visit.form.get("id", "")
    answer = await visit.catalog.ask("DELETE", "/entities/unprocessed/delete" + path_of(entity_id), None)
    back = answer.headers.get("callboard-returns", "")
    said = f"It is deleted, and {back} will bring it back." if back else "It is deleted."
    return visit.go(with_query("/operations/unprocessed", {"type": visit.form.get("type", "failed")}), said)


async def refresh(visit: Visit) -> Response:
    """Have one of them, and what it comes from, read again now."""
    await visit.catalog.post("/refresh", {"entityRef": visit.form.get("ref", "")})
    address = with_query("/operations/unprocessed", {"type": visit.form.get("type", "failed")})
    return visit.go(address, "It is being read again.")

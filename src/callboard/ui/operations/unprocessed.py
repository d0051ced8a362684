"""Failed and pending: what readers can't see, and why."""

from typing import Final

from starlette.responses import Response

from callboard.access.permissions import ENTITY_REFRESH, UNPROCESSED_DELETE
from callboard.errors import NotFound
from callboard.model.json import JsonObject
from callboard.model.notation import as_yaml
from callboard.ui import problems
from callboard.ui.asking import path_of
from callboard.ui.operations.frame import TABS
from callboard.ui.presenting import with_query
from callboard.ui.shapes import mapping, mappings
from callboard.ui.sources import highlighted, is_cut
from callboard.ui.visits import Visit

_TYPES: Final = ("failed", "pending")
_ON_A_PAGE: Final = 50
_COUNTED: Final = 1_000
"""Nobody needs to know how many more there are, and for an owner each of them has to be looked into."""


async def unprocessed(visit: Visit) -> Response:
    """One page of those that have never been good, or wait for their first run."""
    kind = _kind(visit.text("type"))
    owner = visit.text("owner").strip()
    start = _start(visit)
    count, entities = await _page(visit, kind, owner, start)
    if start >= count > 0:
        # There are fewer than there were.
        start = 0
        count, entities = await _page(visit, kind, owner, start)
    return visit.page(
        "operations/unprocessed.html",
        tabs=TABS,
        type=kind,
        owner=owner,
        count=count,
        start=start,
        size=_ON_A_PAGE,
        counted=max(_COUNTED, start + _ON_A_PAGE),
        items=[*map(_row, entities)],
        may_delete=await visit.may(UNPROCESSED_DELETE),
        may_refresh=await visit.may(ENTITY_REFRESH),
    )


async def _page(visit: Visit, kind: str, owner: str, start: int) -> tuple[int, list[JsonObject]]:
    """How many there are, as far as they are counted, and those of the page that begins with this one."""
    found = await visit.catalog.get_object(
        f"/entities/unprocessed/{kind}",
        owner=owner or None,
        limit=_ON_A_PAGE,
        offset=start,
        countUpTo=max(_COUNTED, start + _ON_A_PAGE) + 1,
    )
    count = found["totalItems"]
    assert isinstance(count, int)
    return count, mappings(found["entities"])


def _kind(asked: str) -> str:
    return asked if asked in _TYPES else _TYPES[0]


def _list(kind: str, owner: str = "", start: str = "") -> str:
    """The address of a page of the list."""
    return with_query("/operations/unprocessed", {"type": kind, "owner": owner, "from": start})


def _back(visit: Visit) -> str:
    """The page of the list that a form has been sent from."""
    return _list(_kind(visit.form.get("type", "")), visit.form.get("owner", ""), visit.form.get("from", ""))


def _start(visit: Visit) -> int:
    text = visit.text("from")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def _row(entity: JsonObject) -> dict[str, object]:
    return {
        "id": entity["entity_id"],
        "ref": str(entity["entity_ref"]),
        "problems": [problems.of_error(each) for each in mappings(entity.get("errors"))],
        "discovered": entity.get("last_discovery_at"),
        "next": entity.get("next_update_at"),
        "key": entity.get("location_key"),
    }


async def source(visit: Visit) -> Response:
    """What the source of one of them offers. Written out it can be long, so that the list only leads here."""
    kind, entity_id = _kind(visit.text("type")), visit.request.path_params["id"]
    found = mappings((await visit.catalog.get_object(f"/entities/unprocessed/{kind}", entityId=entity_id))["entities"])
    if not found:
        raise NotFound("There is no such entity among these any more: it is good now, or gone")
    [entity] = found
    written = as_yaml(mapping(entity.get("unprocessed_entity")))
    return visit.page(
        "operations/source.html",
        ref=str(entity["entity_ref"]),
        source=highlighted(written, "yaml"),
        is_cut=is_cut(written),
        back=_list(kind),
    )


async def delete(visit: Visit) -> Response:
    """Delete one of them. What still emits it brings it back, and is named."""
    entity_id = visit.form.get("id", "")
    answer = await visit.catalog.ask("DELETE", "/entities/unprocessed/delete" + path_of(entity_id), None)
    back = answer.headers.get("callboard-returns", "")
    # The API says the same of one that has become good meanwhile, and so was left alone.
    said = f"It is deleted, and {back} will bring it back." if back else "It is not in this list any more."
    return visit.go(_back(visit), said)


async def refresh(visit: Visit) -> Response:
    """Have one of them, and what it comes from, read again now."""
    await visit.catalog.post("/refresh", {"entityRef": visit.form.get("ref", "")})
    return visit.go(_back(visit), "It is being read again.")

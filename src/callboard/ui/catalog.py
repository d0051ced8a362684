"""Catalog: the list of entities, with everything that narrows it down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from callboard.errors import NotFound
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.ui import narrowing
from callboard.ui.asking import Refused
from callboard.ui.narrowing import ALL, DIMENSIONS, SIZES, Wanted, text_filter
from callboard.ui.presenting import with_query
from callboard.ui.visits import Visit


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list."""

    name: str
    heading: str
    order: str = ""
    """The key that it is ordered by; empty when it can't be."""


_COLUMNS: Final = {
    each.name: each
    for each in (
        Column("name", "Name", "metadata.name"),
        Column("kind", "Kind", "kind"),
        Column("owner", "Owner", "spec.owner"),
        Column("system", "System", "spec.system"),
        Column("type", "Type", "spec.type"),
        Column("lifecycle", "Lifecycle", "spec.lifecycle"),
        Column("email", "E-mail", "spec.profile.email"),
        Column("targets", "Targets"),
        Column("description", "Description"),
        Column("tags", "Tags"),
    )
}
_USUAL: Final = ("name", "owner", "system", "type", "lifecycle", "description", "tags")
_OF_KIND: Final[Mapping[str, Sequence[str]]] = {
    "user": ("name", "email", "description", "tags"),
    "group": ("name", "type", "description", "tags"),
    "template": ("name", "owner", "type", "description", "tags"),
    "domain": ("name", "owner", "description", "tags"),
    "system": ("name", "owner", "description", "tags"),
    "location": ("name", "type", "targets"),
    ALL: ("name", "kind", "owner", "type", "description", "tags"),
}
_FIELDS: Final = [
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.title",
    "metadata.description",
    "metadata.tags",
    "metadata.annotations",
    "spec.type",
    "spec.lifecycle",
    "spec.owner",
    "spec.system",
    "spec.target",
    "spec.targets",
    "spec.profile.displayName",
    "spec.profile.email",
    "status",
]
"""What the columns need. Not the relations: a group may have thousands."""
_CHOICES_ON_A_PAGE = 500


async def index(visit: Visit) -> Response:
    """One page of the list."""
    elsewhere = narrowing.translated(visit)
    if elsewhere is not None:
        return visit.go(elsewhere)
    wanted = narrowing.parse(visit)
    names = _OF_KIND.get(wanted.kind, _USUAL)
    column, descending = _COLUMNS.get(wanted.order.removeprefix("-")), wanted.order.startswith("-")
    if column is None or not column.order or column.name not in names:
        column, descending = _COLUMNS["name"], False
    try:
        found = await visit.catalog.post_object("/entities/by-query", _query(visit, wanted, column, descending))
    except Refused as refused:
        if visit.text("cursor") and refused.status == 400:
            return visit.go(wanted.address(), "That page of the list is not known any more; this is the first one.")
        raise
    return visit.page(
        "catalog/index.html",
        wanted=wanted,
        found=found,
        columns=[_COLUMNS[name] for name in names],
        ordered=(column.name, descending),
        unordered=await _left_out(visit, wanted, column),
        kinds=await narrowing.kinds(visit, wanted),
        choices=await narrowing.choices(visit, wanted),
        states=await narrowing.states(visit, wanted),
        changes=_changes(visit, wanted),
        sizes=SIZES,
    )


def _query(visit: Visit, wanted: Wanted, column: Column, descending: bool) -> JsonObject:
    body: JsonObject = {"limit": wanted.limit, "fields": [*_FIELDS]}
    if cursor := visit.text("cursor"):
        return {**body, "cursor": cursor}
    body |= {
        "query": wanted.predicate(),
        "orderBy": [{"field": column.order, "order": "desc" if descending else "asc"}],
    }
    return {**body, "fullTextFilter": text_filter(wanted.text)}


async def _left_out(visit: Visit, wanted: Wanted, column: Column) -> int:
    """How many entities the order leaves out because they have nothing in its field."""
    if column.name in ("name", "kind"):
        return 0
    lacking: JsonObject = {"$all": [wanted.predicate(), {column.order: {"$exists": False}}]}
    body: JsonObject = {"query": lacking, "limit": 0, "fullTextFilter": text_filter(wanted.text)}
    counted = await visit.catalog.post_object("/entities/by-query", body)
    return int(str(counted["totalItems"]))


def _changes(visit: Visit, wanted: Wanted) -> str:
    predicate = json.encode(wanted.predicate()).decode()
    offset = visit.context.follower.view.offset
    return with_query("/live/events", {"offset": str(offset), "fields": "kind", "query": predicate})


async def choices(visit: Visit) -> Response:
    """All values of one dimension, to choose from: for those that the list has no room for."""
    wanted = narrowing.parse(visit)
    name, contains = visit.request.path_params["dimension"], visit.text("contains").strip()[:100]
    dimension = next((each for each in DIMENSIONS if each.name == name), None)
    if dimension is None:
        raise NotFound(
            f"The list can't be narrowed by '{name}'; it can by {', '.join(each.name for each in DIMENSIONS)}"
        )
    others = wanted.predicate(without=name)
    counted = await narrowing.counts(
        visit, [dimension.key], others, text=wanted.text, limit=_CHOICES_ON_A_PAGE + 1, contains=contains
    )
    return visit.page(
        "catalog/choices.html",
        wanted=wanted,
        dimension=dimension,
        contains=contains,
        counted=counted[dimension.key][:_CHOICES_ON_A_PAGE],
        more=len(counted[dimension.key]) > _CHOICES_ON_A_PAGE,
    )

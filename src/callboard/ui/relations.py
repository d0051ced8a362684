"""Relations: the tab that draws what an entity has to do with others, and lists it."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from callboard.model.json import JsonValue
from callboard.ui import subjects
from callboard.ui.graphs import drawing, narrowing, neighbourhoods
from callboard.ui.graphs.choosing import choices
from callboard.ui.graphs.drawing import Drawing
from callboard.ui.graphs.narrowing import Narrowing
from callboard.ui.graphs.neighbourhoods import Room, Way
from callboard.ui.graphs.pairs import BACKWARD
from callboard.ui.presenting import kind_name, kind_of, short, title_of, with_query
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit

_A_PAGE = 50
_ON_A_CARD = Room(nodes=25, at_start=6)


async def relations(visit: Visit) -> Response:
    """The graph around an entity, and the table of its own relations."""
    subject = await subjects.find(visit)
    narrowed = narrowing.read(visit)
    known = {subject.ref: subject.entity}
    found = await neighbourhoods.explore(visit.catalog, [subject.ref], narrowed, known=known)
    return await subjects.page(
        visit,
        subject,
        "entity/relations.html",
        narrowing=narrowed,
        choices=choices(found, narrowed),
        drawing=drawing.draw(found, f"Relations of {title_of(subject.entity)}"),
        relations=await _table(visit, found.ways[subject.ref], narrowed),
    )


async def card(visit: Visit, subject: Subject) -> Drawing:
    """The nearest relations, few enough for a card."""
    found = await neighbourhoods.explore(
        visit.catalog, [subject.ref], Narrowing(), _ON_A_CARD, {subject.ref: subject.entity}
    )
    return drawing.draw(found, f"Nearest relations of {title_of(subject.entity)}")


@dataclass(frozen=True, slots=True)
class _Row:
    relation: str
    ref: str
    title: str
    kind: str
    is_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One page of the relations that were chosen."""

    total: int
    chosen: int
    first: int
    last: int
    rows: Sequence[_Row]
    before: str
    after: str


async def _table(visit: Visit, ways: list[Way], narrowed: Narrowing) -> _Table:
    chosen = neighbourhoods.chosen(ways, narrowed)
    asked = visit.text("page", "1")
    last_page = max((len(chosen) - 1) // _A_PAGE + 1, 1)
    page = min(max(int(asked), 1), last_page) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    shown = chosen[(page - 1) * _A_PAGE : page * _A_PAGE]
    entities = await neighbourhoods.fetch(visit.catalog, list(dict.fromkeys(way.to for way in shown)), relations=False)
    return _Table(
        total=len(ways),
        chosen=len(chosen),
        first=(page - 1) * _A_PAGE + 1,
        last=(page - 1) * _A_PAGE + len(shown),
        rows=[
            _Row(
                BACKWARD[way.relation] if way.is_backward else way.relation,
                way.to,
                title_of(entity) if (entity := entities[way.to]) is not None else short(way.to, kind_of(way.to)),
                kind_name(kind_of(way.to)),
                entity is None,
            )
            for way in shown
        ],
        before=_page(visit, page - 1) if page > 1 else "",
        after=_page(visit, page + 1) if page < last_page else "",
    )


def _page(visit: Visit, number: int) -> str:
    asked = visit.request.query_params
    kept: dict[str, JsonValue] = {name: [*asked.getlist(name)] for name in asked if name != "page"}
    return with_query(visit.request.url.path, {**kept, "page": number})

"""Overview: the first tab of an entity, which says what it is, whose it is, and what it has to do with."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from callboard.model.notation import as_yaml
from callboard.ui import about, ownership, presence, relation_cards, relations, subjects
from callboard.ui.ownership import Members, Owned
from callboard.ui.presence import Absent
from callboard.ui.presenting import KINDS
from callboard.ui.relation_cards import Row
from callboard.ui.sources import highlighted
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit


async def overview(visit: Visit) -> Response:
    """The overview of one entity; of one that readers don't see, what has become of it."""
    subject = await presence.find(visit)
    if isinstance(subject, Absent):
        return visit.page("entity/gone.html", 404, subject=subject)
    told = about.of(subject)
    cards = relation_cards.of(subject)
    known, people, graph = await asyncio.gather(
        _known(visit, [*told.refs, *(ref for card in cards for ref in card.shown)]),
        _of_people(visit, subject),
        relations.card(visit, subject),
    )
    is_odd = subject.kind not in KINDS and bool(subject.spec)
    return await subjects.page(
        visit,
        subject,
        "entity/overview.html",
        about=told,
        most_refs=about.MOST_REFS,
        cards=cards,
        known=known,
        people=people,
        graph=graph,
        spec=highlighted(as_yaml(subject.spec), "yaml") if is_odd else None,
    )


async def _known(visit: Visit, refs: Sequence[str]) -> Mapping[str, Row]:
    """What is known of the entities under *refs*, and of their owners."""
    known = await relation_cards.known(visit, refs)
    owners = [row.owner for row in known.values() if row.owner and row.owner not in known]
    return {**known, **await relation_cards.known(visit, owners)}


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What the page of a group or a user has beside what other kinds have."""

    aggregated: bool
    """Whether the groups below a group, or those of a user, count as well."""
    switched: Sequence[tuple[str, str]]
    """The names and addresses of the two ways to count."""
    members: Members | None
    """Of a group."""
    owned: Sequence[Owned]


_DIRECT, _ALL = "direct", "all"


async def _of_people(visit: Visit, subject: Subject) -> People | None:
    if subject.kind not in ("group", "user"):
        return None
    is_user = subject.kind == "user"
    counted = visit.text("count", _ALL if is_user else _DIRECT)
    owners = await ownership.owners(visit, subject, aggregated=counted == _ALL)
    owned = await ownership.owned(visit, owners)
    members = None if is_user else await ownership.members(visit, owners, visit.text("members"))
    path = visit.request.url.path
    return People(
        aggregated=counted == _ALL,
        switched=[
            ("Directly", f"{path}?count={_DIRECT}"),
            ("With their groups" if is_user else "With groups below", f"{path}?count={_ALL}"),
        ],
        members=members,
        owned=owned,
    )

"""Subjects: the entity that a page is about, and what all of its tabs say of it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar
from urllib.parse import quote

from starlette.responses import Response

from callboard.access.permissions import ENTITY_DELETE, ENTITY_REFRESH, LOCATION_DELETE
from callboard.model.annotations import MANAGED_BY_LOCATION, ORPHAN
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.stitching.assembly import CONFLICT
from callboard.ui import problems
from callboard.ui.asking import Refused, entity_path
from callboard.ui.presenting import page_of, ref_of, title_of
from callboard.ui.problems import Problem
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_MOST_RELATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An entity, with what the head of its page shows."""

    ref: str
    entity: JsonObject
    tabs: Sequence[tuple[str, str]]
    """Names and addresses."""
    targets: Mapping[str, Sequence[str]]
    """The refs that it has relations to, by their types. A hub has thousands, so they are sorted once."""
    may_refresh: bool
    may_delete: bool
    may_unregister: bool

    def related(self, *types: str) -> list[str]:
        """The refs that it has a relation of one of *types* to."""
        return [ref for type_ in types for ref in self.targets.get(type_, ())]

    @property
    def kind(self) -> str:
        """Its kind in lower case."""
        return self.ref.partition(":")[0]

    @property
    def uid(self) -> str:
        """What is its own until it is removed."""
        return str(self.metadata.get("uid", ""))

    @property
    def metadata(self) -> JsonObject:
        """Its metadata."""
        return mapping(self.entity.get("metadata"))

    @property
    def spec(self) -> JsonObject:
        """Its spec."""
        return mapping(self.entity.get("spec"))

    @property
    def annotations(self) -> JsonObject:
        """Its annotations."""
        return mapping(self.metadata.get("annotations"))

    @property
    def is_orphan(self) -> bool:
        """Whether nothing claims it any more."""
        return self.annotations.get(ORPHAN) == "true"

    @property
    def errors(self) -> list[JsonObject]:
        """What its last processing has found wrong, each with `level`, `message` and perhaps `error`."""
        return _errors(self.entity)

    @property
    def problems(self) -> list[Problem]:
        """The same as people read it, but for conflicts, of which more is known than a message."""
        return [problems.of_status(each) for each in self.errors if each.get("type") != CONFLICT]

    @property
    def is_read(self) -> bool:
        """Whether it comes from something that can be read again."""
        return str(self.annotations.get(MANAGED_BY_LOCATION, "")).startswith(("url:", "file:"))


@dataclass(frozen=True, slots=True)
class Above:
    """An entity above a subject that is in error, so that the subject may be out of date."""

    ref: str
    title: str
    problems: Sequence[Problem]


async def find(visit: Visit) -> Subject:
    """The subject that the path names, in any case. Raises Refused when there is none."""
    ref = visit.ref
    entity = await visit.catalog.get_object(entity_path(ref))
    return Subject(
        ref=ref,
        entity=entity,
        targets=_targets(entity),
        tabs=_tabs(ref),
        may_refresh=await visit.may(ENTITY_REFRESH),
        may_delete=await visit.may(ENTITY_DELETE),
        may_unregister=await visit.may(LOCATION_DELETE),
    )


def _targets(entity: JsonObject) -> Mapping[str, Sequence[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    relations = entity.get("relations")
    for each in relations if isinstance(relations, list) else ():
        if isinstance(each, dict):
            found[str(each.get("type"))].append(str(each.get("targetRef")))
    return found


def _tabs(ref: str) -> list[tuple[str, str]]:
    tabs = [("Overview", page_of(ref))]
    if ref.startswith("api:"):
        tabs.append(("Definition", page_of(ref, "definition")))
    return [
        *tabs,
        ("Relations", page_of(ref, "relations")),
        ("History", page_of(ref, "history")),
        ("Inspect", page_of(ref, "inspect")),
        ("Events", page_of(ref, "events")),
    ]


async def page(visit: Visit, subject: Subject, template: str, **values: object) -> Response:
    """A tab of the page of *subject*: *template* extends `entity.html`."""
    conflict, above, lacking = await asyncio.gather(
        _unless_away(_conflict(visit, subject)), _unless_away(_above(visit, subject)), missing(visit, subject)
    )
    return visit.page(
        template,
        subject=subject,
        changes=changes_of(visit, subject.ref),
        conflict=None if isinstance(conflict, Refused) else conflict,
        above=[] if isinstance(above, Refused) else above,
        away=isinstance(conflict, Refused) or isinstance(above, Refused),
        missing=lacking,
        **values,
    )


_Found = TypeVar("_Found")


async def _unless_away(asking: Awaitable[_Found]) -> _Found | Refused:
    # The entity itself is in memory: it can be shown while the database, which is asked here, is away.
    try:
        return await asking
    except Refused as refused:
        if refused.status == 503:
            return refused
        raise


def changes_of(visit: Visit, ref: str) -> str:
    """Where scripts learn of the changes of one entity after this page was made."""
    parsed = EntityRef.parse(ref)
    only = f"kind={parsed.kind},metadata.namespace={parsed.namespace},metadata.name={parsed.name}"
    return f"/live/events?offset={visit.context.follower.view.offset}&fields=kind&filter={quote(only, safe='')}"


async def missing(visit: Visit, subject: Subject) -> list[str]:
    """The refs that *subject* has relations to and that nothing can be found under, looking at the first 300."""
    targets = [*islice(dict.fromkeys(chain.from_iterable(subject.targets.values())), _MOST_RELATIONS)]
    found = await visit.catalog.by_refs(targets, ["kind"])
    return [ref for ref, entity in zip(targets, found, strict=True) if entity is None]


async def _conflict(visit: Visit, subject: Subject) -> JsonObject | None:
    found = await visit.catalog.get_object("/conflicts", entityRef=subject.ref)
    return next(iter(mappings(found["items"])), None)


async def _above(visit: Visit, subject: Subject) -> list[Above]:
    found = await visit.catalog.find(entity_path(subject.ref, "ancestry"))
    entities = [mapping(item.get("entity")) for item in mappings(mapping(found).get("items"))]
    failing = [(ref_of(entity), entity, _serious(entity)) for entity in entities]
    return [Above(ref, title_of(entity), wrong) for ref, entity, wrong in failing if wrong and ref != subject.ref]


def _serious(entity: JsonObject) -> list[Problem]:
    return [problem for problem in map(problems.of_status, _errors(entity)) if problem.is_serious]


def _errors(entity: JsonObject) -> list[JsonObject]:
    return mappings(mapping(entity.get("status")).get("items"))
